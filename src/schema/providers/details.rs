//! `AssetDetails`: the provider's own fields of an asset.

use std::sync::Arc;

use async_graphql::Union;

use crate::asset::{Asset, Details, comfy, piktid, scenario};

/// The provider's own fields of an asset, under its own names. Types may be added: ignore others.
#[derive(Union)]
pub enum AssetDetails {
    Scenario(Arc<scenario::Details>),
    Piktid(Arc<piktid::Details>),
    Comfy(Arc<comfy::Details>),
}

impl AssetDetails {
    /// Wraps the details of an asset without copying them.
    pub fn of(asset: &Asset) -> Self {
        match &asset.details {
            Details::Scenario(details) => Self::Scenario(Arc::clone(details)),
            Details::Piktid(details) => Self::Piktid(Arc::clone(details)),
            Details::Comfy(details) => Self::Comfy(Arc::clone(details)),
        }
    }
}
