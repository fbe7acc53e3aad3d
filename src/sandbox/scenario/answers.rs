//! Response and request helpers that Scenario's routes share.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json, value::RawValue};

use super::{asset::ScenarioAsset, state::Shared};

/// The project that the sandbox's key belongs to.
pub const PROJECT: &str = "proj_sandbox";

/// Decides which assets a call can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    Project,
    Public,
}

/// Returns an error in Scenario's format.
pub fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "reason": reason }))).into_response()
}

/// Returns raw rows under `assets`, with the token of the next page.
pub fn page(rows: &[Box<RawValue>], token: Option<String>) -> Response {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        assets: &'a [Box<RawValue>],
        #[serde(skip_serializing_if = "Option::is_none")]
        next_pagination_token: Option<String>,
    }
    Json(Body {
        assets: rows,
        next_pagination_token: token,
    })
    .into_response()
}

/// Builds a new asset of the sandbox's project from `options`.
pub fn uploaded(shared: &Shared, name: &str, options: &Value) -> ScenarioAsset {
    let now = Timestamp::now().as_millisecond();
    let parent = options
        .get("parentId")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let store = shared.assets();
    // The root of the parent's chain, or the parent itself.
    let root = store
        .iter()
        .find(|a| Some(&a.id) == parent.as_ref())
        .and_then(|a| a.root.clone())
        .or_else(|| parent.clone());
    ScenarioAsset {
        id: format!(
            "asset_{}",
            &blake3::hash(format!("{now}{}", store.len()).as_bytes()).to_hex()[..22]
        ),
        created: now,
        updated: now,
        owner_id: PROJECT.to_owned(),
        author_id: "u5e1f".to_owned(),
        kind: "image".to_owned(),
        asset_type: "uploaded".to_owned(),
        source: "uploaded".to_owned(),
        privacy: "private".to_owned(),
        status: "success".to_owned(),
        name: Some(name.to_owned()),
        is_hidden: options.get("hide").and_then(Value::as_bool) == Some(true),
        parent,
        root,
        collection_ids: texts(options, "collectionIds"),
        ..Default::default()
    }
}

/// Returns the distinct strings of a list in the body.
pub fn texts(body: &Value, name: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in body
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(text) = text.as_str().filter(|t| !texts.iter().any(|old| old == t)) {
            texts.push(text.to_owned());
        }
    }
    texts
}
