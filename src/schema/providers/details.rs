//! `AssetDetails`: what only an asset's provider knows.

use async_graphql::Union;

use super::{
    comfy::details::ComfyDetails, piktid::details::PiktidDetails,
    scenario::details::ScenarioDetails,
};
use crate::asset::{Asset, Details};

/// Fields that only the asset's provider has, as the provider names them.
#[derive(Union)]
pub enum AssetDetails {
    Scenario(ScenarioDetails),
    Piktid(PiktidDetails),
    Comfy(ComfyDetails),
}

impl AssetDetails {
    /// The details of an asset, without copying them.
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
