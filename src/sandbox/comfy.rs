//! Comfy emulated (comfy.md 4, comfy-observed.md), in three dialects: the cloud's published and
//! newest contract, and a self-hosted ComfyUI (here behind a proxy that checks keys, so that
//! authentication is real).

mod list;
mod upload;

use std::collections::{BTreeSet, HashMap};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, head, post},
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json, value::RawValue};

use super::{Shared, files, row::JsonRow, store::ComfyAsset};

/// Which generation of the contract is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A self-hosted ComfyUI 0.33: no zones, nothing null, nested errors, both names of renamed
    /// fields, unknown parameters ignored.
    Local,
    /// The cloud's published contract: old names, flat errors, no content route.
    Published,
    /// The cloud's newest contract: new names, content by redirect to signed storage.
    Newest,
}

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
    let sent = request
        .headers()
        .get("x-api-key")
        .and_then(|value| value.to_str().ok());
    if sent == Some(&shared.credentials.comfy_key) {
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

/// A refusal in the dialect's shape: flat on the cloud, nested on a local server (2).
pub fn refuse(shared: &Shared, status: StatusCode, code: &str, message: &str) -> Response {
    let body = match shared.dialect {
        Dialect::Local => json!({ "error": { "code": code, "message": message, "details": {} } }),
        Dialect::Published | Dialect::Newest => json!({ "code": code, "message": message }),
    };
    (status, Json(body)).into_response()
}

fn not_found(shared: &Shared) -> Response {
    refuse(
        shared,
        StatusCode::NOT_FOUND,
        "ASSET_NOT_FOUND",
        "Asset not found",
    )
}

/// Local routes match hyphenated UUIDs only; anything else is an empty 404 (comfy-observed.md 22).
fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Without a zone, and without a fraction when it is zero, on a local server (comfy-observed.md 1).
fn time(shared: &Shared, microseconds: i64) -> String {
    let Ok(time) = Timestamp::from_microsecond(microseconds) else {
        return String::new();
    };
    if shared.dialect != Dialect::Local {
        return format!("{time:.6}");
    }
    let civil = time.to_zoned(TimeZone::UTC).datetime();
    if microseconds % 1_000_000 == 0 {
        format!("{civil:.0}")
    } else {
        format!("{civil:.6}")
    }
}

pub fn shape(shared: &Shared, asset: &ComfyAsset) -> Box<RawValue> {
    let local = shared.dialect == Dialect::Local;
    let mut row = JsonRow::default();
    // The cloud sends null where a local server leaves the field out (comfy-observed.md 2).
    let optional = |row: &mut JsonRow, name: &str, value: Option<Value>| match value {
        None if local => {}
        value => row.set(name, value.unwrap_or(Value::Null)),
    };
    row.set("id", asset.id.as_str());
    row.set("name", asset.name.as_str());
    row.set("created_at", time(shared, asset.created));
    row.set("updated_at", time(shared, asset.updated));
    optional(
        &mut row,
        "last_access_time",
        asset.last_access.map(|t| json!(time(shared, t))),
    );
    optional(&mut row, "size", asset.size.map(|n| json!(n)));
    optional(
        &mut row,
        "mime_type",
        asset.mime_type.as_ref().map(|t| json!(t)),
    );
    let mut tags = asset.tags.clone();
    tags.sort();
    row.set("tags", json!(tags));
    row.set("user_metadata", Value::Object(asset.user_metadata.clone()));
    let preview_url = asset.has_preview.then(|| {
        let root = asset
            .tags
            .iter()
            .find(|t| ["input", "output"].contains(&t.as_str()));
        json!(format!(
            "/api/view?type={}&filename={}",
            root.map_or("output", String::as_str),
            // A nominated preview's picture stands for a file that is none.
            asset.preview_id.as_ref().unwrap_or(&asset.id)
        ))
    });
    optional(&mut row, "preview_url", preview_url);
    optional(
        &mut row,
        "preview_id",
        asset.preview_id.as_ref().map(|id| json!(id)),
    );
    let hash = asset.hash.as_ref().map(|h| json!(h));
    let job = asset.job_id.as_ref().map(|id| json!(id));
    if shared.dialect != Dialect::Newest {
        optional(&mut row, "asset_hash", hash.clone());
        optional(&mut row, "prompt_id", job.clone());
    }
    if shared.dialect != Dialect::Published {
        optional(&mut row, "hash", hash);
        optional(&mut row, "job_id", job);
        optional(&mut row, "metadata", asset.metadata.clone());
        optional(
            &mut row,
            "loader_path",
            asset.loader_path.as_ref().map(|p| json!(p)),
        );
        optional(&mut row, "display_name", Some(json!(asset.name)));
    }
    row.set("is_immutable", asset.is_immutable && !local);
    row.override_with(&asset.overrides);
    row.into_raw()
}

async fn get_one(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    if !is_uuid(&id) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let store = shared.store.comfy();
    match store.iter().find(|a| a.id == id) {
        Some(asset) => Json(shape(&shared, asset)).into_response(),
        None => not_found(&shared),
    }
}

/// Bytes: streamed without ranges by a local server, 302 to signed storage by the newest cloud,
/// unknown to the published contract (4.10, comfy-observed.md 27).
async fn content(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if shared.dialect == Dialect::Published {
        return (StatusCode::NOT_FOUND, "404: Not Found").into_response();
    }
    let mut store = shared.store.comfy();
    let Some(asset) = store.iter_mut().find(|a| a.id == id) else {
        return not_found(&shared);
    };
    asset.last_access = Some(Timestamp::now().as_microsecond());
    if shared.dialect == Dialect::Newest {
        return redirect(&shared.storage_url(&id));
    }
    let mut response = files::bytes(&asset.file, "original", None);
    let how = match query.get("disposition").map(String::as_str) {
        Some("inline") => "inline",
        _ => "attachment",
    };
    if let Ok(value) = HeaderValue::from_str(&format!("{how}; filename=\"{id}\"")) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn redirect(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The picture of a preview address; knows ranges (comfy-observed.md 27).
async fn view(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(id) = query.get("filename") else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let store = shared.store.comfy();
    match store.iter().find(|a| a.id == *id) {
        Some(_) if shared.dialect != Dialect::Local => redirect(&shared.storage_url(id)),
        Some(asset) => files::bytes(&asset.file, "large", Some(&headers)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Shared {
    /// Signed storage, on another host name than the API's.
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
    let store = shared.store.comfy();
    match store.iter().find(|a| a.id == id) {
        Some(asset) => files::bytes(&asset.file, "original", Some(&headers)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// PUT with PATCH's meaning; `user_metadata` is replaced whole, null means not given (4.7).
async fn update(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let mut store = shared.store.comfy();
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
    let mut store = shared.store.comfy();
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

fn tags_of(body: &Value) -> Vec<String> {
    body.get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.as_str().map(|t| t.trim().to_owned()))
        .filter(|tag| !tag.is_empty())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The tag that a server gives to an asset whose file is lost.
const MISSING: &str = "missing";

/// Replies with what changed and the full list (4.11).
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
    let mut store = shared.store.comfy();
    let Some(asset) = store.iter_mut().find(|a| a.id == id) else {
        return not_found(shared);
    };
    let (present, absent): (Vec<String>, Vec<String>) =
        tags.into_iter().partition(|tag| asset.tags.contains(tag));
    // A server's own tags stay (4.11 (B)).
    let (protected, present): (Vec<String>, Vec<String>) =
        present.into_iter().partition(|tag| !add && tag == MISSING);
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
    let mut total = asset.tags.clone();
    total.sort();
    reply["total_tags"] = json!(total);
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
