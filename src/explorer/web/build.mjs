// Builds the explorer: `node build.mjs <outdir>`.
//
// Writes only into <outdir>, which must be empty or missing:
//   index.html     the page, to be served at /
//   *-HASH.*       the files that it loads, to be served at /explorer/: the name
//                  contains a hash of the content, so it can be cached forever
//   LICENSES.txt   the licences of every package in the bundle
//   manifest.tsv   a line per file: path, content type, whether it never changes

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Where the server serves the files. */
const BASE = "/explorer/";

const CONTENT_TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".ttf": "font/ttf",
  ".txt": "text/plain; charset=utf-8",
};

const WORKERS = {
  editor: "monaco-editor/esm/vs/editor/editor.worker.js",
  json: "monaco-editor/esm/vs/language/json/json.worker.js",
  graphql: "monaco-graphql/esm/graphql.worker.js",
};

/** Packages that were published without their licence, and a package of the
 *  same repository (or author) and licence that has the text. */
const LICENCE_FROM = {
  "@graphiql/plugin-doc-explorer": "graphiql",
  "@graphiql/plugin-history": "graphiql",
  "react-compiler-runtime": "react",
  "react-remove-scroll-bar": "react-remove-scroll",
};

const here = dirname(fileURLToPath(import.meta.url));
if (!process.argv[2]) throw new Error("usage: node build.mjs <outdir>");
const outdir = resolve(process.argv[2]);
mkdirSync(outdir, { recursive: true });
if (readdirSync(outdir).length) throw new Error(`${outdir}: not empty`);

const options = {
  absWorkingDir: here,
  outdir,
  bundle: true,
  minify: true,
  metafile: true,
  target: "es2022",
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".ttf": "file" },
  define: { "process.env.NODE_ENV": '"production"' },
  // LICENSES.txt has these comments; they need not be in every file.
  legalComments: "none",
  logLevel: "warning",
};

/** The name esbuild gave to the output of the entry point `from`. */
const nameOf = ({ outputs }, from) =>
  Object.keys(outputs)
    .find((path) => outputs[path].entryPoint?.endsWith(from))
    .replace(/^.*\//, "");

// The workers come first: the page's bundle has to know their hashed names.
const workers = await build({
  ...options,
  entryPoints: Object.values(WORKERS),
  format: "iife",
});
const workerUrls = Object.fromEntries(
  Object.entries(WORKERS).map(([label, from]) => [label, BASE + nameOf(workers.metafile, from)]),
);

const page = await build({
  ...options,
  entryPoints: ["entry.jsx"],
  format: "esm",
  jsx: "automatic",
  define: { ...options.define, WORKERS: JSON.stringify(workerUrls) },
  // Imported by @graphiql/toolkit for subscriptions, which we do not have.
  external: ["graphql-ws"],
});
const script = nameOf(page.metafile, "entry.jsx");
const style = Object.keys(page.metafile.outputs)
  .find((path) => path.endsWith(".css"))
  .replace(/^.*\//, "");

writeFileSync(
  join(outdir, "index.html"),
  readFileSync(join(here, "index.html"), "utf8")
    .replaceAll("BASE/", BASE)
    .replace("STYLE", style)
    .replace("SCRIPT", script),
);
writeFileSync(join(outdir, "LICENSES.txt"), licences([workers.metafile, page.metafile]));

const files = readdirSync(outdir).sort();
const manifest = files.map((path) => {
  const contentType = CONTENT_TYPES[extname(path)];
  if (!contentType) throw new Error(`${path}: unknown content type`);
  const immutable = !["index.html", "LICENSES.txt"].includes(path);
  return `${path}\t${contentType}\t${immutable}\n`;
});
writeFileSync(join(outdir, "manifest.tsv"), manifest.join(""));

/** The licences of the packages with at least one byte in the outputs. */
function licences(metafiles) {
  const folders = new Set();
  for (const { outputs } of metafiles) {
    for (const { inputs } of Object.values(outputs)) {
      for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
        const folder = /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(path)?.[0];
        if (folder && bytesInOutput > 0) folders.add(folder);
      }
    }
  }
  const sections = new Map();
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
    const texts = licenceTexts(folder) ?? licenceTexts(join("node_modules", LICENCE_FROM[name] ?? name));
    // Fails the build rather than ship a copy without its licence.
    if (!texts || !license) throw new Error(`${name}@${version}: no licence found`);
    sections.set(`${name} ${version} (${license})`, texts);
  }
  const line = "=".repeat(78);
  return [...sections]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, texts]) => `${line}\n${title}\n${line}\n\n${texts}\n`)
    .join("\n");
}

/** The licence texts in a package's folder, with notices of third-party parts,
 *  or undefined. */
function licenceTexts(folder) {
  const texts = readdirSync(join(here, folder))
    .filter((file) => /^(licen[cs]e|copying|notice|third-?party-?notices)/i.test(file))
    .sort()
    .map((file) => readFileSync(join(here, folder, file), "utf8").replaceAll("\r\n", "\n").trim());
  return texts.length ? texts.join("\n\n") : undefined;
}
