//! What a request holds, however it was sent: GET, POST, several at once, or with files.

use std::{pin::pin, sync::Arc};

use async_graphql::{Request as GraphRequest, Variables};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
};
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::server::{
    Gateway,
    document::Wanted,
    negotiate,
    refusal::{self, Refusal},
    upload::{self, Files},
};

/// What was sent.
pub enum Sent {
    /// One operation, as it is written in an address or a body of JSON: for [`Parameters::of`].
    One(Bytes),
    /// One, with files behind it.
    WithFiles(Parameters, Arc<Files>),
    /// Several operations at once, as some clients' links send them; at least one.
    Batch(Vec<Parameters>),
}

/// What a request says, however it was sent (GraphQL over HTTP 5.1).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    query: Option<String>,
    /// GraphQL over HTTP, Persisted Documents; Relay's examples call it `id` or `doc_id`.
    #[serde(alias = "id", alias = "doc_id")]
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Parameters {
    /// What an operation says that is written in an address, or in a body of JSON.
    ///
    /// # Errors
    /// A [`Refusal`] that says what of it is wrong.
    pub fn of(written: &[u8], by_address: bool) -> Result<Self, Refusal> {
        if by_address {
            from_query(written)
        } else {
            from_json(written)
        }
    }
}

/// An operation that somebody asks for.
#[derive(Debug)]
pub struct Asked {
    pub document: Wanted,
    pub operation_name: Option<String>,
    pub variables: Variables,
}

/// `extensions.persistedQuery` (Apollo's protocol of automatic persisted queries).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersistedQuery {
    version: u32,
    sha256_hash: String,
}

impl Asked {
    /// # Errors
    /// For a persisted query of another protocol than version 1.
    pub fn of(parameters: Parameters) -> Result<Self, Refusal> {
        let extensions = parameters.extensions.unwrap_or_default();
        let persisted = extensions
            .get("persistedQuery")
            .filter(|own| !own.is_null());
        let hash = persisted.map(|own| PersistedQuery::deserialize(own).map_err(|_| ()));
        let hash = match hash.transpose() {
            Ok(Some(own)) if own.version == 1 => Some(own.sha256_hash),
            Ok(None) => None,
            Ok(Some(_)) | Err(()) => {
                return Err(Refusal::bad_request(
                    "`extensions.persistedQuery` must be an object with `version` 1 and \
                     `sha256Hash`",
                ));
            }
        };
        let variables = parameters.variables.map(serde_json::Value::Object);
        Ok(Self {
            document: Wanted {
                text: parameters.query.filter(|text| !text.is_empty()),
                hash,
                id: parameters.document_id.filter(|id| !id.is_empty()),
            },
            operation_name: parameters.operation_name.filter(|name| !name.is_empty()),
            variables: variables.map(Variables::from_json).unwrap_or_default(),
        })
    }

    /// What came over a WebSocket, read by the engine.
    ///
    /// # Errors
    /// As [`Asked::of`].
    pub fn over_socket(request: GraphRequest) -> Result<Self, Refusal> {
        let extensions = request.extensions.0.into_iter().map(|(name, value)| {
            // What came as JSON goes as JSON.
            (name, value.into_json().unwrap_or_default())
        });
        let asked = Self::of(Parameters {
            query: Some(request.query),
            operation_name: request.operation_name,
            extensions: Some(extensions.collect()),
            ..Parameters::default()
        })?;
        Ok(Self {
            variables: request.variables,
            ..asked
        })
    }
}

/// What a request holds, within the limits of its way in.
///
/// # Errors
/// A [`Refusal`] for every way in which it is no request.
pub async fn read(gateway: &Gateway, head: &Parts, body: Body) -> Result<Sent, Refusal> {
    match head.method {
        Method::GET => {
            let query = head.uri.query().unwrap_or_default();
            Ok(Sent::One(Bytes::copy_from_slice(query.as_bytes())))
        }
        Method::POST if upload::is_multipart(&head.headers) => {
            let (operations, files) = upload::read(&head.headers, body, &gateway.0.limits).await?;
            Ok(Sent::WithFiles(from_json(&operations)?, files))
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
            if head.headers.contains_key(header::CONTENT_ENCODING) {
                return Err(Refusal::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "BAD_USER_INPUT",
                    "send the request's body as it is, without `content-encoding`",
                ));
            }
            let body = read_body(gateway, &head.headers, body).await?;
            if body.trim_ascii_start().starts_with(b"[") {
                batch(&body, gateway.0.limits.batch).map(Sent::Batch)
            } else {
                Ok(Sent::One(body))
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
        // Without what room it has left: it may be kept.
        Ok(Bytes::from(all.into_boxed_slice()))
    };
    let mut reading = pin!(reading);
    // Small ones come with their headers: no clock is started for them.
    if let Some(read) = (&mut reading).now_or_never() {
        return read;
    }
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
    const WHAT: &str = "the body must be one JSON object with `query` (or `documentId`), and \
                        optionally `operationName`, `variables` and `extensions`";
    // A list would do for the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::bad_request(WHAT));
    }
    // Only where it cannot be read, once more: to tell where.
    if let Ok(parameters) = serde_json::from_slice(body) {
        return Ok(parameters);
    }
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    let parameters: Parameters =
        serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
            let path = error.path().to_string();
            Refusal::bad_request(match path.as_str() {
                "." | "?" => WHAT.to_owned(),
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

fn from_query(query: &[u8]) -> Result<Parameters, Refusal> {
    let mut parameters = Parameters::default();
    let object = |name: &str, text: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(text)
            .map_err(|_| Refusal::bad_request(format!("`{name}` must be a JSON object")))
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

/// The operations that a body of JSON holds, for [`super::arbitrary`].
pub fn arbitrary(body: &[u8]) -> Vec<Asked> {
    let one = from_json(body).map(|one| vec![one]);
    let all = one.or_else(|_| batch(body, usize::MAX)).unwrap_or_default();
    all.into_iter()
        .map(Asked::of)
        .filter_map(Result::ok)
        .collect()
}
