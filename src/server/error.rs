//! Requests that never reach the graph: each refused with a GraphQL JSON error that says what
//! would be right.

use std::num::NonZeroU32;

use async_graphql::{Pos, ServerError, Value};
use axum::{
    Extension,
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::request_id::RequestId;
use crate::{
    access::{Exceeded, RequestQuota},
    document::{DocumentError, ErrorCode, error::Limit},
    schema::Code,
};

pub use crate::document::excerpt;

/// What is short now may be there again.
pub const A_SECOND: NonZeroU32 = NonZeroU32::MIN;

/// Why a request is refused before execution. The message is safe to show.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    pub status: StatusCode,
    pub code: ErrorCode,
    pub message: String,
    /// Where in the document, as line and column.
    pub location: Option<(usize, usize)>,
    /// The request was well-formed HTTP and JSON, only its document is not: the status depends on
    /// the answer's media type (GraphQL over HTTP, 6.4).
    pub is_document_error: bool,
    /// The limit that was passed.
    pub limit: Option<Box<Limit>>,
    /// How the caller's requests stand, where there are too many.
    pub standing: Option<Box<RequestQuota>>,
    /// Seconds until it is worth trying again, where nothing else tells.
    pub wait: Option<NonZeroU32>,
    /// What else is wrong with the document.
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
            limit: None,
            standing: None,
            wait: None,
            others: Vec::new(),
        }
    }

    /// A fault of our own.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            "a fault in the gateway: it is in its log",
        )
    }

    /// The request's shape is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadUserInput, message)
    }

    /// 503 where what all requests share is taken, such as memory.
    pub fn no_room(name: &'static str, exceeded: Exceeded, message: &str) -> Self {
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

    /// 413 for a body, announced or already come, of more bytes than it may have.
    pub fn too_large(what: &str, bytes: Option<u64>, maximum: u64) -> Self {
        let value = bytes.map_or_else(|| "more than that".to_owned(), |bytes| bytes.to_string());
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::PayloadTooLarge,
            format!("{what} may have {maximum} bytes; it has {value}"),
        )
    }

    /// 429 for a caller who asked too often.
    pub fn too_often(standing: RequestQuota) -> Self {
        let RequestQuota { burst, window, .. } = standing;
        let wait = standing.wait.unwrap_or_default();
        Self {
            standing: Some(Box::new(standing)),
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

    /// Seconds until it is worth trying again.
    fn retry_after(&self) -> Option<u64> {
        let own = || self.wait.map(|wait| wait.get().into());
        self.standing
            .as_ref()
            .map_or_else(own, |standing| standing.wait)
    }

    /// As the text of an answer that has nothing else. Leaves a line in the log.
    pub fn text(&self, id: RequestId) -> Bytes {
        self.log(id);
        self.to_json(id).to_string().into()
    }

    /// As an answer that has nothing else.
    fn to_json(&self, id: RequestId) -> serde_json::Value {
        json!({ "errors": self.errors(id) })
    }

    /// As a list of GraphQL errors.
    pub fn errors(&self, id: RequestId) -> serde_json::Value {
        let others = self.others.iter().map(|other| other.error(id));
        std::iter::once(self.error(id)).chain(others).collect()
    }

    /// As GraphQL errors of the engine's kind.
    pub fn to_errors(&self, id: RequestId) -> Vec<ServerError> {
        let error = |own: &Self| {
            let pos = own.location.map(|(line, column)| Pos { line, column });
            let mut error = ServerError::new(own.message.clone(), pos);
            let extensions = error.extensions.get_or_insert_default();
            if let serde_json::Value::Object(all) = &own.error(id)["extensions"] {
                for (name, value) in all {
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

    /// As one GraphQL error.
    fn error(&self, id: RequestId) -> serde_json::Value {
        let mut error = json!({
            "message": self.message,
            "extensions": { "code": self.code.as_str(), "requestId": id.as_str() },
        });
        if let Some((line, column)) = self.location {
            error["locations"] = json!([{ "line": line, "column": column }]);
        }
        if let Some(limit) = &self.limit {
            error["extensions"]["limit"] = json!({
                "name": limit.name.trim_end_matches(','),
                "value": limit.value,
                "maximum": limit.maximum,
            });
        }
        if let Some(seconds) = self.retry_after() {
            error["extensions"]["retryAfterSeconds"] = seconds.into();
        }
        error
    }

    /// Leaves a line in the log that the request's id is found by.
    pub fn log(&self, id: RequestId) {
        // As a value it is quoted: what a client wrote makes no line of its own.
        let reason = excerpt(&self.message, MAX_LOGGED);
        tracing::info!(request.id = %id, code = self.code.as_str(), reason, "refused");
    }

    /// As a whole answer of plain JSON.
    pub fn into_response(self, id: RequestId) -> Response {
        let body = self.to_json(id).to_string();
        let mut response = (self.status, body).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
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
        if let Some(standing) = &self.standing {
            tell(standing, response.headers_mut());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 3: what was shown, if anything was, is named wrong.
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
            limit: error.limit,
            others: error.others.into_iter().map(Self::from).collect(),
            ..Self::new(StatusCode::BAD_REQUEST, error.code, error.message)
        }
    }
}

/// Letters of a message that a log line has.
pub const MAX_LOGGED: usize = 500;

/// Tells a caller how many requests are left (draft-ietf-httpapi-ratelimit-headers-10).
pub fn tell(standing: &RequestQuota, headers: &mut HeaderMap) {
    let RequestQuota { burst, window, .. } = standing;
    let (remaining, reset) = (standing.remaining, standing.wait.unwrap_or(*window));
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

/// 405 for what is only read.
pub async fn no_such_method(id: Option<Extension<RequestId>>) -> Response {
    let id = id.map_or_else(RequestId::new, |Extension(id)| id);
    let message = "this is only read: use GET";
    let refusal = RequestError::new(StatusCode::METHOD_NOT_ALLOWED, Code::BadUserInput, message);
    refusal.log(id);
    let mut response = refusal.into_response(id);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// 404 that says where things are.
pub async fn no_such_page(id: Option<Extension<RequestId>>) -> Response {
    let id = id.map_or_else(RequestId::new, |Extension(id)| id);
    let message = "nothing here: the graph is at /graphql";
    let refusal = RequestError::new(StatusCode::NOT_FOUND, Code::NotFound, message);
    refusal.log(id);
    refusal.into_response(id)
}
