//! Parses the command line and runs it.

use std::process::ExitCode;

use asset_gateway::cli::{self, Arguments};
use clap::Parser;

/// An answer that is made takes several hundred small pieces of memory, given back at once.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    cli::run(Arguments::parse()).await
}
