//! The command line: `serve` (the default), `sandbox`, `schema`, `check`, `key`.

mod check;
mod key;
mod sandbox;
mod serve;

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{Config, ConfigError},
    schema,
};

/// Bad configuration or usage (`EX_USAGE`).
const USAGE: u8 = 64;

/// One GraphQL graph over the asset APIs of Scenario, PiktID and Comfy.
#[derive(Parser)]
#[command(
    name = "asset-gateway",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the graph (the default). Without any configured source: over an embedded sandbox.
    Serve(Serve),
    /// Runs the three emulated upstreams alone, each on its own port.
    Sandbox(Sandbox),
    /// Prints the schema.
    Schema(Schema),
    /// Reads the configuration, asks every source for one asset, and prints a table. Exit code 0
    /// when all answer, 1 when one does not, 64 when the configuration is wrong.
    Check(Check),
    /// Makes a key for `mode = "keys"`: prints the key, which is kept nowhere, and the lines with
    /// its hash for the configuration.
    Key(Key),
}

/// Where settings come from.
#[derive(Args)]
struct ConfigArguments {
    /// A TOML file; environment variables go before it. [env: ASSET_GATEWAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    config: ConfigArguments,
    /// Where to listen, such as 127.0.0.1:8000 (the default); port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

#[derive(Args)]
struct Sandbox {
    /// Ports of Scenario, PiktID and Comfy, such as 9001,9002,9003; free ones when not given.
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    ports: Option<Vec<u16>>,
}

#[derive(Args)]
struct Schema {
    /// As a federation v2 subgraph.
    #[arg(long)]
    federation: bool,
}

#[derive(Args)]
struct Key {
    /// What the log calls its holder: letters, digits, `-`, `_` or `.`.
    #[arg(long, value_name = "NAME", default_value = "web")]
    id: String,
    /// What it may do, of assets:read, assets:write and assets:delete.
    #[arg(
        long,
        value_name = "SCOPES",
        value_delimiter = ',',
        default_value = "assets:read"
    )]
    scopes: Vec<String>,
}

#[derive(Args)]
struct Check {
    #[command(flatten)]
    config: ConfigArguments,
}

/// Runs what the command line says.
///
/// # Errors
/// What the user cannot mend; wrong settings are an exit code with a message instead.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let result = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(serve) => serve::run(serve).await,
        Command::Sandbox(sandbox) => sandbox::run(sandbox).await,
        Command::Schema(wanted) => {
            if wanted.federation {
                print(schema::subgraph_sdl());
            } else {
                print(&schema::client_sdl());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(check) => check::run(check).await,
        Command::Key(wanted) => key::run(&wanted),
    };
    match result {
        // The user's to mend, in words meant for them: no backtrace, no "Error:".
        Err(error) if error.is::<ConfigError>() => {
            complain(&error.to_string());
            Ok(ExitCode::from(USAGE))
        }
        result => result,
    }
}

/// Reads the file and the environment.
fn load(arguments: ConfigArguments) -> Result<Config, ConfigError> {
    let environment = |name: &str| std::env::var(name).ok();
    Config::load(arguments.config, &environment)
}

/// For people and pipes: results go to standard output.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough (`| head`) is no failure of ours.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What went wrong, on standard error.
fn complain(text: &str) {
    // Where no one reads it, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "asset-gateway: {text}");
}
