//! Comfy's own fields of an asset (docs/providers/comfy.md 3, all generations), under Comfy's
//! names.

use async_graphql::SimpleObject;
use jiff::Timestamp;

use super::SourceName;

/// Comfy's own fields, under Comfy's names. Servers of different versions send different fields; a
/// field that was not sent is null.
// The fields of docs/providers/comfy.md 3 that [`super::Asset`] lacks.
#[derive(Debug, SimpleObject)]
#[graphql(name = "ComfyDetails", complex)]
pub struct Details {
    /// Hash of the file's bytes (`asset_hash` on older servers).
    pub hash: Option<String>,
    /// Id of the job that made the asset (`prompt_id` on older servers).
    pub job_id: Option<String>,
    #[graphql(skip)]
    pub last_access_time: Option<Timestamp>,
    #[graphql(skip)]
    pub preview_id: Option<String>,
    /// The preview's URL as the server sends it: often relative, and often requiring a key. To show
    /// the preview, use `Asset.thumbnailUrl`.
    pub preview_url: Option<String>,
    /// The name to display.
    pub display_name: Option<String>,
    /// The file's path label; null when it would disclose a path on the server's disk.
    pub file_path: Option<String>,
    /// The value that a loader node takes: a path for models, the hash for inputs and outputs.
    pub loader_path: Option<String>,
    /// Comfy Cloud's permanent short URL, relative to the server. Only the owner can open it.
    pub short_url: Option<String>,
    /// Whether the asset can be neither changed nor deleted.
    pub is_immutable: Option<bool>,
    /// Whether the bytes were new. Sent only in responses to uploads.
    pub created_new: Option<bool>,
    #[graphql(skip)]
    pub user_metadata: Option<serde_json::Value>,
    #[graphql(skip)]
    pub metadata: Option<serde_json::Value>,
    #[graphql(skip)]
    pub is_newer: bool,
    /// The source that keeps it.
    #[graphql(skip)]
    pub asset_source: SourceName,
}
