//! The error for invalid configuration.

/// Why the settings are invalid: one sentence with the location and the expected value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(crate) String);
