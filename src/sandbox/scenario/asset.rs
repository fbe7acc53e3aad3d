//! A Scenario asset, as the emulator keeps it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

use crate::sandbox::files::{File, HasFile};

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

impl HasFile for ScenarioAsset {
    fn id(&self) -> &str {
        &self.id
    }

    fn file(&self) -> &File {
        &self.file
    }
}
