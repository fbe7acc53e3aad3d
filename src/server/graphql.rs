//! One request to the graph: negotiate → read → limit → parse → execute → respond.

mod keeping;
mod request;
mod response;

use std::{pin::pin, sync::Arc, time::Duration};

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
    keeping::Keeping,
    request::{Parameters, Sent, read},
    response::{finish, respond, respond_to_all},
};
use super::{
    Gateway, Parts, RequestId, access, document,
    negotiate::{self, MediaType},
    refusal::{self, Refusal},
    session::{self, Session},
    upload::Files,
};
use crate::{explorer, source::Context, write};

pub use request::{Asked, arbitrary};

/// `GET`, `HEAD` and `POST /graphql`.
pub async fn handle(State(gateway): State<Gateway>, mut request: Request) -> Response {
    if request.method() == Method::HEAD {
        // The same, less the body, which is left out below this (RFC 9110, 9.3.2).
        *request.method_mut() = Method::GET;
    }
    let id = request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .unwrap_or_else(RequestId::random);
    let is_navigation = request.method() == Method::GET
        && request.headers().get(header::UPGRADE).is_none()
        && negotiate::wants_page(request.headers());
    if is_navigation && gateway.0.explorer {
        return explorer::page(request.headers());
    }
    match answer(&gateway, request, &id).await {
        Ok(response) => response,
        Err(refusal) => {
            refusal.log(&id);
            refusal.into_response(&id)
        }
    }
}

async fn answer(gateway: &Gateway, request: Request, id: &RequestId) -> Result<Response, Refusal> {
    let media_type = MediaType::of(request.headers())?;
    if request.method() == Method::GET {
        access::check_get(gateway, request.headers())?;
    }
    let address = session::address(gateway, &request);
    let session = Session::open(gateway, request.headers(), address).await?;
    let mut standing = session::charge(gateway, &session.client, 1)?;
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let mut response = match read(gateway, request).await? {
        Sent::One(parameters, files) => {
            let prepared = Asked::of(parameters)
                .and_then(|asked| prepare(gateway, asked, files.as_ref()))
                .and_then(|prepared| prepared.may_be_sent_by(&method));
            let outcome = match prepared {
                Ok(prepared) => Ok(run(gateway, &session, prepared, files.as_ref(), id).await),
                Err(refusal) => Err(refusal),
            };
            let outcome = match files.as_ref().and_then(|files| files.malformed()) {
                Some(why) => outcome.and_then(|answer| broken(answer.0, why)),
                None => outcome,
            };
            respond(media_type, outcome, &headers, id)?
        }
        Sent::Batch(all) => {
            let more = all.len() - 1;
            if more > 0 {
                standing = session::charge(gateway, &session.client, more)?;
            }
            let outcomes = run_all(gateway, &session, all, id).await?;
            respond_to_all(media_type, outcomes, id)?
        }
    };
    // What an answer depends on beside its address: caches must tell them apart.
    response
        .headers_mut()
        .append(header::VARY, gateway.0.vary.clone());
    if let Some(standing) = standing {
        refusal::tell(&standing, response.headers_mut());
    }
    Ok(response)
}

/// The answer to a request whose body broke off in a file. Where nothing but the upload was asked
/// for, nothing was done; else what was done must be told.
fn broken(response: GraphResponse, why: &str) -> Result<(GraphResponse, Keeping), Refusal> {
    let fields = match &response.data {
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if fields > 1 {
        return Ok((response, Keeping::NEVER));
    }
    Err(Refusal::bad_request(why))
}

/// A request whose document is known to be safe.
pub struct Prepared {
    kind: OperationType,
    request: GraphRequest,
    /// As the client names it.
    name: Option<String>,
    /// Its document is named by a hash or an id, or stands in an address.
    named: bool,
    cost: u64,
}

impl Prepared {
    /// Whether a request of this method may do it (GraphQL over HTTP, 5.3: GET changes nothing).
    fn may_be_sent_by(self, method: &Method) -> Result<Self, Refusal> {
        if self.kind == OperationType::Query || *method == Method::POST {
            let named = self.named || *method == Method::GET;
            return Ok(Self { named, ..self });
        }
        Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "GET is for queries: send mutations with POST",
        ))
    }

    /// What it may cost.
    pub fn cost(&self) -> u64 {
        self.cost
    }
}

/// Finds the document, and holds the operation and its variables against every limit and rule,
/// whichever way they came in.
///
/// # Errors
/// A [`Refusal`] that says what is wrong.
pub fn prepare(
    gateway: &Gateway,
    asked: Asked,
    files: Option<&Arc<Files>>,
) -> Result<Prepared, Refusal> {
    let Parts {
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
    let mut variables = asked.variables;
    operation.check_size(&variables, limits)?;
    if let Some(files) = files {
        files.put_into(&mut variables)?;
    }
    operation.check_types(&variables, rules)?;
    let cost = operation.price(&variables, prices, limits)?;
    let mut request = GraphRequest::new("");
    request.set_parsed_query(operation.merged(&variables, rules));
    Ok(Prepared {
        kind: operation.kind(),
        request: request.variables(variables),
        name: asked.operation_name,
        named: asked.document.text.is_none(),
        cost,
    })
}

/// Executes what was sent together, if it may cost as much together: queries at once, but one after the other where any of it is a
/// mutation.
async fn run_all(
    gateway: &Gateway,
    session: &Session,
    all: Vec<Parameters>,
    id: &RequestId,
) -> Result<Vec<Result<(GraphResponse, Keeping), Refusal>>, Refusal> {
    let all: Vec<_> = all
        .into_iter()
        .map(|parameters| prepare(gateway, Asked::of(parameters)?, None))
        .collect();
    let prepared = || all.iter().flatten();
    let cost = prepared().fold(0, |sum: u64, own| sum.saturating_add(own.cost));
    document::check_cost(cost, &gateway.0.limits).map_err(|refusal| Refusal {
        by_document: false,
        ..refusal
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

/// Executes a request whose document is known to be safe, within the operation's time.
pub async fn run(
    gateway: &Gateway,
    session: &Session,
    Prepared {
        kind,
        request,
        name,
        named,
        ..
    }: Prepared,
    files: Option<&Arc<Files>>,
    id: &RequestId,
) -> (GraphResponse, Keeping) {
    let parts = files.map(|files| Arc::clone(files) as Arc<dyn write::Parts>);
    let operation = gateway.operation(kind, parts, session);
    let context = Arc::clone(&operation.context);
    let name = name.as_deref().unwrap_or_default();
    let span = tracing::info_span!(
        "graphql",
        request.id = %id.0,
        caller = &**session.caller.who(),
        client = %session.address,
        operation.name = refusal::shown(name, 100),
    );
    let began = Instant::now();
    let execution = gateway
        .0
        .graph
        .execute(request.data(operation))
        .instrument(span.clone());
    let mut response = in_time(&context, execution).await.unwrap_or_else(|| {
        let (code, message) = match kind {
            OperationType::Mutation => (
                "UNKNOWN_OUTCOME",
                "the operation took too long, and nobody can say what it has changed: read before \
                 trying again",
            ),
            _ => (
                "UPSTREAM_TIMEOUT",
                "the operation took too long: ask for less",
            ),
        };
        let mut error = ServerError::new(message, None);
        error.extensions.get_or_insert_default().set("code", code);
        GraphResponse::from_errors(vec![error])
    });
    finish(&mut response, id);
    span.in_scope(|| {
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if response.errors.is_empty() {
            tracing::debug!(duration_ms, "answered");
        } else {
            let first = response.errors.first();
            let first = first.map(|error| refusal::shown(&error.message, refusal::MAX_LOGGED));
            tracing::info!(
                duration_ms,
                errors = response.errors.len(),
                first = first.as_deref(),
                "answered with errors"
            );
        }
    });
    let keeping = Keeping::of(&response, kind, context.lifetime(), named);
    let is_own = !gateway.0.access.is_open() || session.has_credentials;
    (response, if is_own { keeping.private() } else { keeping })
}

/// Waits for an execution as long as its operation has time: uploads renew it.
async fn in_time<T>(context: &Context, execution: impl Future<Output = T>) -> Option<T> {
    let mut execution = pin!(execution);
    loop {
        // Sources answer or fail by the deadline; a moment more for putting the answer together.
        let end = context.deadline() + Duration::from_secs(1);
        match timeout_at(end, &mut execution).await {
            Ok(done) => return Some(done),
            Err(_) if context.deadline() + Duration::from_secs(1) > end => {}
            Err(_) => return None,
        }
    }
}
