//! Deserializers for optional detail fields of the providers.
//!
//! A detail of an unexpected type must not cost the whole asset. A float where an int was expected
//! broke a vendor's own client. Such a detail reads as absent; the asset's
//! `raw` still shows it as sent.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Reads a value, or `None` if it is missing or of another type.
///
/// # Errors
/// The deserializer's error, only when the text is not JSON.
pub fn option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or(None))
}

/// Reads a list. Any other value reads as an empty list.
///
/// # Errors
/// The deserializer's error, only when the text is not JSON.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(option(deserializer)?.unwrap_or_default())
}

/// Reads a string that some servers send as a number, such as a seed.
///
/// # Errors
/// The deserializer's error, only when the text is not JSON.
pub fn text<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(match serde_json::from_str(raw.get()) {
        Ok(serde_json::Value::String(text)) => Some(text),
        // Keep the digits as sent: 64-bit seeds lose precision as a float.
        Ok(serde_json::Value::Number(_)) => Some(raw.get().to_owned()),
        _ => None,
    })
}

/// Rounds any JSON number to a whole one, such as pixels. `None` if out of range.
#[must_use]
pub fn whole(number: Option<f64>) -> Option<u32> {
    number
        .map(f64::round)
        .filter(|n| (0.0..=f64::from(u32::MAX)).contains(n))
        // The filter above keeps it in range.
        .map(|n| n as u32)
}

/// Returns a number of bytes that JSON carries exactly: at most 2^53 − 1.
#[must_use]
pub fn exact_bytes(number: Option<u64>) -> Option<u64> {
    number.filter(|bytes| *bytes < 1 << 53)
}

/// Rounds any JSON number to a byte count, up to 2^53 − 1, which JSON carries exactly.
#[must_use]
pub fn bytes(number: Option<f64>) -> Option<u64> {
    number
        .map(f64::round)
        .filter(|n| (0.0..=9_007_199_254_740_991.0).contains(n))
        // The filter above keeps it in range.
        .map(|n| n as u64)
}
