//! Logs: text on a terminal, JSON otherwise. They never contain bodies, tokens or signed URLs.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

/// The log filter is invalid.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log filter `{0}` cannot be read: use a level such as `info`, or `asset_gateway=debug,warn`"
)]
pub struct InvalidFilter(String);

/// Whether a filter can be read.
#[must_use]
pub fn is_filter(filter: &str) -> bool {
    EnvFilter::try_new(filter).is_ok()
}

/// Starts logging to standard error. `filter`: a level, or directives of `tracing`.
///
/// # Errors
/// [`InvalidFilter`]: `filter` cannot be parsed.
pub fn start(filter: &str, format: Format) -> Result<(), InvalidFilter> {
    let invalid = |_| InvalidFilter(filter.to_owned());
    // Keeps the audit log unless the filter is empty or mentions it.
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
