//! The request of an upstream call.

use std::sync::LazyLock;

use ahash::RandomState;
use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use super::Subject;

/// One request to a source.
#[derive(Debug, Clone)]
pub struct Call {
    /// The operation's name in spans, such as `list`, `get`, `get-bulk` or `media`.
    pub operation: &'static str,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Whether the call changes nothing upstream, so that it may be retried.
    pub is_safe: bool,
    pub subject: Subject,
}

impl Call {
    /// Builds a GET of a list, or of another resource that depends on the whole source.
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

    /// Builds a GET of one item. The breaker counts its failures for that item.
    #[must_use]
    pub fn get_item(operation: &'static str, url: Url, headers: HeaderMap) -> Self {
        Self {
            subject: Subject::Item(url_hash(&url)),
            ..Self::get(operation, url, headers)
        }
    }

    /// Builds a GET of a file's bytes.
    #[must_use]
    pub fn get_file(operation: &'static str, url: Url, headers: HeaderMap) -> Self {
        Self {
            subject: Subject::File(url_hash(&url)),
            ..Self::get(operation, url, headers)
        }
    }

    /// Builds a write without a body.
    #[must_use]
    pub fn write(operation: &'static str, method: Method, url: Url, headers: HeaderMap) -> Self {
        Self {
            method,
            is_safe: false,
            subject: Subject::Write,
            ..Self::get(operation, url, headers)
        }
    }

    /// Builds a POST of JSON that only reads.
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

    /// Builds a write with a JSON body. The caller serialises the body and handles that error.
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

/// Hashes a URL. The hash stays the same as long as the process runs.
fn url_hash(url: &Url) -> u64 {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    HASHER.hash_one(url.as_str())
}
