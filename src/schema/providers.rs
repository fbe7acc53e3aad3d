//! The providers' parts of the graph: a folder for each, registered here.

mod comfy;
mod piktid;
mod provider_query;
mod scenario;

use async_graphql::{MergedObject, OneofObject};

use self::{
    comfy::{list::ComfyLists, upload::ComfyUploadInput},
    piktid::list::PiktidLists,
    scenario::{list::ScenarioLists, upload::ScenarioUploadInput},
};
use super::field_cost::FieldCost;
use crate::{
    asset::Provider,
    source::{Registry, Source, UploadOptions},
};

/// The `Query` fields of the providers' own lists.
#[derive(MergedObject, Default)]
pub struct ProviderLists(ScenarioLists, PiktidLists, ComfyLists);

/// Upload options of one provider. Set exactly one field.
#[derive(OneofObject)]
pub enum AssetUploadOptionsInput {
    /// Options of an upload to Scenario.
    Scenario(ScenarioUploadInput),
    /// Options of an upload to Comfy.
    Comfy(ComfyUploadInput),
}

impl AssetUploadOptionsInput {
    /// Checks the options and translates them for an upload to `source`.
    pub fn options(
        &self,
        source: &dyn Source,
        registry: &Registry,
    ) -> async_graphql::Result<UploadOptions> {
        match self {
            Self::Scenario(input) => input.options(source, registry),
            Self::Comfy(input) => Ok(input.options()),
        }
    }
}

/// The cost of a field of a provider's part; `None` if it is another part's.
pub type ProviderCost = fn(&str, &str, FieldCost) -> Option<FieldCost>;

/// Every provider's costs.
pub const COSTS: [(Provider, ProviderCost); Provider::ALL.len()] = [
    (Provider::Scenario, scenario::cost),
    (Provider::Piktid, piktid::cost),
    (Provider::Comfy, comfy::cost),
];
