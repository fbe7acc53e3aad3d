//! The providers' own lists, each with every filter and order that its endpoint has.

use async_graphql::{Context, Object};

use super::{
    comfy::list::{ComfyAssetFilter, ComfyAssetOrder},
    piktid::list::{PiktidAssetFilter, PiktidAssetOrder},
    provider_query::ProviderList,
    scenario::list::{ScenarioAssetFilter, ScenarioAssetOrder, ScenarioPublicAssetFilter},
};
use crate::{
    asset::Provider,
    schema::{connection::AssetConnection, fast_path::FastPath},
    source::ListKind,
};

/// The providers' own lists.
pub struct ProviderLists;

/// The providers' own lists.
#[Object]
impl ProviderLists {
    /// Scenario's list (`GET /assets`) with every parameter it has, of all Scenario sources or
    /// those named. What breaks a rule of Scenario's is refused before any call.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn scenario_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Lists these Scenario sources, by name. Default: all of them.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Scenario's own filters.")] filter: Option<ScenarioAssetFilter>,
        #[graphql(
            desc = "How Scenario sorts.",
            default_with = "Some(ScenarioAssetOrder::NEWEST)"
        )]
        order_by: Option<ScenarioAssetOrder>,
        #[graphql(
            desc = "Whether `url` leads to the file without transformation.",
            default
        )]
        original_assets: bool,
        #[graphql(desc = "Returns up to `first` assets after `after`. 1 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 1 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(ScenarioAssetOrder::NEWEST).into();
        let asked = filter.unwrap_or_default().asked(order, original_assets);
        let list = ProviderList {
            name: "scenarioAssets",
            provider: Provider::Scenario,
            listing: ListKind::Own,
            sources,
            order,
        };
        Some(
            list.resolve(context, asked, [first, last], [after, before])
                .await,
        )
    }

    /// Every organisation's public Scenario assets, read with the public token: the one Scenario
    /// list that filters by tags upstream. Every Scenario source sees the same ones, so name one
    /// where there are several.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn scenario_public_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Lists these Scenario sources, by name. Default: all of them.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Scenario's own filters.")] filter: Option<ScenarioPublicAssetFilter>,
        #[graphql(
            desc = "How Scenario sorts.",
            default_with = "Some(ScenarioAssetOrder::NEWEST)"
        )]
        order_by: Option<ScenarioAssetOrder>,
        #[graphql(
            desc = "Whether `url` leads to the file without transformation.",
            default
        )]
        original_assets: bool,
        #[graphql(desc = "Returns up to `first` assets after `after`. 1 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 1 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(ScenarioAssetOrder::NEWEST).into();
        let asked = filter.unwrap_or_default().asked(order, original_assets);
        let list = ProviderList {
            name: "scenarioPublicAssets",
            provider: Provider::Scenario,
            listing: ListKind::Public,
            sources,
            order,
        };
        Some(
            list.resolve(context, asked, [first, last], [after, before])
                .await,
        )
    }

    /// PiktID's list (`GET /assets`) with every parameter it has, of all PiktID sources or those
    /// named. What breaks a rule of PiktID's is refused before any call.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn piktid_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Lists these PiktID sources, by name. Default: all of them.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "PiktID's own filters.")] filter: Option<PiktidAssetFilter>,
        #[graphql(
            desc = "How PiktID sorts. By FILENAME within one source only.",
            default_with = "Some(PiktidAssetOrder::NEWEST)"
        )]
        order_by: Option<PiktidAssetOrder>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 1 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 1 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(PiktidAssetOrder::NEWEST).into();
        let list = ProviderList {
            name: "piktidAssets",
            provider: Provider::Piktid,
            listing: ListKind::Own,
            sources,
            order,
        };
        let asked = filter.unwrap_or_default().asked();
        Some(
            list.resolve(context, asked, [first, last], [after, before])
                .await,
        )
    }

    /// Comfy's list (`GET /api/assets`) with every parameter that any generation of it has, of all
    /// Comfy sources or those named. Unlike `assets` it sends nothing of its own: Comfy Cloud hides
    /// some categories from a list that names no tag, and shows public assets unless told not to.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn comfy_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Lists these Comfy sources, by name. Default: all of them.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Comfy's own filters.")] filter: Option<ComfyAssetFilter>,
        #[graphql(
            desc = "How Comfy sorts. By NAME, SIZE and LAST_ACCESS_TIME within one source only.",
            default_with = "Some(ComfyAssetOrder::NEWEST)"
        )]
        order_by: Option<ComfyAssetOrder>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 1 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 1 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(ComfyAssetOrder::NEWEST).into();
        let list = ProviderList {
            name: "comfyAssets",
            provider: Provider::Comfy,
            listing: ListKind::Own,
            sources,
            order,
        };
        let asked = filter.unwrap_or_default().asked();
        Some(
            list.resolve(context, asked, [first, last], [after, before])
                .await,
        )
    }
}
