//! The scalar `Upload`, and what uploads work with.

use std::sync::Arc;

use async_graphql::{InputValueResult, Scalar, ScalarType, Value};

use bytes::Bytes;

use crate::write::{UploadBudget, UploadFiles};

/// The files that came with a request, and what they must keep to.
pub struct Uploads {
    /// None: the request is no multipart one.
    pub parts: Option<Arc<dyn UploadFiles>>,
    /// Bytes of a file.
    pub limit: u64,
    /// Bytes of a file in base64, decoded.
    pub base64_limit: usize,
    pub budget: UploadBudget,
}

/// The name of a file's part; none where the client sent something else in its place.
pub struct Upload(pub(super) Option<String>);

impl Upload {
    /// What the server puts in a variable's place: no JSON and no document can say it.
    #[must_use]
    pub fn variable(part: &str) -> Value {
        Value::Binary(Bytes::copy_from_slice(part.as_bytes()))
    }
}

/// A file, sent beside the operation as the GraphQL multipart request specification says: its variable is null in `operations`, and `map` names the part that holds it. Files are read in the order of their parts.
#[Scalar(specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec")]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(match value {
            Value::Binary(name) => String::from_utf8(name.into()).ok(),
            // The field refuses it by its path.
            _ => None,
        }))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}
