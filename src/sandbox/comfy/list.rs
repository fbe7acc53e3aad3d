//! `GET /api/assets` and `GET /api/tags` (docs/providers/comfy.md 4.1, 4.12, O13 to O18).

use std::{cmp::Ordering, collections::BTreeMap};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json, value::RawValue};

use super::{
    asset::ComfyAsset,
    dialect::Dialect,
    shape::{refuse, shape},
    state::Shared,
};

/// The validated parameters of a list call. Parsing ignores names that the dialect lacks.
struct Listing {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
    name: Option<String>,
    metadata: Option<Value>,
    limit: usize,
    offset: usize,
    sort: String,
    ascending: bool,
    include_public: bool,
    hash: Option<String>,
    after: Option<String>,
}

type Refusal = (&'static str, String);

impl Listing {
    fn of(shared: &Shared, query: &str) -> Result<Self, Refusal> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let get = |name: &str| {
            pairs
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
        };
        let csv = |name: &str| -> Vec<String> {
            pairs
                .iter()
                .filter(|(n, _)| n == name)
                .flat_map(|(_, v)| v.split(','))
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let supports_new_names = shared.context.dialect != Dialect::Published;
        let new_names = supports_new_names
            && ["tags_all", "tags_any", "tags_none"]
                .iter()
                .any(|n| get(n).is_some());
        let old_names = ["include_tags", "exclude_tags"]
            .iter()
            .any(|n| get(n).is_some());
        if new_names && old_names {
            return Err((
                "INVALID_TAG_FILTER",
                "old and new tag filter names cannot be combined".to_owned(),
            ));
        }
        let (required, any, none) = if new_names {
            (csv("tags_all"), csv("tags_any"), csv("tags_none"))
        } else {
            (csv("include_tags"), Vec::new(), csv("exclude_tags"))
        };
        if new_names && required.iter().any(|tag| none.contains(tag)) {
            return Err((
                "INVALID_TAG_FILTER",
                "a tag is both required and excluded".to_owned(),
            ));
        }
        if required.len() + any.len() + none.len() > 100 {
            return Err(("INVALID_TAG_FILTER", "more than 100 tags".to_owned()));
        }
        let invalid = |name: &str| ("INVALID_QUERY", format!("{name} is invalid"));
        let limit = match get("limit").map(|text| text.parse()) {
            None => 20,
            Some(Ok(limit @ 1..=500)) => limit,
            Some(_) => return Err(invalid("limit")),
        };
        let offset = match get("offset").map(|text| text.parse()) {
            None => 0,
            Some(Ok(offset)) => offset,
            Some(Err(_)) => return Err(invalid("offset")),
        };
        let sort = get("sort").unwrap_or_else(|| "created_at".to_owned());
        let sorts = [
            "name",
            "created_at",
            "updated_at",
            "size",
            "last_access_time",
        ];
        if !sorts.contains(&sort.as_str()) {
            return Err(invalid("sort"));
        }
        let ascending = match get("order").as_deref() {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err(invalid("order")),
        };
        let metadata = match get("metadata_filter").map(|text| serde_json::from_str(&text)) {
            None => None,
            Some(Ok(value @ Value::Object(_))) => Some(value),
            Some(_) => {
                return Err((
                    "INVALID_QUERY",
                    "metadata_filter must be an object".to_owned(),
                ));
            }
        };
        // Local ignores `include_public` and `hash` (docs/providers/comfy.md O17); Published lacks
        // `hash`.
        let cloud = shared.context.dialect != Dialect::Local;
        Ok(Self {
            all: required,
            any,
            none,
            name: get("name_contains"),
            metadata,
            limit,
            offset,
            sort,
            ascending,
            include_public: !cloud || get("include_public").as_deref() != Some("false"),
            hash: get("hash").filter(|_| shared.context.dialect == Dialect::Newest),
            after: get("after").filter(|_| supports_new_names),
        })
    }

    fn fits(&self, shared: &Shared, asset: &ComfyAsset) -> bool {
        let has = |tag: &String| asset.tags.contains(tag);
        // The newest cloud hides some categories from lists without a positive tag filter (4.1).
        let hidden = shared.context.dialect == Dialect::Newest
            && self.all.is_empty()
            && self.any.is_empty()
            && asset
                .tags
                .iter()
                .any(|tag| tag == "temp" || tag == "models");
        !hidden
            && self.all.iter().all(has)
            && (self.any.is_empty() || self.any.iter().any(has))
            && !self.none.iter().any(has)
            && (self.include_public || !asset.is_public)
            && self
                .hash
                .as_ref()
                .is_none_or(|h| asset.hash.as_ref() == Some(h))
            && self.name.as_ref().is_none_or(|part| {
                asset
                    .name
                    .to_ascii_lowercase()
                    .contains(&part.to_ascii_lowercase())
            })
            && self
                .metadata
                .as_ref()
                .is_none_or(|metadata_filter| has_metadata(asset, metadata_filter))
    }

    fn compare(&self, a: &ComfyAsset, b: &ComfyAsset) -> Ordering {
        let order = match self.sort.as_str() {
            "name" => a.name.cmp(&b.name),
            "updated_at" => a.updated.cmp(&b.updated),
            "size" => a.size.cmp(&b.size),
            "last_access_time" => a.last_access.cmp(&b.last_access),
            _ => a.created.cmp(&b.created),
        };
        let order = order.then_with(|| a.id.cmp(&b.id));
        if self.ascending {
            order
        } else {
            order.reverse()
        }
    }
}

/// Typed equality per key; lists match any value, null matches absence (docs/providers/comfy.md
/// O16).
fn has_metadata(asset: &ComfyAsset, filter: &Value) -> bool {
    let field = |key: &str| {
        asset
            .user_metadata
            .get(key)
            .or_else(|| asset.metadata.as_ref().and_then(|m| m.get(key)))
    };
    filter
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| match value {
            Value::Null => field(key).is_none_or(Value::is_null),
            Value::Array(any) => any.is_empty() || any.iter().any(|v| field(key) == Some(v)),
            value => field(key) == Some(value),
        })
}

#[derive(serde::Serialize)]
struct Body {
    assets: Vec<Box<RawValue>>,
    total: usize,
    has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

pub async fn list(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let listing = match Listing::of(&shared, &query.unwrap_or_default()) {
        Ok(listing) => listing,
        Err((code, message)) => {
            return refuse(&shared, StatusCode::BAD_REQUEST, code, &message);
        }
    };
    let store = shared.assets();
    let mut rows: Vec<&ComfyAsset> = store.iter().filter(|a| listing.fits(&shared, a)).collect();
    rows.sort_by(|a, b| listing.compare(a, b));
    let total = rows.len();
    let skip = match &listing.after {
        None => listing.offset,
        Some(cursor) => match decode_cursor(&shared, &listing, cursor, &store, &rows) {
            Some(index) => index,
            None => {
                return refuse(
                    &shared,
                    StatusCode::BAD_REQUEST,
                    "INVALID_CURSOR",
                    "not a cursor of this list",
                );
            }
        },
    };
    let page: Vec<&&ComfyAsset> = rows.iter().skip(skip).take(listing.limit).collect();
    let has_more = skip + page.len() < total;
    let next_cursor = page
        .last()
        .filter(|_| {
            has_more
                && shared.context.dialect != Dialect::Published
                && listing.sort != "last_access_time"
        })
        .map(|last| encode_cursor(&shared, &listing, &last.id));
    Json(Body {
        assets: page.iter().map(|a| shape(&shared, a)).collect(),
        total,
        has_more,
        next_cursor,
    })
    .into_response()
}

/// Encodes a cursor, bound to the sort and order, not to the filters (docs/providers/comfy.md O18).
fn encode_cursor(shared: &Shared, listing: &Listing, id: &str) -> String {
    let plain = format!("{}|{}|{id}", listing.sort, listing.ascending);
    let mac = blake3::keyed_hash(&shared.key, plain.as_bytes()).to_hex();
    URL_SAFE_NO_PAD.encode(format!("{}|{id}", &mac[..16]))
}

fn decode_cursor(
    shared: &Shared,
    listing: &Listing,
    cursor: &str,
    assets: &[ComfyAsset],
    rows: &[&ComfyAsset],
) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (_, id) = text.split_once('|')?;
    (encode_cursor(shared, listing, id) == cursor).then_some(())?;
    // A cursor is bound to the sort, not to the filters: this list may lack its row.
    let anchor = assets.iter().find(|a| a.id == id)?;
    Some(rows.partition_point(|a| listing.compare(a, anchor).is_le()))
}

pub async fn tags(State(shared): State<Shared>) -> Response {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for asset in shared.assets().iter() {
        for tag in &asset.tags {
            *counts.entry(tag.clone()).or_default() += 1;
        }
    }
    let total = counts.len();
    let mut tags: Vec<_> = counts.into_iter().collect();
    tags.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let tags: Vec<Value> = tags
        .into_iter()
        .take(100)
        .map(|(name, count)| json!({ "name": name, "count": count }))
        .collect();
    Json(json!({ "has_more": total > tags.len(), "tags": tags, "total": total })).into_response()
}
