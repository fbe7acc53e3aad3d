//! Checks an operation against every limit and rule before its execution.

use std::sync::Arc;

use async_graphql::{Request as GraphRequest, parser::types::OperationType};

use super::{multipart::Files, request::GraphqlRequest};
#[cfg(doc)]
use crate::document;
use crate::server::{
    error::RequestError,
    memory::Memory,
    state::{AppState, Gateway},
};

/// An operation that passed all checks and is safe to execute.
pub struct PreparedOperation {
    pub(super) kind: OperationType,
    pub(super) request: GraphRequest,
    /// The operation name that the client sent.
    pub(super) name: Option<String>,
    /// The request identifies its document by hash or id, without text.
    pub(super) named: bool,
    pub(super) cost: u64,
    /// The response is for [`document::list_interfaces`].
    pub(super) introspects: bool,
    /// See [`writes_json`](crate::schema::Operation::writes_json).
    pub(super) writes_json: bool,
}

impl PreparedOperation {
    /// Returns the maximum cost of the operation.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Turns [`Self::writes_json`] off, so that the engine writes the values.
    pub fn into_values(self) -> Self {
        Self {
            writes_json: false,
            ..self
        }
    }
}

/// Finds the document, and checks the operation and its variables against every limit and rule.
/// Every entry point uses it.
///
/// # Errors
/// [`RequestError`] for a document or variables that break a rule.
pub fn prepare(
    gateway: &Gateway,
    incoming: GraphqlRequest,
    files: Option<&Arc<Files>>,
    memory: &mut Memory<'_>,
) -> Result<PreparedOperation, RequestError> {
    let AppState {
        limits,
        field_costs,
        documents,
        ..
    } = &*gateway.0;
    let rules = documents.rules();
    let document = documents.find(&incoming.document, limits)?;
    if !gateway.0.introspection {
        document.check_introspection()?;
    }
    let operation = document.operation(incoming.operation_name.as_deref())?;
    let declares = |name: &str| operation.declares(name);
    let mut variables = incoming.variables.read(declares, memory)?;
    operation.check_size(&variables, limits)?;
    if let Some(files) = files {
        files.insert_uploads(&mut variables)?;
    }
    operation.check_types(&variables, rules)?;
    let cost = operation.price(&variables, field_costs, limits)?;
    let mut request = GraphRequest::new("");
    request.set_parsed_query(operation.merged(&variables, rules));
    Ok(PreparedOperation {
        kind: operation.kind(),
        request: request.variables(variables),
        name: incoming.operation_name,
        named: incoming.document.text.is_none(),
        cost,
        introspects: operation.introspects(),
        writes_json: true,
    })
}
