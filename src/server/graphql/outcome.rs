//! The outcome of an operation, as its waiters share it.

use std::sync::Arc;

use async_graphql::Response as GraphResponse;

use super::encoded_response::EncodedResponse;

/// What came of an operation.
#[derive(Clone)]
pub enum Outcome {
    /// An answer without errors.
    EncodedResponse(Arc<EncodedResponse>),
    /// The response has errors. Each waiter gets a copy with the id of its request.
    Failed(Arc<GraphResponse>),
}

/// What came of an operation that others may be waiting for.
#[derive(Clone)]
pub struct SharedResult {
    pub outcome: Outcome,
    /// It tells of its own making.
    pub is_unshareable: bool,
}
