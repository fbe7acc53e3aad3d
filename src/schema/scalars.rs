//! Scalars with a meaning.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use jiff::Timestamp;

/// A moment: RFC 3339 in UTC with milliseconds, such as `2026-11-01T12:00:00.000Z`. Sources keep
/// up to microseconds, and lists are ordered by those.
pub struct DateTime(pub Timestamp);

/// A moment: RFC 3339 in UTC with milliseconds, such as `2026-11-01T12:00:00.000Z`. Sources keep up to microseconds, and lists are ordered by those.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => text.parse().map(Self).map_err(|_| {
                InputValueError::custom("not an RFC 3339 time such as 2026-11-01T12:00:00Z")
            }),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(format!("{:.3}", self.0))
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
                .filter(|bytes| *bytes < 1 << 53)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("must be an integer from 0 to 2^53 − 1")),
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
