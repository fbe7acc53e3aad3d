//! Loads the configuration for commands, and prints their output.

use std::io::Write;

use super::arguments::ConfigArguments;
use crate::config::{Config, ConfigError, Environment};

/// The exit code for bad configuration or usage (`EX_USAGE`).
pub const USAGE: u8 = 64;

/// Loads the configuration from the file, the environment and the command line, and checks it.
///
/// # Errors
/// [`ConfigError`] with every fault.
pub fn load(arguments: ConfigArguments) -> Result<Config, ConfigError> {
    Config::load_with(
        arguments.config,
        &Environment::of_process(),
        arguments.listen.as_deref(),
    )
}

/// Prints a result to standard output, for people and pipes.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that closes the pipe early (`| head`) is no error.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints advice to standard error, apart from a result.
pub fn advise(text: &str) {
    // If this fails, the result still stands on standard output.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints a problem to standard error.
pub fn complain(text: &str) {
    // If this fails, the exit code still reports the problem.
    let _ = writeln!(std::io::stderr(), "asset-gateway: {text}");
}
