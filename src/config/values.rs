//! Locations in the configuration file, and checks of numbers and durations.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

use super::error::ConfigError;

/// A configuration file, to locate keys in messages.
pub struct FileLocation<'a> {
    pub path: Option<&'a Path>,
    pub text: &'a str,
}

impl FileLocation<'_> {
    /// Formats an offset as a location, such as `gateway.toml:12`.
    pub fn at(&self, offset: usize) -> String {
        let line = 1 + self
            .text
            .bytes()
            .take(offset)
            .filter(|b| *b == b'\n')
            .count();
        match self.path {
            Some(path) => format!("{}:{line}", path.display()),
            None => format!("line {line}"),
        }
    }

    pub fn refuse(&self, offset: usize, message: impl std::fmt::Display) -> ConfigError {
        ConfigError(format!("{}: {message}", self.at(offset)))
    }
}

/// Reads a number of at least 1.
pub fn positive<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + PartialOrd + Default,
{
    let number = N::deserialize(deserializer)?;
    if number > N::default() {
        return Ok(number);
    }
    Err(D::Error::custom("must be 1 or more"))
}

/// The same for a key that may be left out.
pub fn optional_positive<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + PartialOrd + Default,
{
    positive(deserializer).map(Some)
}

/// Reads a duration in seconds, 0 to a day.
pub fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?)
        .ok()
        .filter(|duration| *duration <= Duration::from_secs(86_400))
        .ok_or_else(|| D::Error::custom("must be a number of seconds from 0 to 86400"))
}

/// The same for a key that may be left out.
pub fn optional_seconds<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    seconds(deserializer).map(Some)
}
