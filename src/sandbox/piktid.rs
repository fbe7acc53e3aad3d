//! Emulates PiktID (docs/providers/piktid.md 4): page numbers, empty error bodies, presigned
//! uploads, at most three bulk deletes a second.

pub mod asset;
pub mod seed;
pub mod state;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use jiff::Timestamp;
use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;

use self::{asset::PiktidAsset, state::Shared};
use super::{
    files::{self, File},
    row::JsonRow,
};

/// The user that the sandbox's token belongs to.
pub const USER: &str = "ada";
const TAGS: [&str; 4] = ["model", "product", "background", "other"];

#[derive(Clone)]
struct Piktid {
    shared: Shared,
    /// Times of the latest bulk deletes, for the limit of three a second (2).
    bulk_deletes: Arc<Mutex<VecDeque<Instant>>>,
}

impl axum::extract::FromRef<Piktid> for Shared {
    fn from_ref(piktid: &Piktid) -> Self {
        piktid.shared.clone()
    }
}

pub fn router(shared: Shared) -> Router {
    let piktid = Piktid {
        shared,
        bulk_deletes: Arc::default(),
    };
    let api = Router::new()
        .route("/assets", get(list))
        .route("/assets/bulk-delete", post(bulk_delete))
        .route("/assets/{id}", get(get_one).delete(delete))
        .route("/assets/{id}/tags", patch(set_tags))
        .route("/assets/{id}/note", patch(set_note))
        .route("/upload", post(upload))
        .layer(middleware::from_fn_with_state(piktid.clone(), authenticate));
    api.route("/files/{rendition}/{id}", get(files::serve).put(receive))
        .layer(DefaultBodyLimit::max(100 * 1024 * 1024))
        .with_state(piktid)
}

/// Answers a wrong token with an empty 401 (2).
async fn authenticate(State(piktid): State<Piktid>, request: Request, next: Next) -> Response {
    let expected = format!("Bearer {}", piktid.shared.context.token);
    let authorization = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if authorization == Some(&expected) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// Returns PiktID's only documented error body (2).
fn invalid(field: &str, message: &str, position: &str) -> Response {
    let body = json!({
        "error": "Invalid request",
        "detail": [{ "field": field, "message": message, "position": position }],
    });
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

fn shape(shared: &Shared, asset: &PiktidAsset) -> Box<RawValue> {
    let mut row = JsonRow::default();
    row.set("id", asset.id.as_str());
    row.set("filename", asset.filename.as_str());
    row.set("url", shared.file_url("original", &asset.id));
    row.set("created_at", time(asset.created));
    row.set("created_by", asset.created_by.as_str());
    row.set("tags", json!(asset.tags));
    row.set("visibility", asset.visibility.as_str());
    let thumbnail = |size: &str| {
        if asset.has_thumbnails {
            json!(shared.file_url(size, &asset.id))
        } else {
            Value::Null
        }
    };
    row.set("thumbnail_small", thumbnail("small"));
    row.set("thumbnail_big", thumbnail("large"));
    row.set("styling_note", json!(asset.styling_note));
    row.set("detected", json!(asset.detected));
    row.set("dimensions", json!(asset.dimensions));
    row.override_with(&asset.overrides);
    row.into_raw()
}

/// Formats a time like `2025-01-16T11:19:41.579123+00:00`.
fn time(microseconds: i64) -> String {
    Timestamp::from_microsecond(microseconds)
        .map(|t| format!("{t:.6}").replace('Z', "+00:00"))
        .unwrap_or_default()
}

async fn list(
    State(shared): State<Shared>,
    Query(params): Query<HashMap<String, String>>,
) -> Response {
    let get = |name: &str| params.get(name).map(String::as_str);
    let page: usize = match get("page").map(str::parse) {
        None => 1,
        Some(Ok(page @ 1..)) => page,
        Some(_) => return invalid("page", "must be 1 or more", "query"),
    };
    let per_page: usize = match get("per_page").map(str::parse) {
        None => 20,
        Some(Ok(size @ 1..=100)) => size,
        Some(_) => return invalid("per_page", "must be 1 to 100", "query"),
    };
    let ascending = match get("order") {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return invalid("order", "must be asc or desc", "query"),
    };
    let by_name = match get("sort_by") {
        None | Some("created_at") => false,
        Some("filename") => true,
        Some(_) => return invalid("sort_by", "must be created_at or filename", "query"),
    };
    let tags = |name: &str| -> Vec<String> {
        get(name)
            .map(|csv| csv.split(',').map(str::to_owned).collect())
            .unwrap_or_default()
    };
    let (include, exclude) = (tags("include_tags"), tags("exclude_tags"));
    for (name, tags) in [("include_tags", &include), ("exclude_tags", &exclude)] {
        if tags.iter().any(|tag| !TAGS.contains(&tag.as_str())) {
            return invalid(name, "allowed: model, product, background, other", "query");
        }
    }
    let mut bounds = [None, None];
    for (bound, name) in bounds.iter_mut().zip(["created_after", "created_before"]) {
        if let Some(text) = get(name) {
            match text.parse::<Timestamp>() {
                Ok(time) => *bound = Some(time.as_microsecond()),
                Err(_) => return invalid(name, "not an ISO 8601 time", "query"),
            }
        }
    }
    let [after, before] = bounds;
    let store = shared.assets();
    let mut rows: Vec<&PiktidAsset> = store
        .iter()
        .filter(|a| match get("ownership") {
            Some("mine") => a.created_by == USER,
            // `shared` includes teammates' assets beside the user's (3).
            Some("shared") => a.visibility == "shared",
            Some("default") => a.visibility == "default",
            _ => true,
        })
        .filter(|a| get("created_by").is_none_or(|name| a.created_by == name))
        .filter(|a| after.is_none_or(|bound| a.created >= bound))
        .filter(|a| before.is_none_or(|bound| a.created <= bound))
        .filter(|a| include.iter().all(|tag| a.tags.contains(tag)))
        .filter(|a| !exclude.iter().any(|tag| a.tags.contains(tag)))
        .filter(|a| {
            get("search").is_none_or(|text| {
                let text = text.to_lowercase();
                let project = a.project.as_deref().unwrap_or_default();
                a.filename.to_lowercase().contains(&text)
                    || project.to_lowercase().contains(&text)
                    || a.tags.iter().any(|tag| tag.contains(&text))
            })
        })
        .collect();
    rows.sort_by(|a, b| {
        let order = if by_name {
            (&a.filename, &a.id).cmp(&(&b.filename, &b.id))
        } else {
            (a.created, &a.id).cmp(&(b.created, &b.id))
        };
        if ascending { order } else { order.reverse() }
    });
    let total = rows.len();
    let pages = total.div_ceil(per_page);
    let body = Body {
        pagination: json!({
            "page": page, "per_page": per_page, "total": total, "pages": pages,
            "has_next": page < pages, "has_prev": page > 1,
        }),
        assets: rows
            .into_iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .map(|a| shape(&shared, a))
            .collect(),
    };
    Json(body).into_response()
}

#[derive(serde::Serialize)]
struct Body {
    pagination: Value,
    assets: Vec<Box<RawValue>>,
}

async fn get_one(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let store = shared.assets();
    match store.iter().find(|a| a.id == id) {
        Some(asset) => Json(shape(&shared, asset)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Runs `change` on an asset of the user; 403 for other users' assets, 404 for unknown ids.
fn change(shared: &Shared, id: &str, change: impl FnOnce(&mut PiktidAsset)) -> Response {
    let mut store = shared.assets();
    match store.iter_mut().find(|a| a.id == id) {
        Some(asset) if asset.created_by == USER => {
            change(asset);
            Json(json!({ "success": true, "message": "updated" })).into_response()
        }
        Some(_) => StatusCode::FORBIDDEN.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Replaces the tag set (4.4).
async fn set_tags(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let tags: Option<Vec<String>> = body.get("tags").and_then(Value::as_array).and_then(|list| {
        list.iter()
            .map(|tag| tag.as_str().map(str::to_owned))
            .collect()
    });
    match tags {
        Some(tags) if tags.len() <= 10 && tags.iter().all(|t| TAGS.contains(&t.as_str())) => {
            change(&shared, &id, |asset| {
                asset.tags = tags;
                asset.tags.sort();
                asset.tags.dedup();
            })
        }
        _ => invalid(
            "tags",
            "0 to 10 of model, product, background, other",
            "body",
        ),
    }
}

async fn set_note(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let note = body
        .get("styling_note")
        .and_then(Value::as_str)
        .map(str::to_owned);
    change(&shared, &id, |asset| {
        asset.styling_note = note.filter(|text| !text.is_empty());
    })
}

async fn delete(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let response = change(&shared, &id, |_| {});
    if response.status().is_success() {
        shared.assets().retain(|a| a.id != id);
    }
    response
}

/// Puts ids that the user does not own in `failed_ids` (4.7); refuses a fourth call in a second.
async fn bulk_delete(State(piktid): State<Piktid>, Json(body): Json<Value>) -> Response {
    let now = Instant::now();
    let too_many = {
        let mut recent = piktid
            .bulk_deletes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while recent
            .front()
            .is_some_and(|t| now - *t >= Duration::from_secs(1))
        {
            recent.pop_front();
        }
        recent.push_back(now);
        recent.len() > 3
    };
    if too_many {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let mut ids: Vec<String> = body
        .get("asset_ids")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    if ids.is_empty() || ids.len() > 100 {
        return invalid("asset_ids", "1 to 100 ids", "body");
    }
    let mut store = piktid.shared.assets();
    let is_owned = |id: &String| store.iter().any(|a| a.id == *id && a.created_by == USER);
    ids.sort();
    ids.dedup();
    let (deleted, failed): (Vec<String>, Vec<String>) = ids.into_iter().partition(is_owned);
    store.retain(|a| !deleted.contains(&a.id));
    Json(json!({ "deleted_count": deleted.len(), "failed_ids": failed })).into_response()
}

/// Creates the asset and returns a presigned address for its bytes (4.3).
async fn upload(State(shared): State<Shared>, Json(body): Json<Value>) -> Response {
    let now = Timestamp::now().as_microsecond();
    let mut store = shared.assets();
    let digest = blake3::hash(format!("{now}{}", store.len()).as_bytes()).to_hex();
    let uuid = |digits: &str| {
        format!(
            "{}-{}-4{}-8{}-{}",
            &digits[..8],
            &digits[8..12],
            &digits[12..15],
            &digits[15..18],
            &digits[18..30]
        )
    };
    let id = uuid(&digest[..32]);
    let filename = body
        .get("filename")
        .and_then(Value::as_str)
        .map_or_else(|| uuid(&digest[32..]), str::to_owned);
    let content_type = match filename
        .rsplit_once('.')
        .map(|(_, e)| e.to_ascii_lowercase())
    {
        Some(e) if e == "png" => "image/png",
        Some(e) if e == "jpg" || e == "jpeg" => "image/jpeg",
        Some(e) if e == "webp" => "image/webp",
        _ => "application/octet-stream",
    };
    store.push(PiktidAsset {
        id: id.clone(),
        filename: filename.clone(),
        created: now,
        created_by: USER.to_owned(),
        visibility: "private".to_owned(),
        file: File {
            kind: "image",
            number: 0,
            uploaded: Some((content_type.to_owned(), Vec::new())),
        },
        ..Default::default()
    });
    Json(json!({
        "upload_url": shared.file_url("upload", &id),
        "download_url": shared.file_url("original", &id),
        "file_id": id, "filename": filename, "content_type": content_type,
    }))
    .into_response()
}

/// Handles the presigned PUT: no Authorization; the content type must be the signed one.
async fn receive(
    State(shared): State<Shared>,
    Path((rendition, id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let sent_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let mut store = shared.assets();
    let Some(asset) = store.iter_mut().find(|a| a.id == id) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let signed = shared.is_signed("upload", &id, &query) && rendition == "upload";
    match &mut asset.file.uploaded {
        Some((content_type, slot)) if signed && sent_type == Some(content_type) => {
            *slot = bytes.to_vec();
            StatusCode::OK.into_response()
        }
        _ => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch").into_response(),
    }
}
