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
    cache::{ResponseKey, TaskFailed},
    schema::Code,
    server::{
        content_negotiation::MediaType, error::RequestError, memory::Memory, request_id::RequestId,
        session::Session, state::Gateway,
    },
};

/// The answer to an operation that is not kept: made, or awaited where it is being made.
pub async fn one(
    gateway: &Gateway,
    session: &Session,
    question: ResponseKey,
    id: RequestId,
    memory: &mut Memory<'_>,
) -> Result<Outcome, RequestError> {
    let parameters = RequestParams::of(&question.written, question.by_address)?;
    let prepared = prepare(gateway, GraphqlRequest::of(parameters)?, None, memory)?;
    let named = prepared.named || question.by_address;
    let answers = &gateway.0.answers;
    // Before anything is read for it.
    let began = answers.moment();
    if prepared.kind != OperationType::Query {
        if question.by_address {
            return Err(RequestError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                Code::BadUserInput,
                "GET is for queries: send mutations with POST",
            ));
        }
        // Boxed, so that the future of those who only wait for an answer stays small.
        let done = Box::pin(run(gateway, session, prepared, None, id)).await;
        return Ok(done.outcome(named));
    }
    let make = || {
        let (gateway, session, question) = (gateway.clone(), session.clone(), question.clone());
        // Others may wait for it when this one is gone.
        let share = memory.share();
        async move {
            let _share = share;
            let done = run(&gateway, &session, prepared, None, id).await;
            let (sources, is_unshareable) = (done.sources.clone(), done.is_unshareable);
            let outcome = done.outcome(named);
            if let Outcome::EncodedResponse(ready) = &outcome
                && let Some(until) = ready.keeping().until()
            {
                let (answer, bytes) = (Arc::clone(ready), ready.bytes());
                let answers = &gateway.0.answers;
                answers.keep(question, answer, began, sources, until, bytes);
            }
            SharedResult {
                outcome,
                is_unshareable,
            }
        }
    };
    match answers.shared(&question, began, make).await {
        (Ok(made), true) => Ok(made.outcome),
        (Ok(made), false) if !made.is_unshareable => {
            if !matches!(made.outcome, Outcome::EncodedResponse(_)) {
                tracing::info!(request.id = %id, "answered with errors, as an equal request at the same time");
            }
            Ok(made.outcome)
        }
        (Ok(_), false) => {
            let parameters = RequestParams::of(&question.written, question.by_address)?;
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

/// The answer to an operation that sends files along.
pub async fn with_files(
    gateway: &Gateway,
    session: &Session,
    parameters: RequestParams,
    files: Arc<Files>,
    id: RequestId,
    memory: &mut Memory<'_>,
) -> Result<Outcome, RequestError> {
    let prepared = GraphqlRequest::of(parameters);
    let prepared = prepared.and_then(|asked| prepare(gateway, asked, Some(&files), memory));
    let outcome = match prepared {
        Ok(prepared) => Ok(run(gateway, session, prepared, Some(&files), id).await),
        Err(refusal) => Err(refusal),
    };
    let Some(why) = files.malformed() else {
        return Ok(outcome?.outcome(false));
    };
    // The body broke off in a file. Where nothing but the upload was asked for, nothing was done;
    // else what was done must be told.
    let done = outcome?;
    match &done.response.data {
        Value::Object(fields) if fields.len() > 1 => Ok(done.outcome(false)),
        _ => Err(RequestError::bad_request(why)),
    }
}

/// An answer's bytes, and its status.
pub fn written(
    outcome: Result<Outcome, RequestError>,
    media_type: MediaType,
    id: RequestId,
) -> Result<(Arc<EncodedResponse>, StatusCode), RequestError> {
    let (failed, text) = match outcome {
        Ok(Outcome::EncodedResponse(ready)) => return Ok((ready, StatusCode::OK)),
        Ok(Outcome::Failed(response)) => response::text(&response, id)?,
        // Not even a request: the answer is plain JSON, whatever was asked for.
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
