//! Errors for requests that are refused before execution. Each becomes a GraphQL JSON error that
//! says how to correct the request.

use std::num::NonZeroU32;

use async_graphql::{Pos, ServerError, Value};
use axum::{
    Extension,
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{media_type::MediaType, request_id::RequestId};
use crate::{
    access::{Exceeded, RequestQuota},
    document::{DocumentError, ErrorCode, error::Limit},
    schema::Code,
};

pub use crate::document::excerpt;

/// Retry delay after a temporary shortage.
pub const A_SECOND: NonZeroU32 = NonZeroU32::MIN;

/// An error that refuses a request before execution. The message is safe to show.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    pub status: StatusCode,
    pub code: ErrorCode,
    pub message: String,
    /// Line and column in the document.
    pub location: Option<(usize, usize)>,
    /// The request is well-formed HTTP and JSON; only its document is wrong. The status depends on
    /// the response's media type (GraphQL over HTTP, 6.4).
    pub is_document_error: bool,
    /// The path of the invalid value. Empty: there is none.
    pub field: Vec<String>,
    /// The exceeded limit.
    pub limit: Option<Box<Limit>>,
    /// The caller's request quota, if it is used up.
    pub quota: Option<Box<RequestQuota>>,
    /// Seconds to wait before a retry. The quota takes precedence.
    pub wait: Option<NonZeroU32>,
    /// Further errors of the same document.
    pub others: Vec<RequestError>,
}

impl RequestError {
    pub fn new(status: StatusCode, code: impl Into<ErrorCode>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            location: None,
            is_document_error: false,
            field: Vec::new(),
            limit: None,
            quota: None,
            wait: None,
            others: Vec::new(),
        }
    }

    /// Creates a 500 for a fault in the gateway.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            "a fault in the gateway: it is in its log",
        )
    }

    /// Creates a 400 for a malformed request.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadUserInput, message)
    }

    /// Creates a 503 for a used-up resource that all requests share, such as memory.
    pub fn over_budget(name: &'static str, exceeded: Exceeded, message: &str) -> Self {
        let Exceeded { value, maximum } = exceeded;
        Self {
            limit: Some(Box::new(Limit {
                name,
                value,
                maximum,
            })),
            wait: Some(A_SECOND),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::LimitExceeded,
                message,
            )
        }
    }

    /// Creates a 413 for a body over its size limit, whether announced or already received. `name`
    /// is the limit's key in `[limits]`.
    pub fn too_large(name: &'static str, what: &str, bytes: Option<u64>, maximum: u64) -> Self {
        let value = bytes.map_or_else(|| "more than that".to_owned(), |bytes| bytes.to_string());
        Self {
            limit: Some(Box::new(Limit {
                name,
                value: bytes.unwrap_or(maximum.saturating_add(1)),
                maximum,
            })),
            ..Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::PayloadTooLarge,
                format!("{what} may have {maximum} bytes (`{name}`); the request has {value}"),
            )
        }
    }

    /// Creates a 429 for a caller that exceeds its rate limit.
    pub fn rate_limited(quota: RequestQuota) -> Self {
        let RequestQuota { burst, window, .. } = quota;
        let wait = quota.wait.unwrap_or_default();
        Self {
            quota: Some(Box::new(quota)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                Code::RateLimited,
                format!(
                    "too many requests: this gateway takes {burst} at once from each caller, and \
                     as many again within {window} seconds. Wait {wait} seconds"
                ),
            )
        }
    }

    /// Returns the seconds to wait before a retry.
    fn retry_after(&self) -> Option<u64> {
        let fallback = || self.wait.map(|wait| wait.get().into());
        self.quota
            .as_ref()
            .map_or_else(fallback, |quota| quota.wait)
    }

    /// Encodes the errors as a whole response body, and logs the refusal.
    pub fn text(&self, id: RequestId) -> Bytes {
        self.log(id);
        self.to_json(id).to_string().into()
    }

    /// Returns the errors as a whole response body.
    fn to_json(&self, id: RequestId) -> serde_json::Value {
        json!({ "errors": self.errors(id) })
    }

    /// Returns the error and its `others` as a list of GraphQL errors.
    pub fn errors(&self, id: RequestId) -> serde_json::Value {
        let others = self.others.iter().map(|other| other.error(id));
        std::iter::once(self.error(id)).chain(others).collect()
    }

    /// Returns the error and its `others` as the engine's type of errors.
    pub fn to_errors(&self, id: RequestId) -> Vec<ServerError> {
        let error = |refusal: &Self| {
            let pos = refusal.location.map(|(line, column)| Pos { line, column });
            let mut error = ServerError::new(refusal.message.clone(), pos);
            let extensions = error.extensions.get_or_insert_default();
            if let serde_json::Value::Object(entries) = &refusal.error(id)["extensions"] {
                for (name, value) in entries {
                    if let Ok(value) = Value::from_json(value.clone()) {
                        extensions.set(name, value);
                    }
                }
            }
            error
        };
        std::iter::once(self)
            .chain(&self.others)
            .map(error)
            .collect()
    }

    /// Returns this error alone as a GraphQL error.
    fn error(&self, id: RequestId) -> serde_json::Value {
        let mut error = json!({
            "message": self.message,
            "extensions": { "code": self.code.as_str(), "requestId": id.as_str() },
        });
        if let Some((line, column)) = self.location {
            error["locations"] = json!([{ "line": line, "column": column }]);
        }
        if !self.field.is_empty() {
            error["extensions"]["field"] = json!(self.field);
        }
        if let Some(limit) = &self.limit {
            error["extensions"]["limit"] = json!({
                "name": limit.name,
                "value": limit.value,
                "maximum": limit.maximum,
            });
        }
        if let Some(seconds) = self.retry_after() {
            error["extensions"]["retryAfterSeconds"] = seconds.into();
        }
        error
    }

    /// Logs the refusal with the request's id.
    pub fn log(&self, id: RequestId) {
        // A field's value is quoted, so a client's text cannot start a new log line.
        let reason = excerpt(&self.message, MAX_LOGGED);
        tracing::info!(request.id = %id, code = self.code.as_str(), reason, "refused");
    }

    /// Converts the error into an HTTP response in plain JSON.
    pub fn into_response(self, id: RequestId) -> Response {
        self.into_response_as(MediaType::Json, id)
    }

    /// Converts the error into an HTTP response of a media type. A client that accepts
    /// `application/graphql-response+json` reads the error's code with any status (GraphQL over
    /// HTTP, 6.4.2).
    pub fn into_response_as(self, media_type: MediaType, id: RequestId) -> Response {
        let body = self.to_json(id).to_string();
        let mut response = (self.status, body).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type.header());
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            let headers = response.headers_mut();
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(seconds) = self.retry_after() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(quota) = &self.quota {
            insert_quota_headers(quota, response.headers_mut());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 3 requires the challenge. It has no `error` attribute.
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"asset-gateway\""),
            );
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            );
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        response
    }
}

impl From<DocumentError> for RequestError {
    fn from(error: DocumentError) -> Self {
        Self {
            location: error.location,
            is_document_error: error.is_document_error,
            field: error.field,
            limit: error.limit,
            others: error.others.into_iter().map(Self::from).collect(),
            ..Self::new(StatusCode::BAD_REQUEST, error.code, error.message)
        }
    }
}

/// Maximum characters of a message in a log line.
pub const MAX_LOGGED: usize = 500;

/// Adds the caller's rate limit headers (draft-ietf-httpapi-ratelimit-headers-10).
pub fn insert_quota_headers(quota: &RequestQuota, headers: &mut HeaderMap) {
    let RequestQuota { burst, window, .. } = quota;
    let (remaining, reset) = (quota.remaining, quota.wait.unwrap_or(*window));
    let fields = [
        (
            "ratelimit-policy",
            format!("\"caller\";q={burst};w={window}"),
        ),
        ("ratelimit", format!("\"caller\";r={remaining};t={reset}")),
    ];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Responds 405 on read-only routes.
pub async fn no_such_method(id: Option<Extension<RequestId>>) -> Response {
    let id = id.map_or_else(RequestId::new, |Extension(id)| id);
    let message = "this path is read-only: use GET";
    let refusal = RequestError::new(StatusCode::METHOD_NOT_ALLOWED, Code::BadUserInput, message);
    refusal.log(id);
    let mut response = refusal.into_response(id);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Responds 404 and names the path of the graph.
pub async fn no_such_page(id: Option<Extension<RequestId>>) -> Response {
    let id = id.map_or_else(RequestId::new, |Extension(id)| id);
    let message = "this path does not exist: the graph is at /graphql";
    let refusal = RequestError::new(StatusCode::NOT_FOUND, Code::NotFound, message);
    refusal.log(id);
    refusal.into_response(id)
}
