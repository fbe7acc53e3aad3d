//! An answer on its way out: its errors' codes and number, its status, its bytes.

use async_graphql::{PathSegment, Response as GraphResponse, ServerError, Value};
use axum::body::Bytes;
use serde::Serialize;

use crate::server::{
    RequestId,
    refusal::{self, Refusal},
};

/// Letters of an error's message.
const MAX_MESSAGE: usize = 1_000;
/// Errors that one answer shows at most.
const MAX_ERRORS: usize = 10;

/// An answer's errors as they are shown: each with its code and the request's id, and not too many.
pub fn shown(response: &GraphResponse, id: RequestId) -> Vec<ServerError> {
    let fallback = if is_request_error(response) {
        "GRAPHQL_VALIDATION_FAILED"
    } else {
        "BAD_USER_INPUT"
    };
    let mut errors = response.errors.clone();
    let count = errors.len();
    if count > MAX_ERRORS {
        errors.truncate(MAX_ERRORS);
        if let Some(last) = errors.last_mut() {
            // The path would make it look like one field's.
            last.path.clear();
            last.message = format!("{} more errors are not shown", count - MAX_ERRORS + 1);
        }
    }
    for error in &mut errors {
        // The engine repeats whole values.
        if error.message.len() > MAX_MESSAGE {
            error.message = refusal::shown(&error.message, MAX_MESSAGE);
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", fallback);
        }
        extensions.set("requestId", id.as_str());
    }
    errors
}

/// Whether nothing was executed at all (parse, validation): then there is no `data`.
fn is_request_error(response: &GraphResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

#[derive(Serialize)]
struct ResponseBody<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ErrorBody<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    locations: &'a [async_graphql::Pos],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    path: &'a [PathSegment],
    extensions: &'a Option<async_graphql::ErrorExtensionValues>,
}

/// The text of an answer, and whether the request failed as a whole.
///
/// # Errors
/// For an answer that cannot be written.
pub fn text(response: &GraphResponse, id: RequestId) -> Result<(bool, Bytes), Refusal> {
    let failed = is_request_error(response);
    let errors = shown(response, id);
    let errors: Vec<ErrorBody<'_>> = errors.iter().map(error_body).collect();
    let body = ResponseBody {
        errors: &errors,
        data: (!failed).then_some(&response.data),
    };
    Ok((failed, written_out(&body)?))
}

/// The text of an answer without errors.
///
/// # Errors
/// For an answer that cannot be written.
pub fn data(response: &GraphResponse) -> Result<Bytes, Refusal> {
    written_out(&ResponseBody {
        errors: &[],
        data: Some(&response.data),
    })
}

fn written_out(body: &ResponseBody<'_>) -> Result<Bytes, Refusal> {
    // Without what room it has left: it may be kept.
    let bytes = serde_json::to_vec(body).map(|bytes| bytes.into_boxed_slice().into());
    bytes.map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Refusal::internal()
    })
}

fn error_body(error: &ServerError) -> ErrorBody<'_> {
    ErrorBody {
        message: &error.message,
        locations: &error.locations,
        path: &error.path,
        extensions: &error.extensions,
    }
}
