//! `AssetDetails`: the provider's own fields of an asset.

use async_graphql::Union;

use super::{
    comfy::details::ComfyDetails, piktid::details::PiktidDetails,
    scenario::details::ScenarioDetails,
};
use crate::asset::{Asset, Details};

/// The provider's own fields of an asset, under its own names. Types may be added: ignore others.
#[derive(Union)]
pub enum AssetDetails {
    Scenario(ScenarioDetails),
    Piktid(PiktidDetails),
    Comfy(ComfyDetails),
}

impl AssetDetails {
    /// Wraps the details of an asset without copying them.
    pub fn of(asset: &Asset) -> Self {
        match &asset.details {
            Details::Scenario(details) => Self::Scenario(ScenarioDetails {
                id: asset.id.clone(),
                details: details.clone(),
            }),
            Details::Piktid(details) => Self::Piktid(PiktidDetails(details.clone())),
            Details::Comfy(details) => Self::Comfy(ComfyDetails {
                details: details.clone(),
                source: asset.id.source.clone(),
            }),
        }
    }
}
