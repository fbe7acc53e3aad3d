//! An answer on its way out: its errors' codes and number, its status, its bytes.

use async_graphql::{PathSegment, Response as GraphResponse, ServerError, Value};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::keeping::Keeping;
use crate::server::{
    RequestId,
    negotiate::MediaType,
    refusal::{self, Refusal},
};

/// Letters of an error's message.
const MAX_MESSAGE: usize = 1_000;
/// Errors that one answer shows at most.
const MAX_ERRORS: usize = 10;

/// Gives every error its code and the request's id, and bounds their number.
pub fn finish(response: &mut GraphResponse, id: &RequestId) {
    let fallback = if is_request_error(response) {
        "GRAPHQL_VALIDATION_FAILED"
    } else {
        "BAD_USER_INPUT"
    };
    let count = response.errors.len();
    if count > MAX_ERRORS {
        response.errors.truncate(MAX_ERRORS);
        if let Some(last) = response.errors.last_mut() {
            // The path would make it look like one field's.
            last.path.clear();
            last.message = format!("{} more errors are not shown", count - MAX_ERRORS + 1);
        }
    }
    for error in &mut response.errors {
        // The engine repeats whole values.
        if error.message.len() > MAX_MESSAGE {
            error.message = refusal::shown(&error.message, MAX_MESSAGE);
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", fallback);
        }
        extensions.set("requestId", &*id.0);
    }
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

/// Whether the request failed as a whole, and the answer's text.
fn body_of(
    outcome: Result<GraphResponse, Refusal>,
    id: &RequestId,
) -> Result<(bool, Vec<u8>), Refusal> {
    let response = match outcome {
        Ok(response) => response,
        Err(refusal) => {
            refusal.log(id);
            return Ok((true, refusal.to_json(id).to_string().into_bytes()));
        }
    };
    let failed = is_request_error(&response);
    let errors: Vec<ErrorBody<'_>> = response.errors.iter().map(error_body).collect();
    let body = ResponseBody {
        errors: &errors,
        data: (!failed).then_some(&response.data),
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "a fault in the gateway: it is in its log",
        )
    })?;
    Ok((failed, bytes))
}

/// The answer to one operation; `asked` are the request's headers.
///
/// # Errors
/// A refusal of what was not even a request, and for an answer that cannot be written.
pub fn respond(
    media_type: MediaType,
    outcome: Result<(GraphResponse, Keeping), Refusal>,
    asked: &HeaderMap,
    id: &RequestId,
) -> Result<Response, Refusal> {
    let (outcome, keeping) = match outcome {
        // Not even a request: the answer is plain JSON, whatever was asked for.
        Err(refusal) if !refusal.by_document => return Err(refusal),
        Err(refusal) => (Err(refusal), Keeping::NEVER),
        Ok((response, keeping)) => (Ok(response), keeping),
    };
    let (failed, body) = body_of(outcome, id)?;
    let status = match (media_type, failed) {
        (MediaType::Response, true) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let body = Bytes::from(body);
    let mut response = written(media_type, status, body.clone());
    keeping.apply(&mut response, &body, asked);
    Ok(response)
}

/// The answers to what was sent together, in its order. What was wrong with one is in its place.
///
/// # Errors
/// For an answer that cannot be written.
pub fn respond_to_all(
    media_type: MediaType,
    outcomes: Vec<Result<(GraphResponse, Keeping), Refusal>>,
    id: &RequestId,
) -> Result<Response, Refusal> {
    let mut all = vec![b'['];
    for (place, outcome) in outcomes.into_iter().enumerate() {
        if place > 0 {
            all.push(b',');
        }
        all.extend(body_of(outcome.map(|(response, _)| response), id)?.1);
    }
    all.push(b']');
    Ok(written(media_type, StatusCode::OK, all.into()))
}

fn written(media_type: MediaType, status: StatusCode, body: Bytes) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type.header());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn error_body(error: &ServerError) -> ErrorBody<'_> {
    ErrorBody {
        message: &error.message,
        locations: &error.locations,
        path: &error.path,
        extensions: &error.extensions,
    }
}
