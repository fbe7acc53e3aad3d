//! The error for invalid configuration.

use std::fmt;

/// Why the settings are invalid: one or more faults, each a sentence with the location and the
/// expected value.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    pub faults: Vec<String>,
}

impl ConfigError {
    /// Makes the error of one fault.
    #[must_use]
    pub fn new(fault: impl Into<String>) -> Self {
        Self {
            faults: vec![fault.into()],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("\n"))
    }
}

impl std::error::Error for ConfigError {}
