//! A Comfy asset, as the emulator keeps it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

use crate::sandbox::files::File;

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
