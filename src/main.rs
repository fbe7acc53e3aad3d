//! Parses the command line and runs it.

use std::process::ExitCode;

use asset_gateway::cli::{self, Arguments};
use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    cli::run(Arguments::parse()).await
}
