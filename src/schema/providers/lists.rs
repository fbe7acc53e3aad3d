//! Each provider's own list, with every filter and order that its endpoint supports.

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

/// The `Query` fields of the providers' own lists.
pub struct ProviderLists;

/// The `Query` fields of the providers' own lists.
#[Object]
impl ProviderLists {
    /// Scenario's own list (`GET /assets`) with its own filters, over all Scenario sources or those
    /// named. An argument that breaks a rule of Scenario is an error, before any upstream call.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn scenario_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Scenario sources to list, by name. Null: all. An empty list: an error.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Scenario's own filters.")] filter: Option<ScenarioAssetFilter>,
        #[graphql(
            desc = "How Scenario sorts the list.",
            default_with = "Some(ScenarioAssetOrder::NEWEST)"
        )]
        order_by: Option<ScenarioAssetOrder>,
        #[graphql(
            desc = "Whether `url` points to the original file, without Scenario's transformation.",
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
        let query = filter.unwrap_or_default().query(order, original_assets);
        let list = ProviderList {
            name: "scenarioAssets",
            provider: Provider::Scenario,
            listing: ListKind::Own,
            sources,
            order,
        };
        Some(
            list.resolve(context, query, [first, last], [after, before])
                .await,
        )
    }

    /// The public Scenario assets of all organisations, read with Scenario's public token. Only
    /// this Scenario list filters by tags upstream. Every Scenario source returns the same assets:
    /// with several configured, name one in `sources`.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn scenario_public_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Scenario sources to list, by name. Null: all. An empty list: an error.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Scenario's own filters.")] filter: Option<ScenarioPublicAssetFilter>,
        #[graphql(
            desc = "How Scenario sorts the list.",
            default_with = "Some(ScenarioAssetOrder::NEWEST)"
        )]
        order_by: Option<ScenarioAssetOrder>,
        #[graphql(
            desc = "Whether `url` points to the original file, without Scenario's transformation.",
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
        let query = filter.unwrap_or_default().query(order, original_assets);
        let list = ProviderList {
            name: "scenarioPublicAssets",
            provider: Provider::Scenario,
            listing: ListKind::Public,
            sources,
            order,
        };
        Some(
            list.resolve(context, query, [first, last], [after, before])
                .await,
        )
    }

    /// PiktID's own list (`GET /assets`) with its own filters, over all PiktID sources or those
    /// named. An argument that breaks a rule of PiktID is an error, before any upstream call.
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
        let query = filter.unwrap_or_default().query();
        Some(
            list.resolve(context, query, [first, last], [after, before])
                .await,
        )
    }

    /// Comfy's own list (`GET /api/assets`) with the filters of all its versions, over all Comfy
    /// sources or those named. Unlike `assets`, it adds no filters: Comfy Cloud hides some
    /// categories when no tag is given, and includes public assets unless `includePublic` is false.
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
        let query = filter.unwrap_or_default().query();
        Some(
            list.resolve(context, query, [first, last], [after, before])
                .await,
        )
    }
}
