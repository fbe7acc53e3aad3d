//! The custom scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use jiff::Timestamp;

use super::{error::bad_input, raw_json};
use crate::asset::timestamp;

/// The scalar `DateTime`.
///
/// A client's malformed text is kept as it was sent. The field that takes it reports the error at
/// its own path; an error of the scalar would null sibling fields too.
pub struct DateTime(Result<Timestamp, String>);

impl DateTime {
    pub const fn at(time: Timestamp) -> Self {
        Self(Ok(time))
    }

    /// Writes the time as a JSON string.
    pub fn write(&self, json: &mut Vec<u8>) {
        match &self.0 {
            Ok(time) => {
                json.push(b'"');
                timestamp::write(*time, json);
                json.push(b'"');
            }
            Err(given) => raw_json::put(given, json),
        }
    }

    /// Returns the time, for an argument at `path`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when the client sent no RFC 3339 time.
    pub fn read(&self, path: &[&str]) -> async_graphql::Result<Timestamp> {
        self.0.as_ref().copied().map_err(|given| {
            let shown: String = given.chars().take(40).collect();
            bad_input(
                path,
                format!(
                    "`{}`: {shown} is not an RFC 3339 time such as 2026-11-01T12:00:00Z",
                    path.join(".")
                ),
            )
        })
    }
}

/// A time in RFC 3339. Results are in UTC with milliseconds, such as `2026-11-01T12:00:00.000Z`.
/// Sources keep up to microseconds, and lists are sorted by these.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(match &value {
            Value::String(text) => timestamp::rfc3339(text).ok_or_else(|| format!("`{text}`")),
            other => Err(other.to_string()),
        }))
    }

    fn to_value(&self) -> Value {
        match &self.0 {
            Ok(time) => Value::String(format!("{time:.3}")),
            Err(given) => Value::String(given.clone()),
        }
    }
}

/// The rules of [`ByteSize`], for validation before execution.
pub mod byte_size {
    /// The scalar's name in the schema.
    pub const NAME: &str = "ByteSize";
    /// The rule, as an error message.
    pub const RULE: &str = "a ByteSize must be an integer from 0 to 2^53 − 1";

    /// Whether JSON can represent the number exactly: it is below 2^53.
    #[must_use]
    pub const fn fits(bytes: u64) -> bool {
        bytes < 1 << 53
    }
}

/// The scalar `ByteSize`: a number of bytes.
pub struct ByteSize(pub u64);

/// A number of bytes: a JSON integer from 0 to 2^53 − 1. Model files pass 2 GiB, where `Int` ends.
#[Scalar]
impl ScalarType for ByteSize {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number
                .as_u64()
                .filter(|bytes| byte_size::fits(*bytes))
                .map(Self)
                .ok_or_else(|| InputValueError::custom(byte_size::RULE)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

/// The scalar `URL`: an absolute URL.
pub struct Url(pub String);

/// An absolute http or https URL that a browser can load. Signed URLs expire: do not store them.
#[Scalar(name = "URL", specified_by_url = "https://url.spec.whatwg.org")]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// The scalar `JSON`.
pub struct Json(pub serde_json::Value);

/// Any JSON value. In results, it is as the source sent it.
#[Scalar(
    name = "JSON",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259"
)]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value.into_json()?))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}
