//! A call to a source, before it is made.

use std::sync::LazyLock;

use ahash::RandomState;
use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use super::Subject;

/// One request to a source.
#[derive(Debug, Clone)]
pub struct Call {
    /// What it is for, in our words (`list`, `get`, `get-bulk`, `media`): named in spans.
    pub operation: &'static str,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Changes nothing upstream: may be made again.
    pub is_safe: bool,
    pub subject: Subject,
}

impl Call {
    /// A GET of a list, or of what else the whole source is needed for.
    #[must_use]
    pub fn get(operation: &'static str, url: Url, headers: HeaderMap) -> Self {
        Self {
            operation,
            method: Method::GET,
            url,
            headers,
            body: None,
            is_safe: true,
            subject: Subject::Source,
        }
    }

    /// A GET of one thing, whose failure says little of the others.
    #[must_use]
    pub fn get_item(operation: &'static str, url: Url, headers: HeaderMap) -> Self {
        Self {
            subject: Subject::Item(number_of(&url)),
            ..Self::get(operation, url, headers)
        }
    }

    /// A GET of a file's bytes.
    #[must_use]
    pub fn get_file(operation: &'static str, url: Url, headers: HeaderMap) -> Self {
        Self {
            subject: Subject::File(number_of(&url)),
            ..Self::get(operation, url, headers)
        }
    }

    /// A change without a body.
    #[must_use]
    pub fn write(operation: &'static str, method: Method, url: Url, headers: HeaderMap) -> Self {
        Self {
            method,
            is_safe: false,
            subject: Subject::Write,
            ..Self::get(operation, url, headers)
        }
    }

    /// A POST of JSON that only reads.
    #[must_use]
    pub fn read_by_post(
        operation: &'static str,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self {
            is_safe: true,
            subject: Subject::Source,
            ..Self::json(operation, Method::POST, url, headers, body)
        }
    }

    /// A change with a body of JSON. The caller serialises: an unserialisable body is its own
    /// mistake.
    #[must_use]
    pub fn json(
        operation: &'static str,
        method: Method,
        url: Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        headers.insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        Self {
            body: Some(body),
            ..Self::write(operation, method, url, headers)
        }
    }
}

/// An address as a number: the same for as long as the process runs.
fn number_of(url: &Url) -> u64 {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    HASHER.hash_one(url.as_str())
}
