//! Why a configuration is refused.

/// Why the settings were refused: one sentence that says where and what would be right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(crate) String);
