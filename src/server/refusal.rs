//! Requests that never reach the graph: each refused with a GraphQL JSON error that says what
//! would be right.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::RequestId;

/// Why a request is refused before execution. The message is safe to show.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// Where in the document, as line and column.
    pub location: Option<(usize, usize)>,
    /// The request was well-formed HTTP and JSON, only its document is not: the status depends on
    /// the answer's media type (GraphQL over HTTP, 6.4).
    pub by_document: bool,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            location: None,
            by_document: false,
        }
    }

    /// The request's shape is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    /// The document cannot be parsed or is not valid.
    pub fn document(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            by_document: true,
            ..Self::new(StatusCode::BAD_REQUEST, code, message)
        }
    }

    /// A limit: its name, what the request has, and the most it may have.
    pub fn limit(name: &str, value: impl std::fmt::Display, maximum: usize) -> Self {
        Self::document(
            "LIMIT_EXCEEDED",
            format!("the document's {name} is {value}; the limit is {maximum}"),
        )
    }

    /// As one GraphQL error.
    pub fn to_json(&self, id: &RequestId) -> serde_json::Value {
        let mut error = json!({
            "message": self.message,
            "extensions": { "code": self.code, "requestId": &*id.0 },
        });
        if let Some((line, column)) = self.location {
            error["locations"] = json!([{ "line": line, "column": column }]);
        }
        error
    }

    /// As a whole answer of plain JSON.
    pub fn into_response(self, id: &RequestId) -> Response {
        let body = json!({ "errors": [self.to_json(id)] }).to_string();
        let mut response = (self.status, body).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        response
    }
}

/// 404 that says where things are.
pub async fn no_such_page() -> Response {
    let body = json!({ "errors": [{
        "message": "nothing here: the graph is at /graphql",
        "extensions": { "code": "NOT_FOUND" },
    }] });
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        body.to_string(),
    )
        .into_response()
}
