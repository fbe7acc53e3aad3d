//! Logs: lines for people on a terminal, JSON otherwise. Never bodies, tokens or signed addresses.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

use crate::config::{ConfigError, LogConfig, LogFormat};

/// Starts logging, to standard error.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|_| {
        ConfigError(format!(
            "the log filter `{}` cannot be read: use a level such as `info`, or \
             `asset_gateway=debug,warn`",
            config.filter
        ))
    })?;
    let terminal = std::io::stderr().is_terminal();
    let json = match config.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let builder = fmt::Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    // A second start (in tests) keeps the first one's settings.
    let _ = if json {
        builder.json().flatten_event(true).finish().try_init()
    } else {
        builder.with_target(false).finish().try_init()
    };
    Ok(())
}
