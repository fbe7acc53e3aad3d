//! Comfy's own fields of an asset (comfy.md 3, all generations), under Comfy's names.

use jiff::Timestamp;

/// The fields of comfy.md 3 that [`super::Asset`] does not already have.
#[derive(Debug, Default)]
pub struct Details {
    /// `hash` in the newer contract, `asset_hash` in the older.
    pub hash: Option<String>,
    /// `job_id` in the newer contract, `prompt_id` in the older.
    pub job_id: Option<String>,
    pub last_access_time: Option<Timestamp>,
    pub preview_id: Option<String>,
    pub preview_url: Option<String>,
    pub display_name: Option<String>,
    pub file_path: Option<String>,
    pub loader_path: Option<String>,
    pub short_url: Option<String>,
    pub is_immutable: Option<bool>,
    pub created_new: Option<bool>,
    /// Free-form JSON of the asset's users.
    pub user_metadata: Option<serde_json::Value>,
    /// The server's metadata, without its file paths.
    pub metadata: Option<serde_json::Value>,
    /// Whether the row has fields that only the newer contract has.
    pub is_newer: bool,
}
