//! Executes a prepared operation within its time.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use async_graphql::{Response as GraphResponse, ServerError, parser::types::OperationType};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{
    cache_control::CachePolicy, encoded_response::EncodedResponse, multipart::Files,
    outcome::Outcome, prepare::PreparedOperation, response,
};
use crate::{
    asset::SourceName,
    document,
    schema::{Code, Operation},
    server::{error, request_id::RequestId, session::Session, state::Gateway},
    source::RequestContext,
    write::UploadFiles,
};

/// The result of an executed operation.
pub struct Executed {
    pub response: GraphResponse,
    pub cache_policy: CachePolicy,
    /// Sources that the operation read.
    pub sources: Vec<SourceName>,
    /// The response describes its own execution, so other waiters must not get it.
    pub is_unshareable: bool,
}

impl Executed {
    /// Encodes the response if it has no errors. For `named` see [`EncodedResponse::new`].
    pub fn outcome(self, named: bool) -> Outcome {
        if !self.response.errors.is_empty() {
            return Outcome::Failed(Arc::new(self.response));
        }
        let text = response::data(&self.response);
        Outcome::EncodedResponse(Arc::new(EncodedResponse::new(
            text,
            self.cache_policy,
            named,
        )))
    }
}

/// Executes a prepared operation within its deadline.
pub async fn run(
    gateway: &Gateway,
    session: &Session,
    PreparedOperation {
        kind,
        request,
        name,
        introspects,
        writes_json,
        ..
    }: PreparedOperation,
    files: Option<&Arc<Files>>,
    id: RequestId,
) -> Executed {
    let parts = files.map(|files| Arc::clone(files) as Arc<dyn UploadFiles>);
    let operation = Operation {
        writes_json,
        ..session.operation(gateway, kind, parts)
    };
    let context = Arc::clone(&operation.context);
    let name = name.as_deref().unwrap_or_default();
    let span = tracing::info_span!(
        "graphql",
        request.id = %id,
        caller = &**session.caller.who(),
        client = %session.address,
        operation.name = error::excerpt(name, 100),
    );
    let began = Instant::now();
    let execution = gateway.0.graph.execute(request.data(operation));
    // Pinned here, the future exists once. Passed by value, it would be stored in three nested
    // futures.
    let execution = pin!(execution.instrument(span.clone()));
    let mut response = until_deadline(&context, execution).await.unwrap_or_else(|| {
        let (code, message) = match kind {
            OperationType::Mutation => (
                Code::UnknownOutcome,
                "the operation took too long, and it is not known what it has changed: read before \
                 trying again",
            ),
            _ => (
                Code::UpstreamTimeout,
                "the operation took too long: ask for less",
            ),
        };
        let mut error = ServerError::new(message, None);
        error
            .extensions
            .get_or_insert_default()
            .set("code", code.as_str());
        GraphResponse::from_errors(vec![error])
    });
    if introspects {
        document::list_interfaces(&mut response.data);
    }
    span.in_scope(|| {
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if response.errors.is_empty() {
            tracing::debug!(duration_ms, "answered");
        } else {
            let first = response.errors.first();
            let first = first.map(|error| error::excerpt(&error.message, error::MAX_LOGGED));
            tracing::info!(
                duration_ms,
                errors = response.errors.len(),
                first = first.as_deref(),
                "answered with errors"
            );
        }
    });
    let is_private = !gateway.0.access.is_open() || session.has_credentials;
    Executed {
        cache_policy: CachePolicy::of(kind, context.lifetime(), is_private),
        sources: context.sources_read(),
        is_unshareable: context.is_unshareable(),
        response,
    }
}

/// Awaits an execution until the operation's deadline, which uploads renew.
async fn until_deadline<T>(
    context: &RequestContext,
    mut execution: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    loop {
        // Sources answer or fail by the deadline. One more second is for assembling the response.
        let end = context.deadline() + Duration::from_secs(1);
        match timeout_at(end, execution.as_mut()).await {
            Ok(output) => return Some(output),
            Err(_) if context.deadline() + Duration::from_secs(1) > end => {}
            Err(_) => return None,
        }
    }
}
