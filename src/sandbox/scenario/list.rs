//! `GET /assets`, `GET /assets/public` and `POST /search/assets` (docs/providers/scenario.md 5.1,
//! 5.2, 5.12).

use std::collections::HashMap;

use axum::{
    Extension, Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    answers::{PROJECT, Viewer, page, refuse},
    asset::ScenarioAsset,
    shape,
    state::Shared,
};

type Params = HashMap<String, String>;

const ALLOWED: [&str; 22] = [
    "pageSize",
    "paginationToken",
    "createdAfter",
    "createdBefore",
    "updatedAfter",
    "updatedBefore",
    "sortBy",
    "sortDirection",
    "privacy",
    "modelId",
    "inferenceId",
    "authorId",
    "collectionId",
    "parentAssetId",
    "rootAssetId",
    "tags",
    "type",
    "types",
    "originalAssets",
    "projectId",
    "teamId",
    "deleted",
];

/// The parameters that `deleted` may be combined with (5.1).
const ALLOWED_WITH_DELETED: [&str; 6] = [
    "deleted",
    "originalAssets",
    "pageSize",
    "paginationToken",
    "projectId",
    "teamId",
];

pub async fn list(
    State(shared): State<Shared>,
    Extension(viewer): Extension<Viewer>,
    Query(params): Query<Params>,
) -> Response {
    answer(&shared, viewer, &params)
}

pub async fn list_public(State(shared): State<Shared>, Query(params): Query<Params>) -> Response {
    answer(&shared, Viewer::Public, &params)
}

fn answer(shared: &Shared, viewer: Viewer, params: &Params) -> Response {
    match Listing::of(shared, params) {
        Ok(listing) => listing.answer(shared, viewer, params),
        Err(reason) => refuse(StatusCode::BAD_REQUEST, &reason),
    }
}

/// The validated part of a list call's parameters.
struct Listing {
    deleted: bool,
    by_update: bool,
    ascending: bool,
    size: usize,
    after: Option<i64>,
    before: Option<i64>,
    /// Time and id of the previous page's last row.
    resume: Option<(i64, String)>,
}

impl Listing {
    fn of(shared: &Shared, params: &Params) -> Result<Self, String> {
        let get = |name: &str| params.get(name).map(String::as_str);
        if let Some(unknown) = params.keys().find(|name| !ALLOWED.contains(&name.as_str())) {
            // The real API's response is unknown; this error exposes a misspelled parameter.
            return Err(format!("unknown parameter {unknown}"));
        }
        let by_update = match get("sortBy") {
            None | Some("createdAt") => false,
            Some("updatedAt") => true,
            Some(_) => return Err("sortBy must be createdAt or updatedAt".to_owned()),
        };
        let ascending = match get("sortDirection") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err("sortDirection must be asc or desc".to_owned()),
        };
        let size = match get("pageSize").map(str::parse) {
            None => 50,
            Some(Ok(size @ 1..=100)) => size,
            Some(_) => return Err("pageSize must be 1 to 100".to_owned()),
        };
        let deleted = get("deleted") == Some("true");
        let is_conflicting = |name: &&String| !ALLOWED_WITH_DELETED.contains(&name.as_str());
        if let Some(other) = params.keys().find(is_conflicting).filter(|_| deleted) {
            return Err(format!("deleted cannot be combined with {other}"));
        }
        if get("type").is_some() && get("types").is_some() {
            return Err("type and types cannot be used together".to_owned());
        }
        let sorted_by = get("sortBy").unwrap_or_default();
        let bound = |name: &str, needs: &str| -> Result<Option<i64>, String> {
            let Some(text) = get(name) else {
                return Ok(None);
            };
            if sorted_by != needs {
                return Err(format!("{name} requires sortBy={needs}"));
            }
            text.parse::<jiff::Timestamp>()
                .map(|t| Some(t.as_millisecond()))
                .map_err(|_| format!("{name} is not an ISO date"))
        };
        let created = (
            bound("createdAfter", "createdAt")?,
            bound("createdBefore", "createdAt")?,
        );
        let updated = (
            bound("updatedAfter", "updatedAt")?,
            bound("updatedBefore", "updatedAt")?,
        );
        let (after, before) = if by_update { updated } else { created };
        let resume = match get("paginationToken") {
            None => None,
            Some(token) => Some(open_token(shared, token).ok_or("invalid paginationToken")?),
        };
        Ok(Self {
            deleted,
            by_update,
            ascending,
            size,
            after,
            before,
            resume,
        })
    }

    fn time(&self, asset: &ScenarioAsset) -> i64 {
        if self.deleted {
            // Deleted assets sort by deletion, newest first (5.1).
            asset.deleted.unwrap_or_default()
        } else if self.by_update {
            asset.updated
        } else {
            asset.created
        }
    }

    fn answer(&self, shared: &Shared, viewer: Viewer, params: &Params) -> Response {
        let store = shared.assets();
        let mut rows: Vec<&ScenarioAsset> = store
            .iter()
            .filter(|a| fits(a, viewer, params))
            // Both bounds are exclusive (5.1).
            .filter(|a| self.after.is_none_or(|bound| self.time(a) > bound))
            .filter(|a| self.before.is_none_or(|bound| self.time(a) < bound))
            .collect();
        // Ties follow the provider's order: by id, descending.
        rows.sort_by(|a, b| {
            let newest_first = (self.time(b), &b.id).cmp(&(self.time(a), &a.id));
            if self.ascending {
                newest_first.reverse()
            } else {
                newest_first
            }
        });
        // A token resumes after a key, not at an index.
        if let Some((time, id)) = &self.resume {
            rows.retain(|a| {
                let order = (self.time(a), a.id.as_str()).cmp(&(*time, id.as_str()));
                if self.ascending {
                    order.is_gt()
                } else {
                    order.is_lt()
                }
            });
        }
        let has_more = rows.len() > self.size;
        rows.truncate(self.size);
        let token = rows
            .last()
            .filter(|_| has_more)
            .map(|last| make_token(shared, self.time(last), &last.id));
        let extras = shape::Extras::of(
            &params
                .iter()
                .filter(|(n, _)| *n == "originalAssets")
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        );
        let rows: Vec<_> = rows
            .into_iter()
            .map(|a| shape::asset(shared, a, &extras))
            .collect();
        page(&rows, token)
    }
}

fn fits(asset: &ScenarioAsset, viewer: Viewer, params: &Params) -> bool {
    let get = |name: &str| params.get(name).map(String::as_str);
    if asset.deleted.is_some() != (get("deleted") == Some("true")) {
        return false;
    }
    // `privacy=public` lists the public assets of all accounts (5.1).
    let public = viewer == Viewer::Public || get("privacy") == Some("public");
    if public {
        if asset.privacy != "public" {
            return false;
        }
    } else if asset.owner_id != PROJECT || get("privacy").is_some_and(|p| p != asset.privacy) {
        return false;
    }
    let matches = |name: &str, value: Option<&str>| get(name).is_none_or(|arg| value == Some(arg));
    let types: Option<Vec<&str>> = get("type")
        .map(|single| vec![single])
        .or_else(|| get("types").map(|csv| csv.split(',').collect()));
    // Tags filter public assets only; other lists ignore them (5.1).
    let tags_match = !public
        || get("tags").is_none_or(|tags| {
            tags.split(',')
                .all(|t| asset.tags.iter().any(|item| item == t))
        });
    tags_match
        && matches("modelId", asset.model_id.as_deref())
        && matches("inferenceId", asset.inference_id.as_deref())
        && matches("authorId", Some(&asset.author_id))
        && matches("parentAssetId", asset.parent.as_deref())
        && matches("rootAssetId", asset.root.as_deref())
        && get("collectionId").is_none_or(|id| asset.collection_ids.iter().any(|item| item == id))
        && types.is_none_or(|types| types.contains(&asset.asset_type.as_str()))
}

/// Makes an opaque token that cannot be forged: a keyed hash and the resume position.
fn make_token(shared: &Shared, time: i64, id: &str) -> String {
    let plain = format!("{time}|{id}");
    let mac = blake3::keyed_hash(&shared.key, plain.as_bytes()).to_hex();
    URL_SAFE_NO_PAD.encode(format!("{}|{plain}", &mac[..16]))
}

fn open_token(shared: &Shared, token: &str) -> Option<(i64, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (mac, plain) = text.split_once('|')?;
    let expected = blake3::keyed_hash(&shared.key, plain.as_bytes()).to_hex();
    if mac != &expected[..16] {
        return None;
    }
    let (time, id) = plain.split_once('|')?;
    Some((time.parse().ok()?, id.to_owned()))
}

/// The fields that a search body may have (5.12).
const SEARCH_FIELDS: [&str; 12] = [
    "query",
    "filter",
    "image",
    "images",
    "imageSemanticRatio",
    "querySemanticRatio",
    "limit",
    "offset",
    "page",
    "hitsPerPage",
    "sortBy",
    "public",
];

/// Searches words in name, prompt, description and tags; hits are not assets (5.12).
pub async fn search(
    State(shared): State<Shared>,
    Query(params): Query<Params>,
    Json(body): Json<Value>,
) -> Response {
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let criteria = ["query", "filter", "image", "images"];
    if criteria.iter().all(|name| body.get(name).is_none()) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "query, filter, image or images is required",
        );
    }
    // The official client pages by query `offset`; its body stays the same (5.12).
    let number = |name: &str| {
        let in_query = params.get(name).and_then(|text| text.parse().ok());
        in_query.or_else(|| usize::try_from(body.get(name)?.as_u64()?).ok())
    };
    if let Some(unknown) = body.as_object().and_then(|obj| {
        obj.keys()
            .find(|name| !SEARCH_FIELDS.contains(&name.as_str()))
    }) {
        return refuse(StatusCode::BAD_REQUEST, &format!("unknown field {unknown}"));
    }
    let public = body.get("public").and_then(Value::as_bool) == Some(true);
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let store = shared.assets();
    let mut found: Vec<&ScenarioAsset> = store
        .iter()
        .filter(|a| a.deleted.is_none())
        .filter(|a| {
            if public {
                a.privacy == "public"
            } else {
                a.owner_id == PROJECT
            }
        })
        .filter(|a| {
            let prompt = a.metadata.get("prompt").and_then(Value::as_str);
            let text = format!(
                "{} {} {} {}",
                a.name.as_deref().unwrap_or_default(),
                prompt.unwrap_or_default(),
                a.description.as_deref().unwrap_or_default(),
                a.tags.join(" ")
            )
            .to_lowercase();
            words.iter().all(|word| text.contains(word))
        })
        .collect();
    // Semantic ranking has no time order: `sortBy` needs `querySemanticRatio` to be 0 (5.12).
    let ratio = |name: &str| body.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let sort = body.pointer("/sortBy/0").and_then(Value::as_str);
    match sort.filter(|_| ratio("querySemanticRatio") == 0.0) {
        Some("createdAt:desc") => found.sort_by_key(|a| std::cmp::Reverse((a.created, &a.id))),
        Some("createdAt:asc") => found.sort_by_key(|a| (a.created, &a.id)),
        None => {}
        Some(_) => return refuse(StatusCode::BAD_REQUEST, "unknown sortBy value"),
    }
    let per_page = number("hitsPerPage")
        .or_else(|| number("limit"))
        .unwrap_or(20);
    let offset = match number("page") {
        Some(page) => page.saturating_sub(1) * per_page,
        None => number("offset").unwrap_or(0),
    };
    let hits: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(per_page)
        .map(|a| {
            let mut metadata = json!({ "kind": a.kind, "type": a.source });
            if let Some(name) = &a.name {
                metadata["name"] = name.as_str().into();
            }
            json!({
                "id": a.id, "authorId": a.author_id, "ownerId": a.owner_id, "teamId": "team_sandbox",
                "collectionIds": a.collection_ids, "createdAt": shape::time(a.created),
                "updatedAt": shape::time(a.updated), "mimeType": shape::media(&a.file).0, "nsfw": [],
                "privacy": a.privacy, "tags": a.tags, "url": shared.file_url("original", &a.id),
                "metadata": metadata,
            })
        })
        .collect();
    // The estimate may exceed the real total (5.12).
    let estimate = found.len() + found.len().div_ceil(4);
    Json(json!({ "hits": hits, "offset": offset, "estimatedTotalHits": estimate })).into_response()
}
