//! The command line's arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The command line.
#[derive(Parser)]
#[command(
    name = "asset-gateway",
    version,
    about = env!("CARGO_PKG_DESCRIPTION"),
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: Serve,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serves the graph (the default). Without a configured source it uses an embedded sandbox.
    Serve(Serve),
    /// Runs the three emulated upstreams alone, each on its own port.
    Sandbox(Sandbox),
    /// Prints the schema.
    Schema(Schema),
    /// Checks the configuration as `serve` does, asks every source for one asset and the token
    /// issuer for its keys, and prints a table. Exit code 0 when all answer, 1 when one does not, 64
    /// when the configuration is wrong or names no source.
    Check(Check),
    /// Makes a key for `mode = "keys"`: prints the key alone on standard output, and the
    /// configuration lines with its hash on standard error.
    Key(Key),
}

/// Where settings come from.
#[derive(Args)]
pub struct ConfigArguments {
    /// A TOML file; environment variables override it. [env: ASSET_GATEWAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address to listen on, such as 127.0.0.1:8000 (the default) or localhost:8000; `:8000`
    /// listens on all IPv4 addresses, and port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    pub config: ConfigArguments,
}

#[derive(Args)]
pub struct Sandbox {
    /// Ports of the three emulators, in the order of the printed URLs, such as 9001,9002,9003; the
    /// default is free ports.
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    pub ports: Option<Vec<u16>>,
}

#[derive(Args)]
pub struct Schema {
    /// Prints the schema of a federation v2 subgraph.
    #[arg(long)]
    pub federation: bool,
}

#[derive(Args)]
pub struct Key {
    /// The name of the key's holder in the log: letters, digits, `-`, `_` or `.`.
    #[arg(long, value_name = "NAME", default_value = "web")]
    pub id: String,
    /// The key's scopes, of assets:read, assets:write and assets:delete.
    #[arg(
        long,
        value_name = "SCOPES",
        value_delimiter = ',',
        default_value = "assets:read"
    )]
    pub scopes: Vec<String>,
}

#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Checks the configuration alone and contacts neither sources nor the token issuer.
    #[arg(long)]
    pub offline: bool,
    /// Prints one JSON object, for scripts.
    #[arg(long)]
    pub json: bool,
}
