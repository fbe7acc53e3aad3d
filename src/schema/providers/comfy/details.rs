//! `ComfyDetails`: every field of comfy.md 3, of all API versions, typed.

use std::sync::Arc;

use async_graphql::{ID, Object};

use crate::{
    asset::{AssetId, GlobalId, SourceName, comfy::Details},
    schema::scalars::{DateTime, Json},
};

pub struct ComfyDetails {
    pub details: Arc<Details>,
    pub source: SourceName,
}

/// Comfy's own fields, under Comfy's names. Servers of different versions send different fields; a
/// field that was not sent is null.
#[Object]
impl ComfyDetails {
    /// Hash of the file's bytes (`asset_hash` on older servers).
    async fn hash(&self) -> Option<&str> {
        self.details.hash.as_deref()
    }

    /// Id of the job that made the asset (`prompt_id` on older servers).
    async fn job_id(&self) -> Option<&str> {
        self.details.job_id.as_deref()
    }

    /// When the file was last read.
    async fn last_access_time(&self) -> Option<DateTime> {
        self.details.last_access_time.map(DateTime::at)
    }

    /// Global id of the asset that serves as the preview. `Asset.preview` resolves it.
    async fn preview_id(&self) -> Option<ID> {
        let upstream = self
            .details
            .preview_id
            .as_deref()
            .filter(|id| !id.is_empty())?;
        let id = AssetId {
            source: self.source.clone(),
            upstream: upstream.into(),
        };
        Some(GlobalId::Asset(id).to_string().into())
    }

    /// The preview's URL as the server sends it: often relative, and often requiring a key. To show
    /// the preview, use `Asset.thumbnailUrl`.
    async fn preview_url(&self) -> Option<&str> {
        self.details.preview_url.as_deref()
    }

    /// The name to display.
    async fn display_name(&self) -> Option<&str> {
        self.details.display_name.as_deref()
    }

    /// The file's path label; null when it would disclose a path on the server's disk.
    async fn file_path(&self) -> Option<&str> {
        self.details.file_path.as_deref()
    }

    /// The value that a loader node takes: a path for models, the hash for inputs and outputs.
    async fn loader_path(&self) -> Option<&str> {
        self.details.loader_path.as_deref()
    }

    /// Comfy Cloud's permanent short URL, relative to the server. Only the owner can open it.
    async fn short_url(&self) -> Option<&str> {
        self.details.short_url.as_deref()
    }

    /// Whether the asset can be neither changed nor deleted.
    async fn is_immutable(&self) -> Option<bool> {
        self.details.is_immutable
    }

    /// Whether the bytes were new. Sent only in responses to uploads.
    async fn created_new(&self) -> Option<bool> {
        self.details.created_new
    }

    /// Free-form metadata of the asset's users.
    async fn user_metadata(&self) -> Option<Json> {
        self.details.user_metadata.clone().map(Json)
    }

    /// The server's own metadata, such as kind and size of an image, without paths on its disk.
    async fn system_metadata(&self) -> Option<Json> {
        self.details.metadata.clone().map(Json)
    }
}
