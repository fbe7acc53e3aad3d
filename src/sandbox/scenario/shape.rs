//! Renders a Scenario asset as JSON (docs/providers/scenario.md 6): every required field, and
//! optional fields where they apply.

use std::collections::HashMap;

use serde_json::{Map, Value, json, value::RawValue};

use super::{asset::ScenarioAsset, state::Shared};
use crate::sandbox::{files::File, pictures, row::JsonRow};

/// The extra fields that a call requests.
#[derive(Debug, Default)]
pub struct Extras {
    pub original: bool,
    pub embedding: bool,
    pub quality: bool,
}

impl Extras {
    pub fn of(query: &HashMap<String, String>) -> Self {
        let flag = |name: &str| query.get(name).map(String::as_str) == Some("true");
        Self {
            original: flag("originalAssets"),
            embedding: flag("withEmbedding"),
            quality: flag("withQualityGateDetails"),
        }
    }
}

/// Formats a time like `2025-01-16T11:19:41.579Z`.
pub fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map(|t| format!("{t:.3}"))
        .unwrap_or_default()
}

pub fn asset(shared: &Shared, asset: &ScenarioAsset, extras: &Extras) -> Box<RawValue> {
    let (mime_type, size) = media(&asset.file);
    let is_picture = asset.kind.starts_with("image") && asset.file.uploaded.is_none();
    let picture = pictures::picture(asset.file.number);
    let mut row = JsonRow::default();
    row.set("id", asset.id.as_str());
    row.set("authorId", asset.author_id.as_str());
    row.set("ownerId", asset.owner_id.as_str());
    row.set("collectionIds", json!(asset.collection_ids));
    row.set("createdAt", time(asset.created));
    row.set("updatedAt", time(asset.updated));
    let edits: &[&str] = if is_picture {
        &["DETECTION", "PIXELATE", "UPSCALE", "REMOVE_BACKGROUND"]
    } else {
        &[]
    };
    row.set("editCapabilities", json!(edits));
    row.set("kind", asset.kind.as_str());
    row.set("mimeType", mime_type);
    row.set("privacy", asset.privacy.as_str());
    row.set("source", asset.source.as_str());
    row.set("status", asset.status.as_str());
    row.set("tags", json!(asset.tags));
    let rendition = if extras.original {
        "source"
    } else {
        "original"
    };
    row.set("url", shared.file_url(rendition, &asset.id));
    row.set("metadata", metadata(asset, is_picture.then_some(picture)));
    let mut properties = asset.properties.clone();
    properties.insert("size".to_owned(), json!(size));
    if is_picture {
        properties.insert("width".to_owned(), json!(picture.width));
        properties.insert("height".to_owned(), json!(picture.height));
    }
    row.set("properties", properties);
    row.set_option("description", asset.description.as_deref());
    row.set("isHidden", asset.is_hidden);
    row.set("nsfw", json!([]));
    if asset.file.uploaded.is_none() {
        row.set(
            "thumbnail",
            json!({ "assetId": asset.id, "url": shared.file_url("small", &asset.id) }),
        );
    }
    if let Some(preview) = &asset.preview {
        row.set(
            "preview",
            json!({ "assetId": preview, "url": shared.file_url("large", preview) }),
        );
    }
    if extras.embedding {
        let seed = asset.file.number as f64;
        row.set("embedding", json!([seed / 48.0, 0.5, -0.25, 0.125]));
    }
    if extras.quality {
        row.set(
            "qualityGate",
            json!({ "computedAt": time(asset.created), "status": "scored", "version": "1",
                    "overallScore": 75, "details": { "aiQuality": {
                        "score": 80, "reasons": ["sharp"], "suggestions": [] } } }),
        );
    }
    row.set_option("deletedAt", asset.deleted.map(time));
    row.override_with(&asset.overrides);
    row.into_raw()
}

/// Returns a file's media type and size.
pub fn media(file: &File) -> (String, usize) {
    if let Some((content_type, bytes)) = &file.uploaded {
        (content_type.clone(), bytes.len())
    } else {
        let (content_type, bytes) = pictures::file(file.kind, file.number);
        (content_type.to_owned(), bytes.len())
    }
}

fn metadata(asset: &ScenarioAsset, picture: Option<&pictures::Picture>) -> Map<String, Value> {
    let mut metadata = asset.metadata.clone();
    let mut set = |name: &str, value: Value| {
        metadata.insert(name.to_owned(), value);
    };
    set("kind", json!(asset.kind));
    set("type", json!(asset.asset_type));
    let texts = [
        ("name", &asset.name),
        ("parentId", &asset.parent),
        ("rootParentId", &asset.root),
        ("modelId", &asset.model_id),
        ("inferenceId", &asset.inference_id),
        ("parentJobId", &asset.job_id),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            set(name, json!(value));
        }
    }
    if let Some(picture) = picture {
        set("width", json!(picture.width));
        set("height", json!(picture.height));
    }
    metadata
}
