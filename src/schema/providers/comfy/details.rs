//! The fields of `ComfyDetails` that are ids, times or JSON.

use async_graphql::{ComplexObject, ID};

use crate::{
    asset::{AssetId, GlobalId, comfy::Details},
    schema::scalars::{DateTime, Json},
};

#[ComplexObject]
impl Details {
    /// When the file was last read.
    #[graphql(name = "lastAccessTime")]
    async fn access_time(&self) -> Option<DateTime> {
        self.last_access_time.map(DateTime::at)
    }

    /// Global id of the asset that serves as the preview. `Asset.preview` resolves it.
    #[graphql(name = "previewId")]
    async fn global_preview_id(&self) -> Option<ID> {
        let upstream = self.preview_id.as_deref().filter(|id| !id.is_empty())?;
        let id = AssetId {
            source: self.asset_source.clone(),
            upstream: upstream.into(),
        };
        Some(GlobalId::Asset(id).to_string().into())
    }

    /// Free-form metadata of the asset's users.
    #[graphql(name = "userMetadata")]
    async fn users_json(&self) -> Option<Json> {
        self.user_metadata.clone().map(Json)
    }

    /// The server's own metadata, such as kind and size of an image, without paths on its disk.
    async fn system_metadata(&self) -> Option<Json> {
        self.metadata.clone().map(Json)
    }
}
