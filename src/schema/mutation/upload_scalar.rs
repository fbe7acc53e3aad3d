//! The scalar `Upload`, and the files and limits of a request's uploads.

use std::sync::Arc;

use async_graphql::{InputValueResult, Scalar, ScalarType, Value};

use bytes::Bytes;

use crate::write::{UploadBudget, UploadFiles};

/// The files of a request, and their limits.
pub struct Uploads {
    /// `None`: the request is not a multipart request.
    pub parts: Option<Arc<dyn UploadFiles>>,
    /// The most bytes of a file.
    pub limit: u64,
    /// The most bytes of a base64 file, decoded.
    pub base64_limit: usize,
    pub budget: UploadBudget,
}

/// The name of a file's multipart part. `None` when the client sent another value.
pub struct Upload(pub(super) Option<String>);

impl Upload {
    /// Returns the value of an upload variable. No JSON and no document can express it.
    #[must_use]
    pub fn variable(part: &str) -> Value {
        Value::Binary(Bytes::copy_from_slice(part.as_bytes()))
    }
}

/// A file, sent with the operation by the GraphQL multipart request specification. Its variable is
/// null in `operations`, and `map` names its part. Files are read in the order of their parts.
#[Scalar(specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec")]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(match value {
            Value::Binary(name) => String::from_utf8(name.into()).ok(),
            // The field reports the error at its own path.
            _ => None,
        }))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}
