//! Parses the command line and runs it.

use std::process::ExitCode;

use asset_gateway::cli::{self, Arguments};
use clap::Parser;

/// One response makes several hundred small allocations and frees them all at once.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Arguments::try_parse() {
        Ok(arguments) => cli::run(arguments).await,
        Err(error) => Ok(cli::refuse_usage(&error)),
    }
}
