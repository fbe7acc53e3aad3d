// Runs the code generators of the clients the way their applications do.
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const projectDirectory = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);

/// Runs an installed command and gives all it printed; fails when the command does.
export async function runTool(name, args = [], directory = '.') {
  const { stdout, stderr } = await run(`${projectDirectory}node_modules/.bin/${name}`, args, {
    cwd: `${projectDirectory}${directory}`,
    env: { ...process.env, NO_COLOR: '1' },
  });
  return stdout + stderr;
}

/// Compiles relay/ from scratch into relay/__generated__ and its persisted queries into generated/.
export async function compileRelay() {
  await rm(`${projectDirectory}relay/__generated__`, { recursive: true, force: true });
  // The compiler wants both to exist, and keeps what is in the file.
  await mkdir(`${projectDirectory}relay/__generated__`);
  await mkdir(`${projectDirectory}generated`, { recursive: true });
  await writeFile(`${projectDirectory}generated/relay-persisted-queries.json`, '{}');
  return runTool('relay-compiler', ['relay.config.json'], 'relay');
}

/// Writes codegen/generated from its documents, with the manifest of them.
export const runCodegen = () => runTool('graphql-codegen', ['--config', 'codegen.ts', '--silent'], 'codegen');

/// Writes generated/apollo-manifest.json.
export const makeApolloManifest = () => runTool('generate-persisted-query-manifest', ['--config', 'apollo.manifest.json']);
