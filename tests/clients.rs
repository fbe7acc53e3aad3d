//! Real clients and federated gateways against the gateway's router: the npm project in
//! `tests/clients`, with a separate sandbox for each of its files.
//!
//! Without Node or a registry to install from, the tests are skipped with a note on standard error.
//! With `ASSET_GATEWAY_REQUIRE_CLIENTS=1`, that is a failure.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/harness.rs"]
mod harness;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use asset_gateway::sandbox::Fault;
use tokio::sync::Mutex;

use harness::{TestGateway, world, world_of};

/// The oldest major version of Node that the clients run on.
const NODE: u32 = 20;

/// Runs one test at a time: the tests share generated files and two cores.
static TURN: Mutex<()> = Mutex::const_new(());

/// The installed project, or the reason why it cannot run.
fn project() -> Result<&'static Path, &'static str> {
    static PROJECT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let installed = PROJECT.get_or_init(install);
    installed.as_deref().map_err(String::as_str)
}

/// Copies the project out of the source tree and installs the packages of its lockfile.
fn install() -> Result<PathBuf, String> {
    let version = Command::new("node").arg("--version").output();
    let version = version.map_err(|error| format!("Node is not there: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next();
    if major.and_then(|major| major.parse().ok()) < Some(NODE) {
        return Err(format!(
            "Node is {version}; the clients need {NODE} or newer"
        ));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("tests/clients");
    let lockfile = fs::read(source.join("package-lock.json")).map_err(|error| error.to_string())?;
    // In cargo's folder for tests; a changed lockfile gets a new installation.
    let name = format!("clients-{}", &blake3::hash(&lockfile).to_hex()[..16]);
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    copy(&source, &project).map_err(|error| format!("the project cannot be copied: {error}"))?;
    fs::copy(root.join("schema.graphql"), project.join("schema.graphql"))
        .map_err(|error| format!("the schema cannot be copied: {error}"))?;
    let released = "released-schema.graphql";
    fs::copy(root.join("tests").join(released), project.join(released))
        .map_err(|error| format!("the released schema cannot be copied: {error}"))?;
    copy(&root.join("examples/clients"), &project.join("rules"))
        .map_err(|error| format!("the rules for caches cannot be copied: {error}"))?;
    let done = project.join("node_modules/.installed");
    if !done.exists() {
        let output = Command::new("npm")
            .args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--prefer-offline",
            ])
            .current_dir(&project)
            .output()
            .map_err(|error| format!("npm is not there: {error}"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("`npm ci` failed: {message}"));
        }
        fs::write(done, "").map_err(|error| error.to_string())?;
    }
    Ok(project)
}

/// Copies files again, except installed and generated ones.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let is_made = ["node_modules", "generated", "__generated__"];
        if is_made.iter().any(|made| name == *made) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(path, to.join(name))?;
        }
    }
    Ok(())
}

/// Runs test files of the project against a gateway.
async fn run(world: TestGateway, files: &[&str]) {
    let project = match project() {
        Ok(project) => project,
        Err(why) if std::env::var_os("ASSET_GATEWAY_REQUIRE_CLIENTS").is_some() => {
            panic!("the clients cannot be run: {why}")
        }
        Err(why) => {
            // Bypasses the output capture of tests: a skipped run must be visible.
            let _ = writeln!(std::io::stderr(), "SKIPPED tests/clients {files:?}: {why}");
            return;
        }
    };
    let url = world.url("/graphql");
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-timeout=120000"])
        .args(files)
        .current_dir(project)
        .env("ASSET_GATEWAY_URL", url)
        .env("ASSET_GATEWAY_VERSION", env!("CARGO_PKG_VERSION"))
        .env("NO_COLOR", "1");
    // The gateway runs on this runtime, which must not block on its own client.
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("node runs");
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{log}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A run without tests proves nothing.
    let passed = log.lines().find_map(|line| {
        line.strip_prefix("# pass ")
            .or(line.strip_prefix("ℹ pass "))
    });
    assert!(passed.is_some_and(|count| count != "0"), "{log}");
}

macro_rules! suites {
    ($($name:ident: $file:literal)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let _turn = TURN.lock().await;
            run(world().await, &[$file]).await;
        }
    )*};
}

suites! {
    graphql_over_http_audits: "audits.test.mjs"
    relay_rules_of_the_schema: "lint.test.mjs"
    introspection: "schema.test.mjs"
    growth_of_the_schema: "growth.test.mjs"
    validation_as_graphql_js_does_it: "validation.test.mjs"
    relay: "relay.test.mjs"
    apollo_client: "apollo.test.mjs"
    urql: "urql.test.mjs"
    typed_documents: "codegen.test.mjs"
    federated_gateways: "federation.test.mjs"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_of_every_client_end_while_a_source_is_down() {
    let _turn = TURN.lock().await;
    let world = world().await;
    let faults = &world.sandbox.comfy.faults;
    faults.add("GET /api/assets", Fault::Unavailable("7"));
    run(world, &["outage.test.mjs"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_documents_of_every_tool() {
    let _turn = TURN.lock().await;
    run(world().await, &["manifests.test.mjs"]).await;
    let Ok(project) = project() else {
        return; // `run` has reported the reason
    };
    let manifests = [
        "relay-persisted-queries.json",
        "apollo-manifest.json",
        "codegen-persisted-documents.json",
    ];
    let paths = manifests.map(|name| project.join("generated").join(name));
    let toml = format!("[documents]\nmanifests = {paths:?}\ntrusted_only = true\n");
    run(world_of(&toml).await, &["trusted.test.mjs"]).await;
}
