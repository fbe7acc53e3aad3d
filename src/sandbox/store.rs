//! The assets of the three servers: plain rows, one lock for each provider.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value, value::RawValue};

/// The bytes of an asset.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// The kind of a generated file: `image`, `audio`, `3d`, …
    pub kind: &'static str,
    /// The number of the generated file.
    pub number: usize,
    /// Uploaded media type and bytes; they replace the generated file.
    pub uploaded: Option<(String, Vec<u8>)>,
}

/// A Scenario asset.
#[derive(Debug, Clone, Default)]
pub struct ScenarioAsset {
    pub id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    pub updated: i64,
    pub deleted: Option<i64>,
    pub owner_id: String,
    pub author_id: String,
    pub kind: String,
    pub asset_type: String,
    pub source: String,
    pub privacy: String,
    pub status: String,
    pub tags: Vec<String>,
    pub collection_ids: Vec<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub is_hidden: bool,
    pub parent: Option<String>,
    pub root: Option<String>,
    pub preview: Option<String>,
    pub model_id: Option<String>,
    pub inference_id: Option<String>,
    pub job_id: Option<String>,
    /// Additional fields of `metadata`.
    pub metadata: Map<String, Value>,
    pub properties: Map<String, Value>,
    pub file: File,
    /// Fields that a test overrides, as raw JSON text.
    pub overrides: BTreeMap<String, Box<RawValue>>,
}

/// A PiktID asset.
#[derive(Debug, Clone, Default)]
pub struct PiktidAsset {
    pub id: String,
    pub filename: String,
    /// Microseconds since 1970.
    pub created: i64,
    pub created_by: String,
    pub visibility: String,
    pub project: Option<String>,
    pub tags: Vec<String>,
    pub styling_note: Option<String>,
    pub detected: Option<Value>,
    pub dimensions: Option<(u32, u32)>,
    pub has_thumbnails: bool,
    pub file: File,
    pub overrides: BTreeMap<String, Box<RawValue>>,
}

/// A Comfy asset.
#[derive(Debug, Clone, Default)]
pub struct ComfyAsset {
    pub id: String,
    pub name: String,
    /// Microseconds since 1970.
    pub created: i64,
    pub updated: i64,
    pub last_access: Option<i64>,
    pub size: Option<u64>,
    pub hash: Option<String>,
    pub mime_type: Option<String>,
    pub tags: Vec<String>,
    pub user_metadata: Map<String, Value>,
    pub metadata: Option<Value>,
    pub has_preview: bool,
    pub preview_id: Option<String>,
    pub job_id: Option<String>,
    pub loader_path: Option<String>,
    pub is_immutable: bool,
    /// Shared by another user: lists include it only with `include_public`.
    pub is_public: bool,
    pub file: File,
    pub overrides: BTreeMap<String, Box<RawValue>>,
}

/// The assets of all three providers.
#[derive(Debug, Default)]
pub struct Store {
    scenario: Mutex<Vec<ScenarioAsset>>,
    piktid: Mutex<Vec<PiktidAsset>>,
    comfy: Mutex<Vec<ComfyAsset>>,
}

impl Store {
    pub fn scenario(&self) -> MutexGuard<'_, Vec<ScenarioAsset>> {
        self.scenario.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn piktid(&self) -> MutexGuard<'_, Vec<PiktidAsset>> {
        self.piktid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn comfy(&self) -> MutexGuard<'_, Vec<ComfyAsset>> {
        self.comfy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
