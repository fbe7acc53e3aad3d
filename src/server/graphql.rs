//! One request to the graph: negotiate → read → limit → parse → execute → respond.

use std::{pin::pin, sync::Arc, time::Duration};

use async_graphql::{
    PathSegment, Request as GraphRequest, Response as GraphResponse, ServerError, Value, Variables,
    parser::types::OperationType,
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use super::{
    Gateway, Parts, RequestId, access, document,
    negotiate::{self, MediaType},
    refusal::{self, Refusal},
    session::{self, Session},
    upload::{self, Files},
};
use crate::{explorer, source::Context, write};

/// Letters of an error's message.
const MAX_MESSAGE: usize = 1_000;
/// Errors that one answer shows at most.
const MAX_ERRORS: usize = 10;

/// `GET` and `POST /graphql`.
pub async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .unwrap_or_else(RequestId::random);
    let is_navigation = request.method() == Method::GET
        && request.headers().get(header::UPGRADE).is_none()
        && negotiate::wants_page(request.headers());
    if is_navigation && gateway.0.explorer {
        return explorer::page();
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
    let may_mutate = request.method() == Method::POST;
    let mut response = match read(gateway, request).await? {
        Sent::One(parameters, files) => {
            let prepared = prepare(gateway, parameters, files.as_ref(), may_mutate);
            let outcome = match prepared {
                Ok(prepared) => Ok(run(gateway, &session, prepared, files.as_ref(), id).await),
                Err(refusal) => Err(refusal),
            };
            let mut response = respond(media_type, outcome, id)?;
            // What was done is told, and that the request itself was at fault.
            if files.is_some_and(|files| files.is_malformed()) {
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            response
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
    if let Some(standing) = standing {
        refusal::tell(&standing, response.headers_mut());
    }
    Ok(response)
}

/// What was sent.
enum Sent {
    One(Parameters, Option<Arc<Files>>),
    /// Several operations at once, as some clients' links send them; at least one.
    Batch(Vec<Parameters>),
}

/// What a request says, however it was sent (GraphQL over HTTP 5.1).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    /// Read so that a wrong type is refused; none is known yet.
    extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Parameters {
    fn into_request(self) -> Result<GraphRequest, Refusal> {
        let text = self.query.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Refusal::bad_request("the request has no `query`"))?;
        let mut request = GraphRequest::new(text);
        request.operation_name = self.operation_name;
        if let Some(variables) = self.variables {
            request.variables = Variables::from_json(variables.into());
        }
        Ok(request)
    }
}

async fn read(gateway: &Gateway, request: Request) -> Result<Sent, Refusal> {
    let (head, body) = request.into_parts();
    match head.method {
        Method::GET => {
            let parameters = from_query(head.uri.query().unwrap_or_default())?;
            Ok(Sent::One(parameters, None))
        }
        Method::POST if upload::is_multipart(&head.headers) => {
            let (operations, files) = upload::read(&head.headers, body, &gateway.0.limits).await?;
            Ok(Sent::One(from_json(&operations)?, Some(files)))
        }
        Method::POST => {
            if !negotiate::is_json(&head.headers) {
                return Err(Refusal::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "BAD_USER_INPUT",
                    "send the request as JSON in UTF-8, with `content-type: application/json`, or \
                     files as multipart/form-data",
                ));
            }
            let body = read_body(gateway, &head.headers, body).await?;
            if body.trim_ascii_start().starts_with(b"[") {
                batch(&body, gateway.0.limits.batch).map(Sent::Batch)
            } else {
                Ok(Sent::One(from_json(&body)?, None))
            }
        }
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "the graph is asked with POST, or with GET for queries",
        )),
    }
}

/// Operations sent together.
fn batch(body: &[u8], most: usize) -> Result<Vec<Parameters>, Refusal> {
    // Counted before they are read.
    let all: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|_| Refusal::bad_request("the body is no JSON list of operations"))?;
    if all.is_empty() {
        return Err(Refusal::bad_request("the batch has no operation in it"));
    }
    if all.len() > most {
        let refusal = Refusal::limit("number of operations sent together", all.len(), most);
        return Err(Refusal {
            by_document: false,
            ..refusal
        });
    }
    all.into_iter()
        .map(|own| from_json(own.get().as_bytes()))
        .collect()
}

/// Reads the body within its limits of size and time.
async fn read_body(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let limit = gateway.0.limits.body_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    let too_large = || {
        let announced = announced.map(|length| length as u64);
        Refusal::too_large("the request's body", announced, limit as u64)
    };
    let mut pieces = body.into_data_stream();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let reading = async {
        let mut all = Vec::with_capacity(announced.unwrap_or(1024).min(limit));
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Refusal::bad_request("the request's body broke off"))?;
            if all.len() + piece.len() > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&piece);
        }
        Ok(Bytes::from(all))
    };
    timeout(gateway.0.limits.body_deadline, reading)
        .await
        .map_err(|_| {
            Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "BAD_USER_INPUT",
                "the request's body did not come in time",
            )
        })?
}

fn from_json(body: &[u8]) -> Result<Parameters, Refusal> {
    const WHAT: &str = "the body must be one JSON object with `query`, and optionally \
                        `operationName`, `variables` and `extensions`";
    // A list would do for the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::bad_request(WHAT));
    }
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let parameters: Parameters =
        serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
            let path = error.path().to_string();
            Refusal::bad_request(match path.as_str() {
                "." => WHAT.to_owned(),
                path => format!(
                    "`{}` in the body has the wrong type, or is cut off",
                    refusal::shown(path, 100)
                ),
            })
        })?;
    deserializer
        .end()
        .map_err(|_| Refusal::bad_request("the body goes on after its JSON object"))?;
    Ok(parameters)
}

fn from_query(query: &str) -> Result<Parameters, Refusal> {
    let mut parameters = Parameters {
        query: None,
        operation_name: None,
        variables: None,
        extensions: None,
    };
    let object = |name: &str, text: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(text)
            .map_err(|_| Refusal::bad_request(format!("`{name}` must be a JSON object")))
    };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "query" => parameters.query = Some(value.into_owned()),
            "operationName" if value.is_empty() => {}
            "operationName" => parameters.operation_name = Some(value.into_owned()),
            "variables" => parameters.variables = object("variables", &value)?,
            "extensions" => parameters.extensions = object("extensions", &value)?,
            _ => {}
        }
    }
    Ok(parameters)
}

/// A request whose document is known to be safe.
pub struct Prepared {
    kind: OperationType,
    request: GraphRequest,
    cost: u64,
}

impl Prepared {
    /// What it may cost.
    pub fn cost(&self) -> u64 {
        self.cost
    }
}

/// Limits and parses.
fn prepare(
    gateway: &Gateway,
    parameters: Parameters,
    files: Option<&Arc<Files>>,
    may_mutate: bool,
) -> Result<Prepared, Refusal> {
    let request = parameters.into_request()?;
    let mut prepared = limit(gateway, request)?;
    if prepared.kind != OperationType::Query && !may_mutate {
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "GET is for queries: send mutations with POST",
        ));
    }
    if let Some(files) = files {
        files.put_into(&mut prepared.request.variables)?;
    }
    Ok(prepared)
}

/// Holds a request against every limit, whichever way it came in.
///
/// # Errors
/// A [`Refusal`] that names the limit.
pub fn limit(gateway: &Gateway, mut request: GraphRequest) -> Result<Prepared, Refusal> {
    let Parts { limits, prices, .. } = &*gateway.0;
    let (document, uses) = document::read(&request.query, limits)?;
    if !gateway.0.introspection {
        document::check_introspection(&document)?;
    }
    let operation = document::operation(&document, request.operation_name.as_deref())?;
    let kind = operation.ty;
    document::check_variables(&request.variables, uses, limits)?;
    let cost = document::price(&document, operation, &request.variables, prices, limits)?;
    request.query.clear();
    request.set_parsed_query(document);
    Ok(Prepared {
        kind,
        request,
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
) -> Result<Vec<Result<GraphResponse, Refusal>>, Refusal> {
    let all: Vec<_> = all
        .into_iter()
        .map(|parameters| prepare(gateway, parameters, None, true))
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
    Prepared { kind, request, .. }: Prepared,
    files: Option<&Arc<Files>>,
    id: &RequestId,
) -> GraphResponse {
    let parts = files.map(|files| Arc::clone(files) as Arc<dyn write::Parts>);
    let operation = gateway.operation(kind, parts, session);
    let context = Arc::clone(&operation.context);
    let name = request.operation_name.as_deref().unwrap_or_default();
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
    response
}

/// The operations that a body of JSON holds, for [`super::arbitrary`].
pub fn arbitrary(body: &[u8]) -> Vec<GraphRequest> {
    let one = from_json(body).map(|one| vec![one]);
    let all = one.or_else(|_| batch(body, usize::MAX)).unwrap_or_default();
    let requests = all.into_iter().map(Parameters::into_request);
    requests.flatten().collect()
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

/// Gives every error its code and the request's id, and bounds their number.
fn finish(response: &mut GraphResponse, id: &RequestId) {
    let fallback = if is_request_error(response) {
        "GRAPHQL_VALIDATION_FAILED"
    } else {
        "BAD_USER_INPUT"
    };
    let count = response.errors.len();
    if count > MAX_ERRORS {
        response.errors.truncate(MAX_ERRORS);
        if let Some(last) = response.errors.last_mut() {
            // The path would make it look like one field's.
            last.path.clear();
            last.message = format!("{} more errors are not shown", count - MAX_ERRORS + 1);
        }
    }
    for error in &mut response.errors {
        // The engine repeats whole values.
        if error.message.len() > MAX_MESSAGE {
            error.message = refusal::shown(&error.message, MAX_MESSAGE);
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", fallback);
        }
        extensions.set("requestId", &*id.0);
    }
}

/// Whether nothing was executed at all (parse, validation): then there is no `data`.
fn is_request_error(response: &GraphResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

#[derive(Serialize)]
struct ResponseBody<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ErrorBody<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    locations: &'a [async_graphql::Pos],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    path: &'a [PathSegment],
    extensions: &'a Option<async_graphql::ErrorExtensionValues>,
}

/// Whether the request failed as a whole, and the answer's text.
fn body_of(
    outcome: Result<GraphResponse, Refusal>,
    id: &RequestId,
) -> Result<(bool, Vec<u8>), Refusal> {
    let response = match outcome {
        Ok(response) => response,
        Err(refusal) => {
            refusal.log(id);
            let body = serde_json::json!({ "errors": [refusal.to_json(id)] });
            return Ok((true, body.to_string().into_bytes()));
        }
    };
    let failed = is_request_error(&response);
    let errors: Vec<ErrorBody<'_>> = response.errors.iter().map(error_body).collect();
    let body = ResponseBody {
        errors: &errors,
        data: (!failed).then_some(&response.data),
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "a fault in the gateway: it is in its log",
        )
    })?;
    Ok((failed, bytes))
}

fn respond(
    media_type: MediaType,
    outcome: Result<GraphResponse, Refusal>,
    id: &RequestId,
) -> Result<Response, Refusal> {
    let (failed, body) = match outcome {
        // Not even a request: the answer is plain JSON, whatever was asked for.
        Err(refusal) if !refusal.by_document => return Err(refusal),
        outcome => body_of(outcome, id)?,
    };
    let status = match (media_type, failed) {
        (MediaType::Response, true) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    Ok(written(media_type, status, body))
}

/// The answers to what was sent together, in its order. What was wrong with one is in its place.
fn respond_to_all(
    media_type: MediaType,
    outcomes: Vec<Result<GraphResponse, Refusal>>,
    id: &RequestId,
) -> Result<Response, Refusal> {
    let mut all = vec![b'['];
    for (place, outcome) in outcomes.into_iter().enumerate() {
        if place > 0 {
            all.push(b',');
        }
        all.extend(body_of(outcome, id)?.1);
    }
    all.push(b']');
    Ok(written(media_type, StatusCode::OK, all))
}

fn written(media_type: MediaType, status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type.header());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn error_body(error: &ServerError) -> ErrorBody<'_> {
    ErrorBody {
        message: &error.message,
        locations: &error.locations,
        path: &error.path,
        extensions: &error.extensions,
    }
}
