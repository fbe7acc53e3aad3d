//! Reads assets through the operation's loader.

use std::sync::Arc;

use async_graphql::Context;

use super::{error::of_source, operation::reading};
use crate::{
    asset::{Asset, AssetId},
    source::{DetailLevel, SourceError},
};

/// Reads an asset in the given detail; `None` when it is gone.
pub async fn load_variant(
    context: &Context<'_>,
    id: AssetId,
    detail_level: DetailLevel,
) -> async_graphql::Result<Option<Arc<Asset>>> {
    let operation = reading(context)?;
    let Some(source) = operation.registry.named(&id.source) else {
        return Ok(None);
    };
    match operation.loader.load(id, detail_level).await {
        Ok(asset) => Ok(Some(asset)),
        Err(SourceError::NotFound) => Ok(None),
        Err(error) => {
            let profile = source.profile();
            tracing::warn!(source = %profile.name, error = error.to_string(), "an asset could not be read");
            Err(of_source(profile, &error))
        }
    }
}
