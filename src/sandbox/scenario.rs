//! Emulates Scenario (docs/providers/scenario.md 5): lists paged by token, batch reads, tags as
//! deltas, deletes that report nothing per id.

pub mod answers;
pub mod asset;
mod list;
pub mod seed;
mod shape;
pub mod state;
mod uploads;

use std::collections::{BTreeMap, HashMap};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json, value::RawValue};

use self::{
    answers::{PROJECT, Viewer, page, refuse, texts, uploaded},
    asset::ScenarioAsset,
    state::Shared,
};
use super::files::{self, File};

pub fn router(shared: Shared) -> Router {
    let (uploads, parts) = uploads::routers(&shared);
    let api = Router::new()
        .route("/v1/assets", get(list::list).post(create).delete(delete))
        .route("/v1/assets/public", get(list::list_public))
        .route("/v1/assets/public/{id}", get(get_public))
        .route("/v1/assets/get-bulk", post(get_bulk))
        .route("/v1/assets/restore", post(restore))
        .route("/v1/assets/{id}", get(get_one).put(update))
        .route("/v1/assets/{id}/tags", put(change_tags))
        .route("/v1/search/assets", post(list::search))
        .merge(uploads.with_state(()))
        // The real Scenario's API gateway caps bodies at 10 MB (5.5).
        .layer(DefaultBodyLimit::max(10 * 1024 * 1024))
        .layer(middleware::from_fn_with_state(shared.clone(), authenticate));
    api.route("/files/{rendition}/{id}", get(files::serve))
        .with_state(shared)
        .merge(parts)
}

/// Accepts exactly the three schemes of docs/providers/scenario.md 2.
async fn authenticate(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let credentials = &shared.context;
    let pair = format!("{}:{}", credentials.key, credentials.secret);
    let basic = format!("Basic {}", STANDARD.encode(pair));
    let bearer = format!("Bearer {}", credentials.jwt);
    let authorization = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let viewer = match authorization {
        Some(text) if text == basic || text == bearer => Viewer::Project,
        // The public token allows only reads.
        Some("public-auth-token") if is_read(&request) => Viewer::Public,
        _ => {
            let body = Json(json!({ "message": "Unauthorized" }));
            return (StatusCode::UNAUTHORIZED, body).into_response();
        }
    };
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

fn is_read(request: &Request) -> bool {
    request.method() == axum::http::Method::GET
}

fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "Asset not found")
}

fn asset_response(row: Box<RawValue>) -> Response {
    Json(BTreeMap::from([("asset", row)])).into_response()
}

fn can_see(viewer: Viewer, asset: &ScenarioAsset) -> bool {
    asset.deleted.is_none()
        && (asset.privacy == "public" || (viewer == Viewer::Project && asset.owner_id == PROJECT))
}

async fn get_one(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    axum::Extension(viewer): axum::Extension<Viewer>,
) -> Response {
    let store = shared.assets();
    match store.iter().find(|a| a.id == id && can_see(viewer, a)) {
        Some(asset) => {
            let mut extras = shape::Extras::of(&query);
            // Only the owning project gets it, according to the SDK's docstring.
            extras.quality &= viewer == Viewer::Project && asset.owner_id == PROJECT;
            asset_response(shape::asset(&shared, asset, &extras))
        }
        None => not_found(),
    }
}

async fn get_public(
    state: State<Shared>,
    id: Path<String>,
    query: Query<HashMap<String, String>>,
) -> Response {
    get_one(state, id, query, axum::Extension(Viewer::Public)).await
}

fn ids(body: &Value) -> Option<Vec<String>> {
    body.get("assetIds")?
        .as_array()?
        .iter()
        .map(|id| id.as_str().map(str::to_owned))
        .collect()
}

/// Accepts at most 200 ids, omits unknown ones, and keeps the store's order (5.4).
async fn get_bulk(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    Json(body): Json<Value>,
) -> Response {
    let Some(ids) = ids(&body) else {
        return refuse(StatusCode::BAD_REQUEST, "assetIds is required");
    };
    if ids.is_empty() || ids.len() > 200 {
        return refuse(StatusCode::BAD_REQUEST, "assetIds must have 1 to 200 ids");
    }
    let extras = shape::Extras {
        original: query.get("originalAssets").map(String::as_str) == Some("true"),
        ..Default::default()
    };
    let store = shared.assets();
    let rows: Vec<_> = store
        .iter()
        .filter(|a| ids.contains(&a.id) && can_see(Viewer::Project, a))
        .map(|a| shape::asset(&shared, a, &extras))
        .collect();
    page(&rows, None)
}

/// Updates name and description; the body's other fields concern canvases (5.7).
async fn update(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let mut store = shared.assets();
    let Some(asset) = own_asset(&mut store, &id) else {
        return not_found();
    };
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        asset.name = Some(name.to_owned());
    }
    if let Some(text) = body.get("description").and_then(Value::as_str) {
        asset.description = (!text.is_empty()).then(|| text.to_owned());
    }
    asset.updated = Timestamp::now().as_millisecond();
    asset_response(shape::asset(&shared, asset, &shape::Extras::default()))
}

fn own_asset<'a>(store: &'a mut [ScenarioAsset], id: &str) -> Option<&'a mut ScenarioAsset> {
    store
        .iter_mut()
        .find(|a| a.id == id && a.owner_id == PROJECT && a.deleted.is_none())
}

/// Responds with the changes, not with the full set (5.8).
async fn change_tags(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let strict = body.get("strict").and_then(Value::as_bool) == Some(true);
    let mut store = shared.assets();
    let Some(asset) = own_asset(&mut store, &id) else {
        return not_found();
    };
    let mut added = texts(&body, "add");
    let mut deleted = texts(&body, "delete");
    let conflicts = added.iter().any(|t| asset.tags.contains(t))
        || deleted.iter().any(|t| !asset.tags.contains(t));
    if strict && conflicts {
        return refuse(StatusCode::CONFLICT, "a tag is already set or not set");
    }
    added.retain(|t| !asset.tags.contains(t));
    deleted.retain(|t| asset.tags.contains(t));
    asset.tags.retain(|t| !deleted.contains(t));
    asset.tags.extend(added.iter().cloned());
    asset.updated = Timestamp::now().as_millisecond();
    Json(json!({ "added": added, "deleted": deleted })).into_response()
}

/// Takes a JSON body on DELETE, at most 100 ids; the reply has nothing per id (5.9).
async fn delete(State(shared): State<Shared>, Json(body): Json<Value>) -> Response {
    let Some(ids) = ids(&body).filter(|ids| (1..=100).contains(&ids.len())) else {
        return refuse(StatusCode::BAD_REQUEST, "assetIds must have 1 to 100 ids");
    };
    let now = Timestamp::now().as_millisecond();
    let mut store = shared.assets();
    for asset in store.iter_mut() {
        if ids.contains(&asset.id) && asset.owner_id == PROJECT && asset.deleted.is_none() {
            asset.deleted = Some(now);
        }
    }
    Json(json!({})).into_response()
}

async fn restore(State(shared): State<Shared>, Json(body): Json<Value>) -> Response {
    let Some(ids) = ids(&body).filter(|ids| (1..=100).contains(&ids.len())) else {
        return refuse(StatusCode::BAD_REQUEST, "assetIds must have 1 to 100 ids");
    };
    let mut store = shared.assets();
    let (mut restored, mut skipped) = (Vec::new(), Vec::new());
    for id in ids {
        match store
            .iter_mut()
            .find(|a| a.id == id && a.owner_id == PROJECT)
        {
            Some(asset) if asset.deleted.is_some() => {
                asset.deleted = None;
                // Tags and collections are not restored.
                asset.tags.clear();
                asset.collection_ids.clear();
                restored.push(id);
            }
            Some(_) => skipped.push(json!({ "assetId": id, "reason": "not-deleted" })),
            None => skipped.push(json!({ "assetId": id, "reason": "not-found" })),
        }
    }
    Json(json!({ "restoredAssetIds": restored, "skippedAssets": skipped })).into_response()
}

/// Creates a small picture from base64 or a data URL (5.5); equal bytes make separate assets.
async fn create(State(shared): State<Shared>, Json(body): Json<Value>) -> Response {
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return refuse(StatusCode::BAD_REQUEST, "name is required");
    };
    let Some(text) = body.get("image").and_then(Value::as_str) else {
        return refuse(StatusCode::BAD_REQUEST, "image is required");
    };
    let (declared, encoded) = match text.split_once(";base64,") {
        Some((declared, encoded)) => (declared.trim_start_matches("data:"), encoded),
        None => ("", text),
    };
    let Ok(bytes) = STANDARD.decode(encoded) else {
        return refuse(StatusCode::BAD_REQUEST, "image is not base64");
    };
    let Some(media_type) = picture_type(declared, &bytes) else {
        return refuse(StatusCode::BAD_REQUEST, "image has an unknown format");
    };
    let mut asset = uploaded(&shared, name, &body);
    asset.file = File {
        kind: "image",
        number: 0,
        uploaded: Some((media_type.to_owned(), bytes)),
    };
    let row = shape::asset(&shared, &asset, &shape::Extras::default());
    shared.assets().push(asset);
    asset_response(row)
}

/// Returns a picture's type, if it is one that Scenario takes (5.5). The image library knows
/// neither SVG nor the formats of phones: these are taken as declared, if the bytes look like it.
fn picture_type<'a>(declared: &'a str, bytes: &[u8]) -> Option<&'a str> {
    if let Ok(format) = image::guess_format(bytes) {
        return Some(format.to_mime_type());
    }
    // Without the zeros of UTF-16.
    let letters: Vec<u8> = bytes.iter().filter(|byte| **byte != 0).copied().collect();
    let looks_right = match declared {
        "image/heic" | "image/heif" | "image/avif" => bytes.get(4..8) == Some(b"ftyp"),
        "image/svg+xml" => letters
            .windows(4)
            .any(|tag| tag == b"<svg" || tag == b":svg"),
        _ => false,
    };
    looks_right.then_some(declared)
}
