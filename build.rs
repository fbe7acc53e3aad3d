//! Bundles GraphiQL from npm into the binary. It builds `src/explorer/web` in `OUT_DIR`;
//! `src/explorer.rs` embeds the result, compressed.
//!
//! `ASSET_GATEWAY_BUILD_EXPLORER` is `auto` (the default), `required` (for CI) or `off`. Without npm,
//! `auto` gives a plain page that says so, and the next build tries again; `required` fails.

#![expect(
    clippy::disallowed_methods,
    clippy::unnecessary_debug_formatting,
    reason = "a build script waits for its children, and writes Rust string literals"
)]

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};

/// The source files of the bundle.
const WEB: [&str; 10] = [
    ".npmrc",
    "package.json",
    "package-lock.json",
    "build.mjs",
    "index.html",
    "entry.jsx",
    "entry.css",
    "workers.js",
    "link.js",
    "examples.js",
];

/// The time limit of a command, enough for `npm ci` on a slow connection.
const PATIENCE: Duration = Duration::from_secs(600);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let web = Path::new("src/explorer/web");
    println!("cargo::rerun-if-changed=build.rs");
    for file in WEB {
        println!("cargo::rerun-if-changed={}", web.join(file).display());
    }
    println!("cargo::rerun-if-env-changed=ASSET_GATEWAY_BUILD_EXPLORER");
    println!("cargo::rerun-if-env-changed=ASSET_GATEWAY_EXPLORER");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let wish = if env::var_os("DOCS_RS").is_some() {
        "off".to_owned()
    } else {
        // The older name is also that of the configuration key `explorer`, which has other values.
        let older = env::var("ASSET_GATEWAY_EXPLORER").ok();
        let older = older.filter(|wish| matches!(wish.as_str(), "off" | "required"));
        env::var("ASSET_GATEWAY_BUILD_EXPLORER")
            .ok()
            .or(older)
            .unwrap_or_else(|| "auto".to_owned())
    };
    let files = match wish.as_str() {
        "off" => Vec::new(),
        "auto" => bundle(web, &out).unwrap_or_else(|error| {
            println!("cargo::warning=GraphiQL is not in this build ({error}): install Node and npm, then build again");
            // This file never exists, so the next build tries again.
            println!("cargo::rerun-if-changed={}", out.join("never").display());
            Vec::new()
        }),
        "required" => bundle(web, &out)?,
        other => return Err(format!("ASSET_GATEWAY_BUILD_EXPLORER is auto, off or required, not {other}").into()),
    };
    let mut list = String::from("&[\n");
    for file in &files {
        list += &format!(
            "    File {{ path: {:?}, content_type: {:?}, immutable: {}, gzip: include_bytes!({:?}) }},\n",
            file.path, file.content_type, file.immutable, file.gzip
        );
    }
    list += "]\n";
    fs::write(out.join("explorer_files.rs"), list)?;
    Ok(())
}

struct File {
    path: String,
    content_type: String,
    immutable: bool,
    /// The path of the compressed bytes.
    gzip: PathBuf,
}

/// Builds the bundle or reuses an earlier one. Debug, release and clippy builds share it under the
/// target folder, by a hash of its sources.
fn bundle(web: &Path, out: &Path) -> Outcome<Vec<File>> {
    let mut hasher = DefaultHasher::new();
    for file in WEB {
        (file, fs::read(web.join(file))?).hash(&mut hasher);
    }
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let target = out
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is not below a target folder")?;
    let cache = target.join("explorer");
    fs::create_dir_all(&cache)?;
    let lock = fs::File::create(cache.join("lock"))?;
    lock.lock()?;
    let done = cache.join(format!("{:016x}", hasher.finish()));
    if !done.exists() {
        build(web, out, &done)?;
    }
    fs::read_to_string(done.join("manifest.tsv"))?
        .lines()
        .map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            let mut next = || columns.next().ok_or("manifest.tsv has a short line");
            let (path, content_type) = (next()?, next()?);
            Ok(File {
                immutable: next()? == "true",
                gzip: done.join(format!("{path}.gz")),
                path,
                content_type,
            })
        })
        .collect()
}

/// Installs, bundles and compresses, then renames the result to `done` in one step.
fn build(web: &Path, out: &Path, done: &Path) -> Outcome<()> {
    let work = out.join("web");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    for file in WEB {
        fs::copy(web.join(file), work.join(file))?;
    }
    let flags = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
    ];
    run(Command::new("npm").args(flags).current_dir(&work))?;
    run(Command::new("node")
        .args(["build.mjs", "dist"])
        .current_dir(&work))?;
    let dist = work.join("dist");
    let manifest = fs::read_to_string(dist.join("manifest.tsv"))?;
    for path in manifest.lines().filter_map(|line| line.split('\t').next()) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&fs::read(dist.join(path))?)?;
        fs::write(dist.join(format!("{path}.gz")), gzip.finish()?)?;
        fs::remove_file(dist.join(path))?;
    }
    fs::rename(&dist, done)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// Runs a command until it ends, or kills it after [`PATIENCE`].
fn run(command: &mut Command) -> Outcome<()> {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{shown}: {error}"))?;
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok(())
            } else {
                Err(format!("{shown}: {status}").into())
            };
        }
        if began.elapsed() > PATIENCE {
            child.kill()?;
            return Err(format!("{shown}: not done after {} s", PATIENCE.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}
