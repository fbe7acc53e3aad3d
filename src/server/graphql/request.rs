//! Reads GraphQL requests: GET, POST, a batch, or a multipart request with files.

use std::{fmt, pin::pin, sync::Arc};

use async_graphql::{Name, Request as GraphRequest, Value as ConstValue, Variables};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
};
use futures_util::{FutureExt, StreamExt};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::multipart::{self, Files};
use crate::{
    document::{DocumentError, DocumentRef},
    schema::Code,
    server::{
        content_negotiation,
        error::{self, RequestError},
        memory::{self, Memory},
        state::Gateway,
    },
};

/// The operations of an HTTP request.
pub enum RequestBody {
    /// One operation, unparsed: a query string or a JSON body, for [`RequestParams::of`].
    One(Bytes),
    /// One operation with uploaded files.
    WithFiles(RequestParams, Arc<Files>),
    /// A batch of at least one operation, as some clients' links send it.
    Batch(Vec<RequestParams>),
}

/// The parameters of a GraphQL request (GraphQL over HTTP 5.1).
#[derive(Debug, Default)]
pub struct RequestParams {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    /// Unparsed JSON objects: only the needed parts are parsed later.
    variables: Option<Bytes>,
    extensions: Option<Bytes>,
}

/// [`RequestParams`] in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonParams<'a> {
    query: Option<String>,
    /// GraphQL over HTTP, Persisted Documents; Relay's examples call it `id` or `doc_id`.
    #[serde(alias = "id", alias = "doc_id")]
    document_id: Option<String>,
    operation_name: Option<String>,
    #[serde(borrow)]
    variables: Option<RawObject<'a>>,
    #[serde(borrow)]
    extensions: Option<RawObject<'a>>,
}

/// An unparsed JSON object.
struct RawObject<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.starts_with('{') {
            Ok(Self(text))
        } else {
            Err(D::Error::custom("not an object"))
        }
    }
}

impl RequestParams {
    /// Parses the parameters from a query string (`is_get`) or from a JSON body.
    ///
    /// # Errors
    /// A [`RequestError`] that names the malformed part.
    pub fn of(written: &Bytes, is_get: bool) -> Result<Self, RequestError> {
        if is_get {
            from_query(written)
        } else {
            from_json(written)
        }
    }
}

/// An operation that a client requests.
#[derive(Debug)]
pub struct GraphqlRequest {
    pub document: DocumentRef,
    pub operation_name: Option<String>,
    pub variables: RequestVariables,
}

/// The variables of a request.
#[derive(Debug)]
pub enum RequestVariables {
    /// Unparsed JSON.
    Text(Bytes),
    Read(Variables),
}

impl Default for RequestVariables {
    fn default() -> Self {
        Self::Read(Variables::default())
    }
}

impl RequestVariables {
    /// Parses the variables that an operation declares. The others are skipped and take no memory.
    ///
    /// # Errors
    /// A [`RequestError`] if they are not a JSON object, or exceed the memory budget.
    pub fn read(
        self,
        declares: impl Fn(&str) -> bool,
        memory: &mut Memory<'_>,
    ) -> Result<Variables, RequestError> {
        let text = match self {
            Self::Read(mut variables) => {
                let others: Vec<Name> = variables.keys().cloned().collect();
                for name in others.iter().filter(|name| !declares(name)) {
                    variables.remove(name);
                }
                return Ok(variables);
            }
            Self::Text(text) => text,
        };
        let wrong =
            |_| RequestError::bad_request("`variables` is nested too deep, or not a JSON object");
        let mut deserializer = serde_json::Deserializer::from_slice(&text);
        let declared = DeclaredFields(declares);
        let written = declared.deserialize(&mut deserializer).map_err(wrong)?;
        let mut variables = Variables::default();
        for (name, value) in written {
            memory.take(memory::weight_of(value.get().as_bytes()))?;
            let value: ConstValue = serde_json::from_str(value.get()).map_err(wrong)?;
            variables.insert(Name::new(name), value);
        }
        Ok(variables)
    }
}

/// Deserializes only the declared fields of an object, with unparsed values.
struct DeclaredFields<F>(F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for DeclaredFields<F> {
    type Value = Vec<(String, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for DeclaredFields<F> {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if (self.0)(&name) {
                fields.push((name, map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

/// The known entries of `extensions`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions<'a> {
    #[serde(borrow)]
    persisted_query: Option<&'a RawValue>,
}

/// `extensions.persistedQuery` (Apollo's automatic persisted queries protocol).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersistedQuery {
    version: u32,
    sha256_hash: String,
}

impl GraphqlRequest {
    /// # Errors
    /// A [`RequestError`] if `extensions` is malformed, or its `persistedQuery` is not version 1.
    pub fn of(parameters: RequestParams) -> Result<Self, RequestError> {
        let extensions = match &parameters.extensions {
            None => Extensions::default(),
            Some(text) => serde_json::from_slice(text)
                .map_err(|_| RequestError::bad_request("`extensions` must be a JSON object"))?,
        };
        let persisted = extensions.persisted_query;
        let hash = persisted.map(|entry| serde_json::from_str::<PersistedQuery>(entry.get()));
        let hash = match hash.transpose() {
            Ok(Some(entry)) if entry.version == 1 => Some(entry.sha256_hash),
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => {
                return Err(RequestError::bad_request(
                    "`extensions.persistedQuery` must be an object with `version` 1 and \
                     `sha256Hash`",
                ));
            }
        };
        Ok(Self {
            document: DocumentRef {
                text: parameters.query.filter(|text| !text.is_empty()),
                hash,
                id: parameters.document_id.filter(|id| !id.is_empty()),
            },
            operation_name: parameters.operation_name.filter(|name| !name.is_empty()),
            variables: parameters
                .variables
                .map(RequestVariables::Text)
                .unwrap_or_default(),
        })
    }

    /// Converts a request that the engine read from a WebSocket.
    ///
    /// # Errors
    /// A [`RequestError`] as for [`GraphqlRequest::of`].
    pub fn over_socket(request: GraphRequest) -> Result<Self, RequestError> {
        // The extensions came as JSON, so they convert to JSON.
        let extensions = serde_json::to_vec(&request.extensions).unwrap_or_default();
        let converted = Self::of(RequestParams {
            query: Some(request.query),
            operation_name: request.operation_name,
            extensions: Some(extensions.into()),
            ..RequestParams::default()
        })?;
        Ok(Self {
            variables: RequestVariables::Read(request.variables),
            ..converted
        })
    }
}

/// Reads a request within the limits of its transport.
///
/// # Errors
/// A [`RequestError`] for a wrong method or media type, a malformed body, or an exceeded limit.
pub async fn read(
    gateway: &Gateway,
    head: &Parts,
    body: Body,
    memory: &mut Memory<'_>,
) -> Result<RequestBody, RequestError> {
    match head.method {
        Method::GET => {
            let query = head.uri.query().unwrap_or_default();
            Ok(RequestBody::One(Bytes::copy_from_slice(query.as_bytes())))
        }
        Method::POST if multipart::is_multipart(&head.headers) => {
            let (limits, spools) = (&gateway.0.limits, &gateway.0.spools);
            let read = multipart::read(&head.headers, body, limits, spools, memory);
            let (operations, files) = read.await?;
            if operations.trim_ascii_start().starts_with(b"[") {
                return Err(RequestError::bad_request(
                    "`operations` is a list: a batch carries no files. Send each operation with \
                     its files in a separate request",
                ));
            }
            Ok(RequestBody::WithFiles(from_json(&operations)?, files))
        }
        Method::POST => {
            if !content_negotiation::is_json(&head.headers) {
                return Err(RequestError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    Code::BadUserInput,
                    "send the request as JSON in UTF-8, with `content-type: application/json`, or \
                     files as multipart/form-data",
                ));
            }
            let mut codings = head.headers.get_all(header::CONTENT_ENCODING).iter();
            if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
                return Err(RequestError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    Code::BadUserInput,
                    "send the request's body as it is, without `content-encoding`",
                ));
            }
            let body = read_body(gateway, &head.headers, body, memory).await?;
            let body = without_mark(body);
            if body.trim_ascii_start().starts_with(b"[") {
                batch(&body, gateway.0.limits.batch).map(RequestBody::Batch)
            } else {
                Ok(RequestBody::One(body))
            }
        }
        _ => Err(RequestError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::BadUserInput,
            "use POST, or GET for queries",
        )),
    }
}

/// Removes a byte order mark, which a parser may ignore (RFC 8259, 8.1).
fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(b"\xef\xbb\xbf") {
        body.slice(3..)
    } else {
        body
    }
}

/// Parses a batch of operations.
fn batch(body: &Bytes, maximum: usize) -> Result<Vec<RequestParams>, RequestError> {
    // Counts the operations before it parses them.
    let operations: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|_| RequestError::bad_request("the body is not a JSON list of operations"))?;
    if operations.is_empty() {
        return Err(RequestError::bad_request(
            "the batch has no operation in it",
        ));
    }
    if operations.len() > maximum {
        let refusal = RequestError::from(DocumentError::limit(
            "batch",
            "number of operations sent together",
            operations.len() as u64,
            maximum as u64,
        ));
        return Err(RequestError {
            is_document_error: false,
            ..refusal
        });
    }
    operations
        .into_iter()
        .map(|operation| from_json(&body.slice_ref(operation.get().as_bytes())))
        .collect()
}

/// Maximum bytes reserved before a body arrives: an announced body may never arrive.
const INITIAL_CAPACITY: usize = 16 * 1024;

/// Reads the body within its limits of size, time and memory.
async fn read_body(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
    memory: &mut Memory<'_>,
) -> Result<Bytes, RequestError> {
    let limit = gateway.0.limits.body_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    let too_large = || {
        let announced = announced.map(|length| length as u64);
        RequestError::too_large("body_bytes", "the request's body", announced, limit as u64)
    };
    let mut pieces = body.into_data_stream();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let reading = async {
        let mut bytes =
            Vec::with_capacity(announced.unwrap_or(1024).min(limit).min(INITIAL_CAPACITY));
        while let Some(piece) = pieces.next().await {
            let piece =
                piece.map_err(|_| RequestError::bad_request("the request's body broke off"))?;
            if bytes.len() + piece.len() > limit {
                return Err(too_large());
            }
            memory.take(piece.len())?;
            bytes.extend_from_slice(&piece);
        }
        // Drops the spare capacity, because the body may be cached.
        Ok(Bytes::from(bytes.into_boxed_slice()))
    };
    let mut reading = pin!(reading);
    // Small bodies arrive with their headers, so they need no timer.
    if let Some(read) = (&mut reading).now_or_never() {
        return read;
    }
    timeout(gateway.0.limits.body_deadline, reading)
        .await
        .map_err(|_| {
            RequestError::new(
                StatusCode::REQUEST_TIMEOUT,
                Code::BadUserInput,
                "the request's body did not arrive in time",
            )
        })?
}

fn from_json(body: &Bytes) -> Result<RequestParams, RequestError> {
    const WHAT: &str = "the body must be one JSON object with `query` (or `documentId`), and \
                        optionally `operationName`, `variables` and `extensions`";
    // Serde would also accept a list of the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(RequestError::bad_request(WHAT));
    }
    let to_params = |written: JsonParams<'_>| {
        let part = |object: RawObject<'_>| body.slice_ref(object.0.as_bytes());
        RequestParams {
            query: written.query,
            document_id: written.document_id,
            operation_name: written.operation_name,
            variables: written.variables.map(part),
            extensions: written.extensions.map(part),
        }
    };
    // Parses an invalid body a second time, to find the path of the error.
    if let Ok(written) = serde_json::from_slice(body) {
        return Ok(to_params(written));
    }
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let written: JsonParams<'_> =
        serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
            let path = error.path().to_string();
            RequestError::bad_request(match path.as_str() {
                "." | "?" => WHAT.to_owned(),
                path => format!(
                    "`{}` in the body has the wrong type, or is cut off",
                    error::excerpt(path, 100)
                ),
            })
        })?;
    deserializer
        .end()
        .map_err(|_| RequestError::bad_request("the body goes on after its JSON object"))?;
    Ok(to_params(written))
}

fn from_query(query: &[u8]) -> Result<RequestParams, RequestError> {
    let mut parameters = RequestParams::default();
    let object = |name: &str, text: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        match serde_json::from_str::<Option<RawObject<'_>>>(text) {
            Ok(parsed) => Ok(parsed.map(|parsed| Bytes::copy_from_slice(parsed.0.as_bytes()))),
            Err(_) => Err(RequestError::bad_request(format!(
                "`{name}` must be a JSON object"
            ))),
        }
    };
    for (name, value) in url::form_urlencoded::parse(query) {
        match &*name {
            "query" => parameters.query = Some(value.into_owned()),
            "documentId" | "id" | "doc_id" => parameters.document_id = Some(value.into_owned()),
            "operationName" => parameters.operation_name = Some(value.into_owned()),
            "variables" => parameters.variables = object("variables", &value)?,
            "extensions" => parameters.extensions = object("extensions", &value)?,
            _ => {}
        }
    }
    Ok(parameters)
}

/// Returns the valid operations of a JSON body, for [`crate::server::fuzz_entry`].
pub fn operations_of_body(body: &[u8]) -> Vec<GraphqlRequest> {
    let body = &Bytes::copy_from_slice(body);
    let single = from_json(body).map(|single| vec![single]);
    let operations = single
        .or_else(|_| batch(body, usize::MAX))
        .unwrap_or_default();
    operations
        .into_iter()
        .map(GraphqlRequest::of)
        .filter_map(Result::ok)
        .collect()
}
