//! The outcome of an operation, which equal requests in progress can share.

use std::sync::Arc;

use async_graphql::Response as GraphResponse;

use super::encoded_response::EncodedResponse;

/// The result of an operation.
#[derive(Clone)]
pub enum Outcome {
    /// A response without errors.
    EncodedResponse(Arc<EncodedResponse>),
    /// The response has errors. Each waiter gets a copy with the id of its request.
    Failed(Arc<GraphResponse>),
}

/// The result of an operation that several waiters may share.
#[derive(Clone)]
pub struct SharedResult {
    pub outcome: Outcome,
    /// The response describes its own execution, so other waiters must not get it.
    pub is_unshareable: bool,
}
