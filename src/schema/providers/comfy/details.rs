//! `ComfyDetails`: everything of comfy.md 3, all generations, typed.

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

/// Fields that only Comfy has, as Comfy names them. Servers of different age send different fields; a
/// field that was not sent is null.
#[Object]
impl ComfyDetails {
    /// Hash of its bytes (`asset_hash` on older servers).
    async fn hash(&self) -> Option<&str> {
        self.details.hash.as_deref()
    }

    /// The job that made it (`prompt_id` on older servers).
    async fn job_id(&self) -> Option<&str> {
        self.details.job_id.as_deref()
    }

    /// When its file was last read.
    async fn last_access_time(&self) -> Option<DateTime> {
        self.details.last_access_time.map(DateTime::at)
    }

    /// Global id of the asset that shows it; `Asset.preview` resolves it.
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

    /// Where its preview is, as the server says it: often relative and behind a key. Use
    /// `Asset.thumbnailUrl` to show it.
    async fn preview_url(&self) -> Option<&str> {
        self.details.preview_url.as_deref()
    }

    /// Name for people.
    async fn display_name(&self) -> Option<&str> {
        self.details.display_name.as_deref()
    }

    /// Path label; null where it would disclose a path on the server's disk.
    async fn file_path(&self) -> Option<&str> {
        self.details.file_path.as_deref()
    }

    /// What a loader node needs to find it: a path for models, the hash for inputs and outputs.
    async fn loader_path(&self) -> Option<&str> {
        self.details.loader_path.as_deref()
    }

    /// Comfy Cloud's durable short address, relative to the server; opens for the owner alone.
    async fn short_url(&self) -> Option<&str> {
        self.details.short_url.as_deref()
    }

    /// Cannot be changed or deleted.
    async fn is_immutable(&self) -> Option<bool> {
        self.details.is_immutable
    }

    /// Whether its bytes were new, on answers to uploads.
    async fn created_new(&self) -> Option<bool> {
        self.details.created_new
    }

    /// Free JSON of the asset's users.
    async fn user_metadata(&self) -> Option<Json> {
        self.details.user_metadata.clone().map(Json)
    }

    /// The server's own findings, such as kind and size of a picture; less paths on its disk.
    async fn system_metadata(&self) -> Option<Json> {
        self.details.metadata.clone().map(Json)
    }
}
