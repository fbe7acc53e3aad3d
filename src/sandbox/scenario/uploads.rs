//! Emulates `/uploads` (docs/providers/scenario.md 5.6). Clients put parts to signed addresses and
//! complete the upload; processing then advances one state at each poll.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRef, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    answers::{PROJECT, refuse, uploaded},
    shape,
    state::Shared,
};
use crate::sandbox::files::File;

/// The path segment of part addresses; like files, they are outside the API.
const PARTS: &str = "part";
const KINDS: [&str; 8] = [
    "3d", "asset", "audio", "avatar", "image", "model", "text", "video",
];

#[derive(Clone)]
struct Uploads {
    shared: Shared,
    by_id: Arc<Mutex<BTreeMap<String, Upload>>>,
}

impl FromRef<Uploads> for Shared {
    fn from_ref(uploads: &Uploads) -> Self {
        uploads.shared.clone()
    }
}

struct Upload {
    body: Value,
    status: &'static str,
    parts: BTreeMap<u64, Vec<u8>>,
    count: u64,
    entity: Option<String>,
    error: Option<String>,
    created: i64,
}

/// Returns the API's routes and the routes of the signed addresses.
pub fn routers(shared: &Shared) -> (Router, Router) {
    let uploads = Uploads {
        shared: shared.clone(),
        by_id: Arc::default(),
    };
    let api = Router::new()
        .route("/v1/uploads", post(begin))
        .route("/v1/uploads/{id}", get(poll))
        .route("/v1/uploads/{id}/action", post(run_action))
        .with_state(uploads.clone());
    let signed = Router::new()
        .route("/files/part/{id}/{number}", put(put_part))
        .layer(DefaultBodyLimit::max(64 * 1024 * 1024))
        .with_state(uploads);
    (api, signed)
}

impl Uploads {
    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Upload) -> T) -> Option<T> {
        let mut uploads = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.get_mut(id).map(work)
    }

    fn shape(&self, id: &str, upload: &Upload, with_parts: bool) -> Value {
        let mut object = json!({
            "id": id,
            "authorId": "u5e1f",
            "ownerId": PROJECT,
            "createdAt": shape::time(upload.created),
            "updatedAt": shape::time(Timestamp::now().as_millisecond()),
            "fileName": upload.body["fileName"],
            "kind": upload.body["kind"],
            "source": "multipart",
            "status": upload.status,
            "partsCount": upload.count,
        });
        if let Some(entity) = &upload.entity {
            object["entityId"] = json!(entity);
        }
        if let Some(error) = &upload.error {
            object["errorMessage"] = json!(error);
        }
        if with_parts {
            // The contract promises no order, so the parts come in reverse.
            let parts = (1..=upload.count).rev().map(|number| {
                let signed = format!("{id}/{number}");
                json!({
                    "number": number,
                    "url": self.shared.file_url(PARTS, &signed),
                    "expires": shape::time(Timestamp::now().as_millisecond() + 3_600_000),
                })
            });
            object["parts"] = parts.collect();
        }
        json!({ "upload": object })
    }
}

async fn begin(State(uploads): State<Uploads>, Json(body): Json<Value>) -> Response {
    let count = body["parts"].as_u64().unwrap_or(0);
    let kind = body["kind"].as_str().unwrap_or_default();
    let is_complete = body["fileName"].is_string()
        && body["contentType"].is_string()
        && body["fileSize"].as_u64().is_some_and(|size| size > 0);
    if !is_complete || count == 0 || count > 10_000 || !KINDS.contains(&kind) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "fileName, fileSize, contentType, parts and kind are required",
        );
    }
    let mut entries = uploads.by_id.lock().unwrap_or_else(PoisonError::into_inner);
    let id = format!("upload_{:06}", entries.len() + 1);
    let upload = Upload {
        body,
        status: "pending",
        parts: BTreeMap::new(),
        count,
        entity: None,
        error: None,
        created: Timestamp::now().as_millisecond(),
    };
    let answer = uploads.shape(&id, &upload, true);
    entries.insert(id, upload);
    Json(answer).into_response()
}

/// Stores a part's bytes. The address is signed; no credential is needed.
async fn put_part(
    State(uploads): State<Uploads>,
    Path((id, number)): Path<(String, u64)>,
    Query(query): Query<HashMap<String, String>>,
    headers: axum::http::HeaderMap,
    bytes: Bytes,
) -> Response {
    let signed = uploads
        .shared
        .is_signed(PARTS, &format!("{id}/{number}"), &query);
    // A signed address refuses any additional credential.
    if !signed || headers.contains_key(axum::http::header::AUTHORIZATION) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let stored = uploads.with(&id, |upload| {
        upload.parts.insert(number, bytes.to_vec());
    });
    match stored {
        Some(()) => StatusCode::OK.into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn run_action(
    State(uploads): State<Uploads>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if body["action"] != "complete" {
        return refuse(StatusCode::BAD_REQUEST, "unknown action");
    }
    let answer = uploads.with(&id, |upload| {
        let size: usize = upload.parts.values().map(Vec::len).sum();
        if upload.parts.len() as u64 == upload.count
            && Some(size as u64) == upload.body["fileSize"].as_u64()
        {
            upload.status = "complete";
        } else {
            upload.status = "failed";
            upload.error = Some("the parts do not match the announced file".to_owned());
        }
        Json(uploads.shape(&id, upload, false)).into_response()
    });
    answer.unwrap_or_else(|| refuse(StatusCode::NOT_FOUND, "Upload not found"))
}

/// Advances one state at each poll; the last state creates the asset.
async fn poll(State(uploads): State<Uploads>, Path(id): Path<String>) -> Response {
    let answer = uploads.with(&id, |upload| {
        upload.status = match upload.status {
            "complete" => "validating",
            "validating" => "validated",
            "validated" => {
                upload.entity = Some(import(&uploads.shared, upload));
                "imported"
            }
            other => other,
        };
        Json(uploads.shape(&id, upload, false)).into_response()
    });
    answer.unwrap_or_else(|| refuse(StatusCode::NOT_FOUND, "Upload not found"))
}

fn import(shared: &Shared, upload: &Upload) -> String {
    let bytes: Vec<u8> = upload.parts.values().flatten().copied().collect();
    let body = &upload.body;
    let content_type = body["contentType"].as_str().unwrap_or_default().to_owned();
    let name = body["fileName"].as_str().unwrap_or_default();
    let mut asset = uploaded(shared, name, &body["assetOptions"]);
    body["kind"]
        .as_str()
        .unwrap_or("image")
        .clone_into(&mut asset.kind);
    asset.file = File {
        kind: "image",
        number: 0,
        uploaded: Some((content_type, bytes)),
    };
    let id = asset.id.clone();
    shared.assets().push(asset);
    id
}
