//! The command line: `serve` (the default), `sandbox`, `schema`, `check`, `key`.

mod arguments;
mod check;
mod console;
mod key;
mod sandbox;
mod serve;

use std::process::ExitCode;

use self::{
    arguments::Command,
    console::{complain, print},
};
use crate::{config::ConfigError, schema};

pub use arguments::Arguments;

/// Bad configuration or usage (`EX_USAGE`).
const USAGE: u8 = 64;

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
