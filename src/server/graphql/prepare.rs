//! An operation before its execution: held against every limit and rule.

use std::sync::Arc;

use async_graphql::{Request as GraphRequest, parser::types::OperationType};

use super::{multipart::Files, request::GraphqlRequest};
use crate::server::{
    error::RequestError,
    memory::Memory,
    state::{AppState, Gateway},
};

/// A request whose document is known to be safe.
pub struct PreparedOperation {
    pub(super) kind: OperationType,
    pub(super) request: GraphRequest,
    /// As the client names it.
    pub(super) name: Option<String>,
    /// Its document is named by a hash or an id.
    pub(super) named: bool,
    pub(super) cost: u64,
    /// See [`Operation`].
    pub(super) writes_json: bool,
}

impl PreparedOperation {
    /// What it may cost.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The same, for an answer that the engine writes.
    pub fn into_values(self) -> Self {
        Self {
            writes_json: false,
            ..self
        }
    }
}

/// Finds the document, and holds the operation and its variables against every limit and rule,
/// whichever way they came in.
///
/// # Errors
/// [`RequestError`] for a document or variables that break a rule.
pub fn prepare(
    gateway: &Gateway,
    asked: GraphqlRequest,
    files: Option<&Arc<Files>>,
    memory: &mut Memory<'_>,
) -> Result<PreparedOperation, RequestError> {
    let AppState {
        limits,
        prices,
        documents,
        ..
    } = &*gateway.0;
    let rules = documents.rules();
    let document = documents.find(&asked.document, limits)?;
    if !gateway.0.introspection {
        document.check_introspection()?;
    }
    let operation = document.operation(asked.operation_name.as_deref())?;
    let declares = |name: &str| operation.declares(name);
    let mut variables = asked.variables.read(declares, memory)?;
    operation.check_size(&variables, limits)?;
    if let Some(files) = files {
        files.put_into(&mut variables)?;
    }
    operation.check_types(&variables, rules)?;
    let cost = operation.price(&variables, prices, limits)?;
    let mut request = GraphRequest::new("");
    request.set_parsed_query(operation.merged(&variables, rules));
    Ok(PreparedOperation {
        kind: operation.kind(),
        request: request.variables(variables),
        name: asked.operation_name,
        named: asked.document.text.is_none(),
        cost,
        writes_json: true,
    })
}
