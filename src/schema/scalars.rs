//! Scalars with a meaning.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use jiff::Timestamp;

use super::{error::bad_input, raw_json};
use crate::asset::timestamp;

/// A moment: RFC 3339 in UTC with milliseconds, such as `2026-11-01T12:00:00.000Z`. Sources keep
/// up to microseconds, and lists are ordered by those.
///
/// What a client gives and is none is kept as it came: the field that takes it refuses it by its
/// path, where an error of the scalar would null the field's siblings too.
pub struct DateTime(Result<Timestamp, String>);

impl DateTime {
    pub const fn at(time: Timestamp) -> Self {
        Self(Ok(time))
    }

    /// Writes it as JSON.
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

    /// The moment, for an argument at `path`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what is none.
    pub fn read(&self, path: &[&str]) -> async_graphql::Result<Timestamp> {
        self.0.as_ref().copied().map_err(|given| {
            let shown: String = given.chars().take(40).collect();
            bad_input(
                path,
                format!(
                    "`{}`: {shown} is no RFC 3339 time such as 2026-11-01T12:00:00Z",
                    path.join(".")
                ),
            )
        })
    }
}

/// A moment: RFC 3339 in UTC with milliseconds, such as `2026-11-01T12:00:00.000Z`. Sources keep up to microseconds, and lists are ordered by those.
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

/// The rules of [`ByteSize`], for the check of values before execution.
pub mod byte_size {
    /// As the schema calls it.
    pub const NAME: &str = "ByteSize";
    /// What its values keep to.
    pub const RULE: &str = "a ByteSize must be an integer from 0 to 2^53 − 1";

    /// Whether it is one that JSON carries exactly.
    #[must_use]
    pub const fn fits(bytes: u64) -> bool {
        bytes < 1 << 53
    }
}

/// A count of bytes.
pub struct ByteSize(pub u64);

/// A count of bytes: a JSON integer from 0 to 2^53 − 1 (`Int` ends at 2 GiB, which model files pass).
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

/// An absolute address.
pub struct Url(pub String);

/// An absolute http or https address that a browser can load as it is. Signed ones end: do not store them.
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

/// Any JSON.
pub struct Json(pub serde_json::Value);

/// Any JSON value, as the source sent it.
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
