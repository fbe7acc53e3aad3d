//! The media types of responses (GraphQL over HTTP 5).

use axum::http::HeaderValue;

/// The media type of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/graphql-response+json`: document errors have a 4xx status.
    Response,
    /// `application/json`: a well-formed request gets 200, even if its document is invalid.
    Json,
}

impl MediaType {
    pub const fn header(self) -> HeaderValue {
        match self {
            Self::Response => {
                HeaderValue::from_static("application/graphql-response+json; charset=utf-8")
            }
            Self::Json => HeaderValue::from_static("application/json; charset=utf-8"),
        }
    }

    /// Returns the type and the subtype.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Response => ("application", "graphql-response+json"),
            Self::Json => ("application", "json"),
        }
    }
}
