//! What commands read from their environment, and what they print.

use std::io::Write;

use super::arguments::ConfigArguments;
use crate::config::{Config, ConfigError};

/// Reads the file and the environment.
pub fn load(arguments: ConfigArguments) -> Result<Config, ConfigError> {
    let environment = |name: &str| std::env::var(name).ok();
    Config::load(arguments.config, &environment)
}

/// For people and pipes: results go to standard output.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough (`| head`) is no failure of ours.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What went wrong, on standard error.
pub fn complain(text: &str) {
    // Where no one reads it, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "asset-gateway: {text}");
}
