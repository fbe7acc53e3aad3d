//! PiktID's JSON as sent (docs/providers/piktid.md 3 and 4).

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    asset::{lenient, piktid::Detected},
    providers::decode::rows,
};

/// `GET /assets`.
#[derive(Deserialize)]
pub struct List {
    pub pagination: Pagination,
    pub assets: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
pub struct Pagination {
    pub total: u64,
    pub has_next: Option<bool>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub per_page: Option<u64>,
}

/// One asset. `styling_note`, `detected` and `dimensions` are missing in older answers.
#[derive(Deserialize)]
pub struct Asset {
    #[serde(deserialize_with = "rows::id")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "rows::time")]
    pub created_at: Timestamp,
    pub filename: Option<String>,
    pub url: Option<String>,
    pub created_by: Option<String>,
    pub tags: Option<Vec<String>>,
    pub visibility: Option<String>,
    pub thumbnail_big: Option<String>,
    pub thumbnail_small: Option<String>,
    pub styling_note: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub detected: Option<Detected>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub dimensions: Option<Vec<f64>>,
}

/// `POST /assets/bulk-delete`.
#[derive(Deserialize)]
pub struct Deleted {
    pub deleted_count: Option<u64>,
    #[serde(default)]
    pub failed_ids: Vec<Arc<str>>,
}

impl Deleted {
    /// Whether it accounts for each of `ids` as either deleted or failed.
    pub fn is_consistent_with(&self, ids: &[Arc<str>]) -> bool {
        let failed = ids.iter().filter(|id| self.failed_ids.contains(id)).count();
        let deleted = (ids.len() - failed) as u64;
        self.deleted_count == Some(deleted) && self.failed_ids.iter().all(|id| ids.contains(id))
    }
}

/// `POST /upload`: the upload target of the bytes.
#[derive(Deserialize)]
pub struct UploadTarget {
    pub upload_url: String,
    #[serde(deserialize_with = "rows::id")]
    pub file_id: Arc<str>,
    pub content_type: String,
}
