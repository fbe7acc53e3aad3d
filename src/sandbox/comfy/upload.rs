//! `POST /api/assets`, `from-hash` and `HEAD …/hash/{hash}` (docs/providers/comfy.md 4.3 to 4.5).
//! Uploading known bytes creates a new entry with a new id (docs/providers/comfy.md O10).

use axum::{
    Json,
    extract::{Multipart, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    asset::ComfyAsset,
    dialect::Dialect,
    shape::{refuse, shape, tags_of},
    state::Shared,
};
use crate::sandbox::files::File;

const ROOTS: [&str; 3] = ["input", "output", "models"];

pub async fn upload(State(shared): State<Shared>, mut form: Multipart) -> Response {
    let invalid = |message: &str| refuse(&shared, StatusCode::BAD_REQUEST, "INVALID_BODY", message);
    let (mut bytes, mut name, mut mime_type, mut expected_hash) = (None, None, None, None);
    let (mut tags, mut metadata) = (Vec::new(), Map::new());
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(_) => return invalid("malformed multipart body"),
        };
        let part = field.name().unwrap_or_default().to_owned();
        if part == "file" {
            name = name.or_else(|| field.file_name().map(str::to_owned));
            mime_type = mime_type.or_else(|| field.content_type().map(str::to_owned));
            match field.bytes().await {
                Ok(content) => bytes = Some(content.to_vec()),
                Err(_) => return invalid("the file part cannot be read"),
            }
            continue;
        }
        let Ok(text) = field.text().await else {
            return invalid("a part is not text");
        };
        match part.as_str() {
            "name" => name = Some(text),
            "mime_type" => mime_type = Some(text),
            "hash" => expected_hash = Some(text),
            "tags" => tags.extend(read_tags(&text)),
            "user_metadata" => match serde_json::from_str(&text) {
                Ok(Value::Object(map)) => metadata = map,
                _ => return invalid("user_metadata must be a JSON object"),
            },
            "id" => {
                return refuse(&shared, StatusCode::BAD_REQUEST, "UNSUPPORTED_FIELD", "id");
            }
            _ => {}
        }
    }
    let Some(bytes) = bytes else {
        return refuse(
            &shared,
            StatusCode::BAD_REQUEST,
            "MISSING_FILE",
            "file is required",
        );
    };
    if bytes.is_empty() {
        return refuse(
            &shared,
            StatusCode::BAD_REQUEST,
            "EMPTY_UPLOAD",
            "file is empty",
        );
    }
    let hash = format!("blake3:{}", blake3::hash(&bytes).to_hex());
    if expected_hash.is_some_and(|expected| expected != hash) {
        return refuse(
            &shared,
            StatusCode::BAD_REQUEST,
            "HASH_MISMATCH",
            "hash does not match the file",
        );
    }
    let existing = {
        let store = shared.assets();
        let existing = store.iter().find(|a| a.hash.as_ref() == Some(&hash));
        existing.cloned()
    };
    // The published contract returns the existing asset and ignores the form's other parts
    // (4.3 (P)).
    if let Some(existing) = existing
        .clone()
        .filter(|_| shared.context.dialect == Dialect::Published)
    {
        return created(&shared, existing, StatusCode::OK, false);
    }
    let is_duplicate = existing.is_some();
    let root_count = tags
        .iter()
        .filter(|tag| ROOTS.contains(&tag.as_str()))
        .count();
    if !is_duplicate && root_count != 1 {
        return invalid("exactly one of the tags input, output, models is required");
    }
    let model_type_count = tags
        .iter()
        .filter(|tag| tag.starts_with("model_type:"))
        .count();
    if !is_duplicate && tags.iter().any(|tag| tag == "models") && model_type_count != 1 {
        return invalid("the tag models needs exactly one model_type:<folder>");
    }
    if !is_duplicate {
        tags.push("uploaded".to_owned());
    }
    let asset = entry(
        &shared,
        NewEntry {
            name: name.unwrap_or_else(|| hash.clone()),
            hash,
            tags,
            metadata,
            mime_type: mime_type.clone(),
            size: bytes.len() as u64,
            file: File {
                kind: "image",
                number: 0,
                uploaded: Some((
                    mime_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
                    bytes,
                )),
            },
            fresh: !is_duplicate,
        },
    );
    created(
        &shared,
        asset,
        if is_duplicate {
            StatusCode::OK
        } else {
            StatusCode::CREATED
        },
        !is_duplicate,
    )
}

/// Parses a JSON array or a comma-separated list.
fn read_tags(text: &str) -> Vec<String> {
    serde_json::from_str(text)
        .unwrap_or_else(|_| text.split(',').map(|tag| tag.trim().to_owned()).collect())
}

struct NewEntry {
    name: String,
    hash: String,
    tags: Vec<String>,
    metadata: Map<String, Value>,
    mime_type: Option<String>,
    size: u64,
    file: File,
    /// Whether the bytes are new. Entries for known bytes have no preview (docs/providers/comfy.md
    /// O10).
    fresh: bool,
}

fn entry(shared: &Shared, entry: NewEntry) -> ComfyAsset {
    let now = Timestamp::now().as_microsecond();
    let mut store = shared.assets();
    let digest = blake3::hash(format!("{now}{}", store.len()).as_bytes()).to_hex();
    let asset = ComfyAsset {
        id: format!(
            "{}-{}-4{}-8{}-{}",
            &digest[..8],
            &digest[8..12],
            &digest[12..15],
            &digest[15..18],
            &digest[18..30]
        ),
        name: entry.name,
        created: now,
        updated: now,
        size: Some(entry.size),
        hash: Some(entry.hash),
        has_preview: entry.fresh
            && entry
                .mime_type
                .as_ref()
                .is_some_and(|t| t.starts_with("image/")),
        mime_type: entry.mime_type,
        tags: entry.tags,
        user_metadata: entry.metadata,
        file: entry.file,
        ..Default::default()
    };
    store.push(asset.clone());
    asset
}

fn created(shared: &Shared, asset: ComfyAsset, status: StatusCode, is_new: bool) -> Response {
    let row: Box<RawValue> = shape(shared, &asset);
    let mut body: Value = serde_json::from_str(row.get()).unwrap_or_default();
    body["created_new"] = json!(is_new);
    (status, Json(body)).into_response()
}

pub async fn from_hash(State(shared): State<Shared>, Json(body): Json<Value>) -> Response {
    let Some(hash) = body.get("hash").and_then(Value::as_str) else {
        return refuse(
            &shared,
            StatusCode::BAD_REQUEST,
            "INVALID_HASH",
            "hash is required",
        );
    };
    let source = shared
        .assets()
        .iter()
        .find(|a| a.hash.as_deref() == Some(hash))
        .cloned();
    let Some(source) = source else {
        return refuse(
            &shared,
            StatusCode::NOT_FOUND,
            "ASSET_NOT_FOUND",
            "unknown hash",
        );
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let asset = entry(
        &shared,
        NewEntry {
            name: text("name").unwrap_or_else(|| hash.trim_start_matches("blake3:").to_owned()),
            hash: hash.to_owned(),
            tags: tags_of(&body),
            metadata: Map::new(),
            mime_type: text("mime_type").or(source.mime_type),
            size: source.size.unwrap_or_default(),
            file: source.file,
            fresh: false,
        },
    );
    // The status is 201 even for known bytes (docs/providers/comfy.md O10).
    created(&shared, asset, StatusCode::CREATED, false)
}

pub async fn has_hash(State(shared): State<Shared>, Path(hash): Path<String>) -> StatusCode {
    let is_well_formed = hash
        .strip_prefix("blake3:")
        .is_some_and(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit()));
    if !is_well_formed {
        return StatusCode::BAD_REQUEST;
    }
    let is_stored = shared
        .assets()
        .iter()
        .any(|a| a.hash.as_deref() == Some(&hash));
    if is_stored {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }
}
