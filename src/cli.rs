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
    console::{USAGE, complain, print},
};
use crate::{config::ConfigError, schema};

pub use arguments::Arguments;

/// Prints why the arguments do not parse, or the help that they ask for.
#[must_use]
pub fn refuse_usage(error: &clap::Error) -> ExitCode {
    // If this fails, the exit code still says whether the arguments are wrong.
    let _ = error.print();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(USAGE),
    }
}

/// Runs the command that the arguments select.
///
/// # Errors
/// Failures that the user cannot fix. A [`ConfigError`] becomes a message and exit code 64.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let result = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(serve) => serve::run(serve).await,
        Command::Sandbox(sandbox) => sandbox::run(sandbox).await,
        Command::Schema(options) => {
            if options.federation {
                print(schema::subgraph_sdl());
            } else {
                print(&schema::client_sdl());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(check) => check::run(check).await,
        Command::Key(options) => key::run(&options),
    };
    match result {
        // The user can fix this: a plain message, without a backtrace or "Error:".
        Err(error) => match error.downcast::<ConfigError>() {
            Ok(ConfigError { faults }) => {
                for fault in &faults {
                    complain(fault);
                }
                Ok(ExitCode::from(USAGE))
            }
            Err(other) => Err(other),
        },
        result => result,
    }
}
