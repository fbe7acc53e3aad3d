//! What only Comfy knows about an asset (comfy.md 3, all generations), in Comfy's own words.

use jiff::Timestamp;

/// Everything of comfy.md 3 that [`super::Asset`] does not already say.
#[derive(Debug, Default)]
pub struct Details {
    /// `hash` of the newer contract, `asset_hash` of the older.
    pub hash: Option<String>,
    /// `job_id` of the newer contract, `prompt_id` of the older.
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
    /// Free JSON of the asset's users.
    pub user_metadata: Option<serde_json::Value>,
    /// The server's own, less its file paths.
    pub metadata: Option<serde_json::Value>,
    /// Sent with fields that only the newer contract has.
    pub is_newer: bool,
}
