//! Scenario's JSON as sent (docs/providers/scenario.md 5 and 6). Scenario-only fields are read
//! directly into domain types with Scenario's names; `mapping` converts the rest.
//!
//! A row needs an id and a creation time, or it has no position in a list. Fields that all assets
//! share may be absent or null, but a wrong type makes the row unreadable: a wrong value must not
//! be shown. Details of a wrong type read as absent.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    asset::{
        is_upstream_id_text, lenient,
        scenario::{QualityGate, link::Link, metadata::Metadata, properties::Properties},
    },
    providers::decode::rows,
};

/// `GET /assets`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    pub assets: Vec<Box<RawValue>>,
    /// Absent on the last page; empty and null count as absent.
    #[serde(default, deserialize_with = "token")]
    pub next_pagination_token: Option<Box<str>>,
}

/// `POST /assets/get-bulk`.
#[derive(Deserialize)]
pub struct Bulk {
    pub assets: Vec<Box<RawValue>>,
}

/// `POST /search/assets`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hits {
    pub hits: Vec<Hit>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub estimated_total_hits: Option<u64>,
}

/// A search hit: it names an asset but is not one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    #[serde(default, deserialize_with = "hit_id")]
    pub id: Option<Arc<str>>,
    #[serde(default, deserialize_with = "rows::time_option")]
    pub created_at: Option<Timestamp>,
}

/// `GET /assets/{id}`.
#[derive(Deserialize)]
pub struct One {
    pub asset: Box<RawValue>,
}

/// One asset.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    #[serde(deserialize_with = "rows::id")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "rows::time")]
    pub created_at: Timestamp,
    #[serde(default, deserialize_with = "rows::time_option")]
    pub updated_at: Option<Timestamp>,
    pub kind: Option<String>,
    pub mime_type: Option<String>,
    pub privacy: Option<String>,
    pub status: Option<String>,
    pub tags: Option<Vec<String>>,
    pub url: Option<String>,
    pub author_id: Option<String>,
    pub owner_id: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<Metadata>,
    pub properties: Option<Properties>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub collection_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub edit_capabilities: Vec<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub source: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub automatic_captioning: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub embedding: Option<Vec<f64>>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub first_frame: Option<Link>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub last_frame: Option<Link>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub preview: Option<Link>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub thumbnail: Option<Link>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub is_hidden: Option<bool>,
    #[serde(default, deserialize_with = "lenient::list")]
    pub nsfw: Vec<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub original_file_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub output_index: Option<f64>,
    #[serde(default, deserialize_with = "rows::time_option")]
    pub deleted_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub original_mime_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub quality_gate: Option<QualityGate>,
}

fn hit_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    let id: Option<Arc<str>> = lenient::option(deserializer)?;
    Ok(id.filter(|id| is_upstream_id_text(id)))
}

fn token<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    let token = Option::<Box<str>>::deserialize(deserializer)?;
    Ok(token.filter(|t| !t.is_empty()))
}

/// `POST /uploads`, its action, and `GET /uploads/{id}`.
#[derive(Deserialize)]
pub struct UploadAnswer {
    pub upload: Upload,
}

/// One upload's state.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    #[serde(deserialize_with = "rows::id")]
    pub id: Arc<str>,
    pub status: String,
    #[serde(default, deserialize_with = "lenient::option")]
    pub entity_id: Option<Arc<str>>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub error_message: Option<String>,
    /// Only in the first response; in no order.
    #[serde(default, deserialize_with = "lenient::option")]
    pub parts: Option<Vec<UploadPart>>,
}

/// The upload target of a part.
#[derive(Deserialize)]
pub struct UploadPart {
    /// A float, as all numbers may be.
    pub number: f64,
    pub url: String,
}

/// The only field needed of a new asset.
#[derive(Deserialize)]
pub struct Id {
    #[serde(deserialize_with = "rows::id")]
    pub id: Arc<str>,
}
