//! Assets and refusals as a ComfyUI writes them, by dialect.

use std::collections::BTreeSet;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json, value::RawValue};

use super::{asset::ComfyAsset, dialect::Dialect, state::Shared};
use crate::sandbox::row::JsonRow;

/// Returns an error in the dialect's shape: flat on the cloud, nested on a local server (2).
pub fn refuse(shared: &Shared, status: StatusCode, code: &str, message: &str) -> Response {
    let body = match shared.context.dialect {
        Dialect::Local => json!({ "error": { "code": code, "message": message, "details": {} } }),
        Dialect::Published | Dialect::Newest => json!({ "code": code, "message": message }),
    };
    (status, Json(body)).into_response()
}

/// Local routes match only hyphenated UUIDs; other ids get an empty 404 (docs/providers/comfy.md
/// O22).
pub fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Formats a time. A local server omits the zone and a zero fraction (docs/providers/comfy.md O1).
pub fn time(shared: &Shared, microseconds: i64) -> String {
    let Ok(time) = Timestamp::from_microsecond(microseconds) else {
        return String::new();
    };
    if shared.context.dialect != Dialect::Local {
        return format!("{time:.6}");
    }
    let civil = time.to_zoned_datetime(TimeZone::UTC).datetime();
    if microseconds % 1_000_000 == 0 {
        format!("{civil:.0}")
    } else {
        format!("{civil:.6}")
    }
}

pub fn shape(shared: &Shared, asset: &ComfyAsset) -> Box<RawValue> {
    let local = shared.context.dialect == Dialect::Local;
    let mut row = JsonRow::default();
    // The cloud sends null where a local server leaves the field out (docs/providers/comfy.md O2).
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
            // A file that is not a picture shows the picture of its `preview_id`.
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
    if shared.context.dialect != Dialect::Newest {
        optional(&mut row, "asset_hash", hash.clone());
        optional(&mut row, "prompt_id", job.clone());
    }
    if shared.context.dialect != Dialect::Published {
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

pub fn tags_of(body: &Value) -> Vec<String> {
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
