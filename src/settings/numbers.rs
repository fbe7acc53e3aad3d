//! Checks of numbers and durations.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// The most that a whole number may be. Larger ones overflow sums and counters.
const MAX_NUMBER: u64 = 1_000_000_000_000;

/// Reads a number of at least 1.
///
/// # Errors
/// The rule, for another number.
pub fn positive<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + PartialOrd + Default + Copy + TryInto<u64>,
{
    let number = N::deserialize(deserializer)?;
    if number <= N::default() {
        return Err(D::Error::custom("must be 1 or more"));
    }
    match number.try_into() {
        Ok(whole) if whole <= MAX_NUMBER => Ok(number),
        _ => Err(D::Error::custom(format!("must be at most {MAX_NUMBER}"))),
    }
}

/// The same for a key that may be left out.
///
/// # Errors
/// The rule, for another number.
pub fn optional_positive<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + PartialOrd + Default + Copy + TryInto<u64>,
{
    positive(deserializer).map(Some)
}

/// Reads a duration in seconds, 0 to a day.
///
/// # Errors
/// The rule, for another number.
pub fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?)
        .ok()
        .filter(|duration| *duration <= Duration::from_secs(86_400))
        .ok_or_else(|| D::Error::custom("must be a number of seconds from 0 to 86400"))
}

/// The same for a key that may be left out.
///
/// # Errors
/// The rule, for another number.
pub fn optional_seconds<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    seconds(deserializer).map(Some)
}
