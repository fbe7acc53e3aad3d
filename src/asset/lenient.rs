//! Readers for optional values of the providers' detail fields.
//!
//! A detail of another type than the contract's must not cost the whole asset (a float where an
//! int was expected broke a vendor's own client: Scenario-Unity#121). It reads as absent; the
//! asset's `upstream` still shows it as sent.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Reads a value that is there and of the right type, else `None`.
///
/// # Errors
/// Only when the text is not JSON.
pub fn option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or(None))
}

/// Reads a list; anything else is an empty one.
///
/// # Errors
/// Only when the text is not JSON.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(option(deserializer)?.unwrap_or_default())
}

/// Reads a text that some servers send as a number (`metadata.seed`, scenario.md trap 13).
///
/// # Errors
/// Only when the text is not JSON.
pub fn text<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(match serde_json::from_str(raw.get()) {
        Ok(serde_json::Value::String(text)) => Some(text),
        // The digits as sent: 64-bit seeds do not survive a float.
        Ok(serde_json::Value::Number(_)) => Some(raw.get().to_owned()),
        _ => None,
    })
}

/// Reads a whole number of pixels or the like from any JSON number, rounding.
#[must_use]
pub fn whole(number: Option<f64>) -> Option<u32> {
    number
        .map(f64::round)
        .filter(|n| (0.0..=f64::from(u32::MAX)).contains(n))
        // In range by the line above.
        .map(|n| n as u32)
}

/// Reads a byte count from any JSON number, rounding; up to 2^53 − 1, as JSON carries exactly.
#[must_use]
pub fn bytes(number: Option<f64>) -> Option<u64> {
    number
        .map(f64::round)
        .filter(|n| (0.0..=9_007_199_254_740_991.0).contains(n))
        // In range by the line above.
        .map(|n| n as u64)
}
