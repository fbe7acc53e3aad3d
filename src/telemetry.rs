//! Logs: lines for people on a terminal, JSON otherwise. Never bodies, tokens or signed addresses.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

/// A log line's looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

/// A filter that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log filter `{0}` cannot be read: use a level such as `info`, or `asset_gateway=debug,warn`"
)]
pub struct InvalidFilter(String);

/// Starts logging, to standard error. `filter`: a level, or `tracing`'s directives.
///
/// # Errors
/// [`InvalidFilter`].
pub fn start(filter: &str, format: Format) -> Result<(), InvalidFilter> {
    let invalid = |_| InvalidFilter(filter.to_owned());
    // Who wrote what is left out only by those who say so.
    let filter = if filter.contains("audit") || filter.trim().is_empty() {
        EnvFilter::try_new(filter)
    } else {
        EnvFilter::try_new(format!("{filter},audit=info"))
    };
    let filter = filter.map_err(invalid)?;
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        Format::Auto => !terminal,
        Format::Text => false,
        Format::Json => true,
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
