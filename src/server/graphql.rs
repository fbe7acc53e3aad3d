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
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use super::{
    Gateway, RequestId, document,
    negotiate::{self, MediaType},
    refusal::Refusal,
    upload::{self, Files},
};
use crate::{explorer, source::Context, write::Parts};

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
            tracing::info!(request.id = %id.0, code = refusal.code, reason = %refusal, "refused");
            refusal.into_response(&id)
        }
    }
}

async fn answer(gateway: &Gateway, request: Request, id: &RequestId) -> Result<Response, Refusal> {
    let media_type = MediaType::of(request.headers())?;
    let may_mutate = request.method() == Method::POST;
    let (parameters, files) = read(gateway, request).await?;
    let outcome = execute(gateway, parameters, files.as_ref(), may_mutate, id).await;
    let mut response = respond(media_type, outcome, id)?;
    // What was done is told, and that the request itself was at fault.
    if files.is_some_and(|files| files.is_malformed()) {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
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

async fn read(
    gateway: &Gateway,
    request: Request,
) -> Result<(Parameters, Option<Arc<Files>>), Refusal> {
    let (head, body) = request.into_parts();
    match head.method {
        Method::GET => Ok((from_query(head.uri.query().unwrap_or_default())?, None)),
        Method::POST if upload::is_multipart(&head.headers) => {
            let (operations, files) = upload::read(&head.headers, body, &gateway.0.limits).await?;
            Ok((from_json(&operations)?, Some(files)))
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
            Ok((from_json(&body)?, None))
        }
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "the graph is asked with POST, or with GET for queries",
        )),
    }
}

/// Reads the body within its limits of size and time.
async fn read_body(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let limit = gateway.0.limits.body_bytes;
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            format!("the request's body is larger than the limit of {limit} bytes"),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
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
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let parameters: Parameters =
        serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
            let path = error.path().to_string();
            Refusal::bad_request(match path.as_str() {
                "." => "the body must be one JSON object with `query`, and optionally \
                        `operationName`, `variables` and `extensions`"
                    .to_owned(),
                path => format!("`{path}` in the body has the wrong type, or is cut off"),
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

/// Limits, parses and executes.
async fn execute(
    gateway: &Gateway,
    parameters: Parameters,
    files: Option<&Arc<Files>>,
    may_mutate: bool,
    id: &RequestId,
) -> Result<GraphResponse, Refusal> {
    let text = parameters
        .query
        .as_deref()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::bad_request("the request has no `query`"))?;
    let document = document::read(text, &gateway.0.limits)?;
    let kind = document::operation_type(&document, parameters.operation_name.as_deref())?;
    if kind != OperationType::Query && !may_mutate {
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "GET is for queries: send mutations with POST",
        ));
    }
    let mut request = GraphRequest::new(String::new());
    request.set_parsed_query(document);
    request.operation_name = parameters.operation_name;
    if let Some(variables) = parameters.variables {
        request.variables = Variables::from_json(variables.into());
    }
    document::check_variables(&request.variables)?;
    if let Some(files) = files {
        files.put_into(&mut request.variables)?;
    }
    Ok(run(gateway, kind, request, files, id).await)
}

/// Executes a request whose document is known to be safe, within the operation's time.
pub async fn run(
    gateway: &Gateway,
    kind: OperationType,
    request: GraphRequest,
    files: Option<&Arc<Files>>,
    id: &RequestId,
) -> GraphResponse {
    let parts = files.map(|files| Arc::clone(files) as Arc<dyn Parts>);
    let operation = gateway.operation(kind, parts);
    let context = Arc::clone(&operation.context);
    let span = tracing::info_span!(
        "graphql",
        request.id = %id.0,
        operation.name = request.operation_name.as_deref().unwrap_or_default(),
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
            let first = response.errors.first().map(|error| error.message.as_str());
            tracing::info!(
                duration_ms,
                errors = response.errors.len(),
                first,
                "answered with errors"
            );
        }
    });
    response
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

fn respond(
    media_type: MediaType,
    outcome: Result<GraphResponse, Refusal>,
    id: &RequestId,
) -> Result<Response, Refusal> {
    let (failed, body) = match outcome {
        Err(refusal) if refusal.by_document => {
            tracing::info!(request.id = %id.0, code = refusal.code, reason = %refusal, "refused");
            let body = serde_json::json!({ "errors": [refusal.to_json(id)] });
            (true, body.to_string().into_bytes())
        }
        Err(refusal) => return Err(refusal),
        Ok(response) => {
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
            (failed, bytes)
        }
    };
    let status = match (media_type, failed) {
        (MediaType::Response, true) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type.header());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

fn error_body(error: &ServerError) -> ErrorBody<'_> {
    ErrorBody {
        message: &error.message,
        locations: &error.locations,
        path: &error.path,
        extensions: &error.extensions,
    }
}
