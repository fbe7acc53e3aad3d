//! A request of one operation: executed, or awaited where an equal request is being executed.

use std::sync::Arc;

use async_graphql::{Value, parser::types::OperationType};
use axum::http::StatusCode;

use super::{
    cache_control::CachePolicy,
    encoded_response::EncodedResponse,
    execute::run,
    multipart::Files,
    outcome::{Outcome, SharedResult},
    prepare::prepare,
    request::{GraphqlRequest, RequestParams},
    response,
};
use crate::{
    cache::{NewResponse, ResponseKey, TaskFailed},
    schema::Code,
    server::{
        error::RequestError, media_type::MediaType, memory::Memory, request_id::RequestId,
        session::Session, state::Gateway,
    },
};

/// Answers an operation that is not cached: executes it, or joins an equal one in progress.
pub async fn answer(
    gateway: &Gateway,
    session: &Session,
    key: ResponseKey,
    id: RequestId,
    memory: &mut Memory<'_>,
) -> Result<Outcome, RequestError> {
    let parameters = RequestParams::of(&key.written, key.is_get)?;
    let prepared = prepare(gateway, GraphqlRequest::of(parameters)?, None, memory)?;
    let named = prepared.named || key.is_get;
    let answers = &gateway.0.answers;
    // Noted before the operation reads anything.
    let began = answers.read_version();
    if prepared.kind != OperationType::Query {
        if key.is_get {
            return Err(RequestError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                Code::BadUserInput,
                "GET is for queries: send mutations with POST",
            ));
        }
        // Boxed, so that the future of requests that only wait stays small.
        let done = Box::pin(run(gateway, session, prepared, None, id)).await;
        return Ok(done.outcome(named));
    }
    let make = || {
        let (gateway, session, key) = (gateway.clone(), session.clone(), key.clone());
        // Other requests may still wait for the result after this request is cancelled.
        let share = memory.share();
        async move {
            let _share = share;
            let done = run(&gateway, &session, prepared, None, id).await;
            let (sources, is_unshareable) = (done.sources.clone(), done.is_unshareable);
            let outcome = done.outcome(named);
            if let Outcome::EncodedResponse(ready) = &outcome
                && let Some(until) = ready.cache_policy().until()
            {
                let response = NewResponse {
                    answer: Arc::clone(ready),
                    bytes: ready.bytes(),
                    sources,
                    until,
                };
                gateway.0.answers.keep(key, began, response);
            }
            SharedResult {
                outcome,
                is_unshareable,
            }
        }
    };
    match answers.shared(&key, began, make).await {
        (Ok(made), true) => Ok(made.outcome),
        (Ok(made), false) if !made.is_unshareable => {
            if !matches!(made.outcome, Outcome::EncodedResponse(_)) {
                tracing::info!(request.id = %id, "answered with errors of an equal request");
            }
            Ok(made.outcome)
        }
        (Ok(_), false) => {
            let parameters = RequestParams::of(&key.written, key.is_get)?;
            let prepared = prepare(gateway, GraphqlRequest::of(parameters)?, None, memory)?;
            let done = Box::pin(run(gateway, session, prepared, None, id)).await;
            Ok(done.outcome(named))
        }
        (Err(TaskFailed), _) => {
            tracing::error!(request.id = %id, "a request failed in the gateway itself");
            Err(RequestError::internal())
        }
    }
}

/// Answers an operation with file uploads.
pub async fn with_files(
    gateway: &Gateway,
    session: &Session,
    parameters: RequestParams,
    files: Arc<Files>,
    id: RequestId,
    memory: &mut Memory<'_>,
) -> Result<Outcome, RequestError> {
    let prepared = GraphqlRequest::of(parameters);
    let prepared = prepared.and_then(|incoming| prepare(gateway, incoming, Some(&files), memory));
    let outcome = match prepared {
        Ok(prepared) => Ok(run(gateway, session, prepared, Some(&files), id).await),
        Err(refusal) => Err(refusal),
    };
    let Some(reason) = files.malformed() else {
        return Ok(outcome?.outcome(false));
    };
    // The body is malformed within a file. If the upload is the only field, nothing was done.
    // Otherwise the response must report the other fields.
    let executed = outcome?;
    match &executed.response.data {
        Value::Object(fields) if fields.len() > 1 => Ok(executed.outcome(false)),
        _ => Err(RequestError::bad_request(reason)),
    }
}

/// Encodes an outcome. Returns the response and its HTTP status.
pub fn encode(
    outcome: Result<Outcome, RequestError>,
    media_type: MediaType,
    id: RequestId,
) -> Result<(Arc<EncodedResponse>, StatusCode), RequestError> {
    let (failed, text) = match outcome {
        Ok(Outcome::EncodedResponse(ready)) => return Ok((ready, StatusCode::OK)),
        Ok(Outcome::Failed(response)) => response::text(&response, id)?,
        // Not a GraphQL request: the error is plain JSON, regardless of `Accept`.
        Err(refusal) if !refusal.is_document_error => return Err(refusal),
        Err(refusal) => (true, refusal.text(id)),
    };
    let status = match media_type {
        MediaType::Response if failed => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    Ok((
        Arc::new(EncodedResponse::new(text, CachePolicy::NONE, false)),
        status,
    ))
}
