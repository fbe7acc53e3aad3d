//! Emulates Comfy (docs/providers/comfy.md 4) in three dialects: the cloud's published and
//! newest contracts, and a self-hosted ComfyUI. The latter runs behind a proxy that checks keys, so
//! that authentication is real.

pub mod asset;
pub mod dialect;
mod list;
pub mod seed;
mod shape;
pub mod state;
mod upload;

use std::collections::HashMap;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, head, post},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::{
    dialect::Dialect,
    shape::{is_uuid, refuse, shape, tags_of},
    state::Shared,
};
use super::files;

pub fn router(shared: Shared) -> Router {
    let api = Router::new()
        .route("/api/assets", get(list::list).post(upload::upload))
        .route("/api/assets/from-hash", post(upload::from_hash))
        .route("/api/assets/hash/{hash}", head(upload::has_hash))
        .route("/api/assets/{id}", get(get_one).put(update).delete(delete))
        .route("/api/assets/{id}/content", get(content))
        .route("/api/assets/{id}/tags", post(add_tags).delete(remove_tags))
        .route("/api/tags", get(list::tags))
        .route("/api/view", get(view))
        .layer(DefaultBodyLimit::max(100 * 1024 * 1024))
        .layer(middleware::from_fn_with_state(shared.clone(), authenticate));
    api.route("/storage/{id}", get(storage)).with_state(shared)
}

async fn authenticate(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let token = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let sent_key = text("x-api-key").or(token);
    if sent_key == Some(&shared.context.key) {
        next.run(request).await
    } else {
        refuse(
            &shared,
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "invalid API key",
        )
    }
}

fn not_found(shared: &Shared) -> Response {
    refuse(
        shared,
        StatusCode::NOT_FOUND,
        "ASSET_NOT_FOUND",
        "Asset not found",
    )
}

async fn get_one(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    if !is_uuid(&id) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let store = shared.assets();
    match store.iter().find(|a| a.id == id) {
        Some(asset) => Json(shape(&shared, asset)).into_response(),
        None => not_found(&shared),
    }
}

/// Serves the bytes. A local server streams them without ranges. The newest cloud redirects (302)
/// to signed storage. The published contract lacks the route (docs/providers/comfy.md 4.10, O27).
async fn content(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if shared.context.dialect == Dialect::Published {
        return (StatusCode::NOT_FOUND, "404: Not Found").into_response();
    }
    let mut store = shared.assets();
    let Some(asset) = store.iter_mut().find(|a| a.id == id) else {
        return not_found(&shared);
    };
    if asset.tags.iter().any(|tag| tag == MISSING) {
        return refuse(
            &shared,
            StatusCode::NOT_FOUND,
            "FILE_NOT_FOUND",
            "the file is missing",
        );
    }
    asset.last_access = Some(Timestamp::now().as_microsecond());
    if shared.context.dialect == Dialect::Newest {
        return redirect(&shared.storage_url(&id));
    }
    let mut response = files::bytes(&asset.file, "original", None);
    let disposition_type = match query.get("disposition").map(String::as_str) {
        Some("inline") => "inline",
        _ => "attachment",
    };
    if let Ok(value) = HeaderValue::from_str(&format!("{disposition_type}; filename=\"{id}\"")) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value);
    }
    as_download(response, &headers)
}

/// Sends an SVG as a download, unless it is requested for an image element (docs/providers/comfy.md,
/// Changed by November 2026).
fn as_download(mut response: Response, request_headers: &HeaderMap) -> Response {
    let is_image = |value: &HeaderValue| value.as_bytes() == b"image";
    let is_svg = |value: &HeaderValue| value.as_bytes() == b"image/svg+xml";
    let is_requested = request_headers.get("sec-fetch-dest").is_some_and(is_image);
    let headers = response.headers_mut();
    if headers.get(header::CONTENT_TYPE).is_some_and(is_svg) && !is_requested {
        for (name, value) in [
            (header::CONTENT_TYPE, "application/octet-stream"),
            (header::CONTENT_DISPOSITION, "attachment"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Serves the picture of a preview address; supports ranges (docs/providers/comfy.md O27).
async fn view(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = query.get("filename") else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let store = shared.assets();
    match store.iter().find(|a| a.id == *id) {
        Some(_) if shared.context.dialect != Dialect::Local => redirect(&shared.storage_url(id)),
        Some(asset) => as_download(files::bytes(&asset.file, "large", Some(&headers)), &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Shared {
    /// Returns a signed storage address, on a host name other than the API's.
    fn storage_url(&self, id: &str) -> String {
        self.file_url("original", id)
            .replace("127.0.0.1", "localhost")
            .replace("/files/original/", "/storage/")
    }
}

async fn storage(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !shared.is_signed("original", &id, &query) {
        return (StatusCode::FORBIDDEN, "AccessDenied").into_response();
    }
    let store = shared.assets();
    match store.iter().find(|a| a.id == id) {
        Some(asset) => files::bytes(&asset.file, "original", Some(&headers)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Handles PUT like PATCH: it replaces all of `user_metadata` and ignores null fields (4.7).
async fn update(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let mut store = shared.assets();
    let Some(asset) = store.iter_mut().find(|a| a.id == id) else {
        return not_found(&shared);
    };
    if asset.is_immutable {
        return refuse(
            &shared,
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            "asset is immutable",
        );
    }
    let (name, metadata) = (body.get("name"), body.get("user_metadata"));
    if name.and_then(Value::as_str).is_none() && metadata.and_then(Value::as_object).is_none() {
        return refuse(
            &shared,
            StatusCode::BAD_REQUEST,
            "INVALID_BODY",
            "nothing to change",
        );
    }
    if let Some(name) = name.and_then(Value::as_str) {
        name.clone_into(&mut asset.name);
    }
    if let Some(metadata) = metadata.and_then(Value::as_object) {
        metadata.clone_into(&mut asset.user_metadata);
    }
    asset.updated = Timestamp::now().as_microsecond();
    Json(shape(&shared, asset)).into_response()
}

async fn delete(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let mut store = shared.assets();
    match store.iter().position(|a| a.id == id) {
        Some(index) if store[index].is_immutable => refuse(
            &shared,
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            "asset is immutable",
        ),
        Some(index) => {
            store.remove(index);
            StatusCode::NO_CONTENT.into_response()
        }
        None => not_found(&shared),
    }
}

/// The tag that a server sets on an asset whose file is lost. Clients can neither add nor remove it
/// (docs/providers/comfy.md, Changed by November 2026).
const MISSING: &str = "missing";
/// A tag that the emulator sets by itself, as a server does from a file's folder.
const AUTOMATIC: &str = "webcam";

/// Adds or removes tags. The reply has the changes and the full list (4.11).
fn change_tags(shared: &Shared, id: &str, body: &Value, add: bool) -> Response {
    let tags = tags_of(body);
    if tags.is_empty() {
        return refuse(
            shared,
            StatusCode::BAD_REQUEST,
            "INVALID_BODY",
            "tags is required",
        );
    }
    if shared.context.dialect != Dialect::Published && tags.iter().any(|tag| tag == MISSING) {
        return refuse(
            shared,
            StatusCode::BAD_REQUEST,
            "SYSTEM_TAG_FORBIDDEN",
            "`missing` is a system tag",
        );
    }
    let mut store = shared.assets();
    let Some(asset) = store.iter_mut().find(|a| a.id == id) else {
        return not_found(shared);
    };
    let (present, absent): (Vec<String>, Vec<String>) =
        tags.into_iter().partition(|tag| asset.tags.contains(tag));
    // Clients cannot remove a server's tags (4.11 (B)).
    let (protected, present): (Vec<String>, Vec<String>) = present
        .into_iter()
        .partition(|tag| !add && tag == AUTOMATIC);
    let mut reply = if add {
        asset.tags.extend(absent.iter().cloned());
        json!({ "added": absent, "already_present": present })
    } else {
        asset.tags.retain(|tag| !present.contains(tag));
        json!({ "removed": present, "not_present": absent })
    };
    if !protected.is_empty() {
        reply["protected"] = json!(protected);
    }
    let mut all_tags = asset.tags.clone();
    all_tags.sort();
    reply["total_tags"] = json!(all_tags);
    Json(reply).into_response()
}

async fn add_tags(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    change_tags(&shared, &id, &body, true)
}

async fn remove_tags(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    change_tags(&shared, &id, &body, false)
}
