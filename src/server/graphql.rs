//! One request to the graph: negotiate → read → limit → parse → execute → respond.

mod cache_control;
mod encoded_response;
mod request;
mod response;

use std::{
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use async_graphql::{
    Request as GraphRequest, Response as GraphResponse, ServerError, Value,
    parser::types::OperationType,
};
use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::Response,
};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use self::{
    cache_control::CachePolicy,
    request::{RequestBody, RequestParams, read},
};
use super::{
    AppState, Gateway, RequestId,
    content_negotiation::{self, MediaType},
    error::{self, RequestError},
    memory::Memory,
    origin_policy,
    session::{self, Session},
    upload::Files,
};
use crate::{
    asset::SourceName,
    cache::{ResponseKey, TaskFailed},
    document,
    explorer,
    schema::Code,
    schema::Operation,
    source::RequestContext,
    write,
};

pub use encoded_response::EncodedResponse;
pub use request::{Given, GraphqlRequest, operations_of_body};
pub use response::shown;

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
    outcome: Outcome,
    /// It tells of its own making.
    is_unshareable: bool,
}

/// `GET`, `HEAD` and `POST /graphql`.
pub async fn handle(State(gateway): State<Gateway>, mut request: Request) -> Response {
    if request.method() == Method::HEAD {
        // The same, less the body, which is left out below this (RFC 9110, 9.3.2).
        *request.method_mut() = Method::GET;
    }
    let id = RequestId::of(&request);
    let is_navigation = request.method() == Method::GET
        && request.headers().get(header::UPGRADE).is_none()
        && content_negotiation::wants_page(request.headers());
    if is_navigation && gateway.0.explorer {
        return explorer::page(request.headers());
    }
    let address = session::address(&gateway, &request);
    match answer(&gateway, request, address, id).await {
        Ok(response) => response,
        Err(refusal) => {
            super::span(address).in_scope(|| refusal.log(id));
            refusal.into_response(id)
        }
    }
}

async fn answer(
    gateway: &Gateway,
    request: Request,
    address: IpAddr,
    id: RequestId,
) -> Result<Response, RequestError> {
    let media_type = MediaType::of(request.headers())?;
    if request.method() == Method::GET {
        origin_policy::check_get(gateway, request.headers())?;
    }
    let session = Session::open(gateway, request.headers(), address).await?;
    let mut standing = session::charge(gateway, &session.client, 1)?;
    let (head, body) = request.into_parts();
    let span = || super::span(address);
    // Until the answer is there.
    let mut memory = Memory::of(gateway, &session.client);
    let (ready, status) = match read(gateway, &head, body, &mut memory).await? {
        RequestBody::One(written) => {
            let question = ResponseKey {
                viewer_scope: session.viewer_scope(),
                by_address: head.method == Method::GET,
                written,
            };
            // The way that most requests go: nothing that it can do without. The others are boxed, so
            // that this one's future stays small.
            if let Some(ready) = gateway.0.answers.get(&question) {
                (ready, StatusCode::OK)
            } else {
                let made = Box::pin(one(gateway, &session, question, id, &mut memory));
                let span = span();
                let made = made.instrument(span.clone()).await;
                span.in_scope(|| self::written(made, media_type, id))?
            }
        }
        RequestBody::WithFiles(parameters, files) => {
            let made = with_files(gateway, &session, parameters, files, id, &mut memory);
            let made = Box::pin(made);
            let span = span();
            let made = made.instrument(span.clone()).await;
            span.in_scope(|| written(made, media_type, id))?
        }
        RequestBody::Batch(all) => {
            let more = all.len() - 1;
            if more > 0 {
                standing = session::charge(gateway, &session.client, more)?;
            }
            let made = Box::pin(run_all(gateway, &session, all, id, &mut memory));
            let span = span();
            let made = made.instrument(span.clone()).await?;
            let ready = span.in_scope(|| together(made, id))?;
            (Arc::new(ready), StatusCode::OK)
        }
    };
    ready.compress_aside(&head.headers).await;
    let mut response = ready.respond(media_type, status, &head.headers);
    // What an answer depends on beside its address: caches must tell them apart.
    let vary = gateway.0.vary.clone();
    response.headers_mut().insert(header::VARY, vary);
    if let Some(standing) = standing {
        error::tell(&standing, response.headers_mut());
    }
    Ok(response)
}

/// The answer to an operation that is not kept: made, or awaited where it is being made.
async fn one(
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
async fn with_files(
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
fn written(
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

/// The answers to what was sent together, in its order. What was wrong with one is in its place.
fn together(
    outcomes: Vec<Result<Executed, RequestError>>,
    id: RequestId,
) -> Result<EncodedResponse, RequestError> {
    let mut all = vec![b'['];
    for (place, outcome) in outcomes.into_iter().enumerate() {
        if place > 0 {
            all.push(b',');
        }
        all.extend(match outcome {
            Ok(done) => response::text(&done.response, id)?.1,
            Err(refusal) => refusal.text(id),
        });
    }
    all.push(b']');
    Ok(EncodedResponse::new(all.into(), CachePolicy::NONE, false))
}

/// A request whose document is known to be safe.
pub struct PreparedOperation {
    kind: OperationType,
    request: GraphRequest,
    /// As the client names it.
    name: Option<String>,
    /// Its document is named by a hash or an id.
    named: bool,
    cost: u64,
    /// See [`Operation`].
    writes_json: bool,
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

/// Executes what was sent together, if it may cost as much together: queries at once, but one after the other where any of it is a
/// mutation.
async fn run_all(
    gateway: &Gateway,
    session: &Session,
    all: Vec<RequestParams>,
    id: RequestId,
    memory: &mut Memory<'_>,
) -> Result<Vec<Result<Executed, RequestError>>, RequestError> {
    let all: Vec<_> = all
        .into_iter()
        .map(|parameters| prepare(gateway, GraphqlRequest::of(parameters)?, None, memory))
        .collect();
    let prepared = || all.iter().flatten();
    let cost = prepared().fold(0, |sum: u64, own| sum.saturating_add(own.cost));
    document::check_cost(cost, &gateway.0.limits).map_err(|error| RequestError {
        is_document_error: false,
        ..error.into()
    })?;
    let mutates = prepared().any(|own| own.kind != OperationType::Query);
    let running = all.into_iter().map(|prepared| async move {
        match prepared {
            Ok(prepared) => Ok(run(gateway, session, prepared, None, id).await),
            Err(refusal) => Err(refusal),
        }
    });
    let at_once = if mutates { 1 } else { gateway.0.limits.batch };
    Ok(stream::iter(running).buffered(at_once).collect().await)
}

/// An operation that was executed.
pub struct Executed {
    pub response: GraphResponse,
    keeping: CachePolicy,
    /// That it read of.
    sources: Vec<SourceName>,
    /// It tells of its own making.
    is_unshareable: bool,
}

impl Executed {
    /// As bytes, where it has no errors. `named`: see [`EncodedResponse::new`].
    fn outcome(self, named: bool) -> Outcome {
        if !self.response.errors.is_empty() {
            return Outcome::Failed(Arc::new(self.response));
        }
        let text = response::data(&self.response);
        Outcome::EncodedResponse(Arc::new(EncodedResponse::new(text, self.keeping, named)))
    }
}

/// Executes a request whose document is known to be safe, within the operation's time.
pub async fn run(
    gateway: &Gateway,
    session: &Session,
    PreparedOperation {
        kind,
        request,
        name,
        writes_json,
        ..
    }: PreparedOperation,
    files: Option<&Arc<Files>>,
    id: RequestId,
) -> Executed {
    let parts = files.map(|files| Arc::clone(files) as Arc<dyn write::UploadFiles>);
    let operation = Operation {
        writes_json,
        ..gateway.operation(kind, parts, session)
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
    // Pinned here, there is one of it: handed on by value, it would be in three futures, one in the
    // other.
    let execution = pin!(execution.instrument(span.clone()));
    let response = in_time(&context, execution).await.unwrap_or_else(|| {
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
    let is_own = !gateway.0.access.is_open() || session.has_credentials;
    Executed {
        keeping: CachePolicy::of(kind, context.lifetime(), is_own),
        sources: context.read(),
        is_unshareable: context.is_alone(),
        response,
    }
}

/// Waits for an execution as long as its operation has time: uploads renew it.
async fn in_time<T>(
    context: &RequestContext,
    mut execution: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    loop {
        // Sources answer or fail by the deadline; a moment more for putting the answer together.
        let end = context.deadline() + Duration::from_secs(1);
        match timeout_at(end, execution.as_mut()).await {
            Ok(done) => return Some(done),
            Err(_) if context.deadline() + Duration::from_secs(1) > end => {}
            Err(_) => return None,
        }
    }
}
