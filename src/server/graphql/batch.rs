//! Executes a batch of operations. Refuses the whole batch if its total cost is too high.

use futures_util::{StreamExt, stream};

use async_graphql::parser::types::OperationType;

use super::{
    cache_control::CachePolicy,
    encoded_response::EncodedResponse,
    execute::{Executed, run},
    prepare::prepare,
    request::{GraphqlRequest, RequestParams},
    response,
};
use crate::{
    document,
    server::{
        error::RequestError, memory::Memory, request_id::RequestId, session::Session,
        state::Gateway,
    },
};

/// Executes a batch if its total cost is within the limit. Queries run concurrently. If the batch
/// has a mutation, all operations run one after the other.
pub async fn run_batch(
    gateway: &Gateway,
    session: &Session,
    operations: Vec<RequestParams>,
    id: RequestId,
    memory: &mut Memory<'_>,
) -> Result<Vec<Result<Executed, RequestError>>, RequestError> {
    let operations: Vec<_> = operations
        .into_iter()
        .map(|parameters| prepare(gateway, GraphqlRequest::of(parameters)?, None, memory))
        .collect();
    let prepared = || operations.iter().flatten();
    let cost = prepared().fold(0, |sum: u64, operation| sum.saturating_add(operation.cost));
    document::check_cost(cost, &gateway.0.limits).map_err(|error| RequestError {
        is_document_error: false,
        ..error.into()
    })?;
    let mutates = prepared().any(|operation| operation.kind != OperationType::Query);
    let running = operations.into_iter().map(|prepared| async move {
        match prepared {
            Ok(prepared) => Ok(run(gateway, session, prepared, None, id).await),
            Err(refusal) => Err(refusal),
        }
    });
    let at_once = if mutates { 1 } else { gateway.0.limits.batch };
    Ok(stream::iter(running).buffered(at_once).collect().await)
}

/// Encodes the responses of a batch in its order. A refused operation's errors take its position.
pub fn encode_batch(
    outcomes: Vec<Result<Executed, RequestError>>,
    id: RequestId,
) -> Result<EncodedResponse, RequestError> {
    let mut json = vec![b'['];
    for (index, outcome) in outcomes.into_iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        json.extend(match outcome {
            Ok(done) => response::text(&done.response, id)?.1,
            Err(refusal) => refusal.text(id),
        });
    }
    json.push(b']');
    Ok(EncodedResponse::new(json.into(), CachePolicy::NONE, false))
}
