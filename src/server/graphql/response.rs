//! Encodes a response as JSON. Limits its errors in number, and gives each a code.

use async_graphql::{PathSegment, Response as GraphResponse, ServerError, Value};
use axum::body::Bytes;
use serde::Serialize;

use crate::{
    document::ErrorCode,
    schema,
    schema::Code,
    server::{
        error::{self, RequestError},
        request_id::RequestId,
    },
};

/// Maximum length of an error message.
const MAX_MESSAGE: usize = 1_000;
/// Maximum errors in one response.
const MAX_ERRORS: usize = 10;

/// Returns the errors that a response shows: limited in number, each with code and request id.
pub fn shown(response: &GraphResponse, id: RequestId) -> Vec<ServerError> {
    let fallback = if is_request_error(response) {
        ErrorCode::ValidationFailed
    } else {
        ErrorCode::from(Code::BadUserInput)
    };
    let mut errors = response.errors.clone();
    let count = errors.len();
    if count > MAX_ERRORS {
        errors.truncate(MAX_ERRORS);
        if let Some(last) = errors.last_mut() {
            // With a path, the message would seem to belong to one field.
            last.path.clear();
            last.message = format!("{} more errors are not shown", count - MAX_ERRORS + 1);
        }
    }
    for error in &mut errors {
        // The engine's messages repeat whole values.
        if error.message.len() > MAX_MESSAGE {
            error.message = error::excerpt(&error.message, MAX_MESSAGE);
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", fallback.as_str());
        }
        extensions.set("requestId", id.as_str());
    }
    errors
}

/// Returns whether nothing was executed (parse or validation error): there is no `data` then.
fn is_request_error(response: &GraphResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
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

/// Encodes a response as JSON. Also returns whether the request failed as a whole.
///
/// # Errors
/// A [`RequestError`] if the errors cannot be written as JSON.
pub fn text(response: &GraphResponse, id: RequestId) -> Result<(bool, Bytes), RequestError> {
    let failed = is_request_error(response);
    let errors = shown(response, id);
    let errors: Vec<ErrorBody<'_>> = errors.iter().map(error_body).collect();
    let mut json = Vec::new();
    json.push(b'{');
    if !errors.is_empty() {
        json.extend_from_slice(b"\"errors\":");
        serde_json::to_writer(&mut json, &errors).map_err(|error| {
            tracing::error!(%error, "an answer could not be written as JSON");
            RequestError::internal()
        })?;
    }
    if !failed {
        json.extend_from_slice(if errors.is_empty() {
            b"\"data\":"
        } else {
            b",\"data\":"
        });
        schema::write_json(&response.data, &mut json);
    }
    json.push(b'}');
    Ok((failed, exact_bytes(json)))
}

/// Encodes a response without errors as JSON.
pub fn data(response: &GraphResponse) -> Bytes {
    let mut json = b"{\"data\":".to_vec();
    schema::write_json(&response.data, &mut json);
    json.push(b'}');
    exact_bytes(json)
}

/// Drops the spare capacity, because the response may be cached.
fn exact_bytes(json: Vec<u8>) -> Bytes {
    json.into_boxed_slice().into()
}

fn error_body(error: &ServerError) -> ErrorBody<'_> {
    ErrorBody {
        message: &error.message,
        locations: &error.locations,
        path: &error.path,
        extensions: &error.extensions,
    }
}
