//! The fields of `ScenarioDetails` that are addresses or times, or cost a call.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context};

use crate::{
    asset::{
        AssetId,
        scenario::{self, Details, QualityGate, link::Link},
    },
    schema::{
        loading::load_variant,
        scalars::{DateTime, Json, Url},
    },
    source::DetailLevel,
};

#[ComplexObject]
impl Details {
    /// The asset's embedding vector. Selecting it costs one upstream call for each asset.
    #[graphql(name = "embedding")]
    async fn embedding_or_read(
        &self,
        context: &Context<'_>,
    ) -> Option<async_graphql::Result<Vec<f64>>> {
        if let Some(embedding) = &self.embedding {
            return Some(Ok(embedding.clone()));
        }
        let full = full(context, &self.id).await.transpose()?;
        full.map(|details| details.embedding.clone()).transpose()
    }

    /// URL of the file as uploaded; null unless Scenario re-encoded it.
    #[graphql(name = "originalFileUrl")]
    async fn original_url(&self) -> Option<Url> {
        self.original_file_url.clone().map(Url)
    }

    /// When the asset was deleted. Sent only in lists of deleted assets.
    #[graphql(name = "deletedAt")]
    async fn deletion_time(&self) -> Option<DateTime> {
        self.deleted_at.map(DateTime::at)
    }
}

#[ComplexObject]
impl QualityGate {
    /// The full assessment. Selecting it costs one upstream call for each asset.
    #[graphql(name = "details")]
    async fn details_or_read(&self, context: &Context<'_>) -> Option<async_graphql::Result<Json>> {
        if let Some(details) = &self.details {
            return Some(Ok(Json(details.clone())));
        }
        let full = full(context, self.asset_id.as_ref()?).await.transpose()?;
        full.map(|full_details| {
            full_details
                .quality_gate
                .as_ref()?
                .details
                .clone()
                .map(Json)
        })
        .transpose()
    }
}

#[ComplexObject]
impl Link {
    /// URL of the asset's file. It is signed and expires.
    #[graphql(name = "url")]
    async fn signed_url(&self) -> Option<Url> {
        self.url.clone().map(Url)
    }
}

/// Reads the details with the fields that cost a call of their own.
async fn full(
    context: &Context<'_>,
    id: &AssetId,
) -> async_graphql::Result<Option<Arc<scenario::Details>>> {
    let asset = load_variant(context, id.clone(), DetailLevel::Full).await?;
    Ok(asset.and_then(|asset| {
        let crate::asset::Details::Scenario(details) = &asset.details else {
            return None;
        };
        Some(Arc::clone(details))
    }))
}
