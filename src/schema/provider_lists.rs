//! The providers' own lists, each with every filter and order that its endpoint has.

mod comfy;
mod piktid;
mod scenario;

use std::sync::Arc;

use async_graphql::{Context, Object};

use self::{
    comfy::{ComfyAssetFilter, ComfyAssetOrder},
    piktid::{PiktidAssetFilter, PiktidAssetOrder},
    scenario::{ScenarioAssetFilter, ScenarioAssetOrder, ScenarioPublicAssetFilter},
};
use super::{
    connection::{self, AssetConnection, ListQuery, Paging},
    error::bad_input,
    fast_path::FastPath,
    filter::named,
    reading,
    source::AssetProvider,
};
use crate::{
    asset::{Provider, SourceName},
    source::{BrokenRule, Filter, FilterField, ListKind, Order, Parameters, Pushdown},
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

/// Bytes of a filter on its way upstream, each up to three letters of an address.
const MAX_SAID: usize = 2_500;

/// What a provider's own filter comes to.
struct ProviderQuery {
    parameters: Parameters,
    /// What rows are held against here.
    filter: Filter,
    /// What of it the provider cannot be relied on for.
    local: Vec<FilterField>,
}

/// One provider's own list.
struct ProviderList {
    name: &'static str,
    provider: Provider,
    listing: ListKind,
    sources: Option<Vec<String>>,
    order: Order,
}

impl ProviderList {
    async fn resolve(
        self,
        context: &Context<'_>,
        asked: async_graphql::Result<ProviderQuery>,
        [first, last]: [Option<i32>; 2],
        [after, before]: [Option<String>; 2],
    ) -> async_graphql::Result<FastPath<AssetConnection>> {
        let asked = asked?;
        let registry = &reading(context)?.registry;
        let own = AssetProvider::from(self.provider);
        let mut sources = named(&["sources"], self.sources.as_deref(), registry)?;
        let is_other = |provider| AssetProvider::from(provider) != own;
        for (index, name) in self.sources.iter().flatten().enumerate() {
            let source = SourceName::parse(name).ok();
            let source = source.and_then(|name| registry.named(&name));
            let profile = source.map(|source| source.profile());
            if let Some(other) = profile.filter(|profile| is_other(profile.provider)) {
                return Err(bad_input(
                    &["sources", &index.to_string()],
                    format!(
                        "source `{}` is no {} source, and `{}` lists those only",
                        other.name,
                        own.word(),
                        self.name
                    ),
                ));
            }
        }
        sources.retain(|source| !is_other(source.profile().provider));
        // An address has room for some 8,000 letters at the shortest-sighted of servers.
        let said: usize = asked.parameters.0.iter().map(|(_, v)| v.len()).sum();
        if said > MAX_SAID {
            return Err(bad_input(
                &["filter"],
                format!(
                    "the filter comes to {said} bytes; {MAX_SAID} is the most that surely arrives: \
                     ask for less at once"
                ),
            ));
        }
        let mut arguments = asked.parameters.0.to_vec();
        arguments.extend(asked.filter.arguments());
        let ask = Pushdown::Ask {
            listing: self.listing,
            parameters: asked.parameters,
            local: asked.local,
            listed: Vec::new(),
        };
        let described = ListQuery {
            name: self.name,
            sources: sources
                .into_iter()
                .map(|source| (Arc::clone(&source), ask.clone()))
                .collect(),
            filter: asked.filter,
            arguments,
            order: self.order,
        };
        let paging = Paging {
            first,
            after,
            last,
            before,
        };
        Box::pin(connection::resolve(context, described, paging)).await
    }
}

/// A rule of a provider's as an error; `lists` are the filter's lists, as they came.
fn broken(rule: &BrokenRule, lists: &[(&str, &Option<Vec<String>>)]) -> async_graphql::Error {
    let list = lists.iter().find(|(field, _)| *field == rule.field);
    let entries = list.and_then(|(_, entries)| entries.as_deref());
    let is_entry = |entry: &String| rule.entry.as_deref() == Some(entry.trim());
    let index = entries.and_then(|entries| entries.iter().position(is_entry));
    let index = index.map(|index| index.to_string());
    let mut path = vec!["filter", rule.field];
    path.extend(index.as_deref());
    bad_input(&path, format!("`{}`: {}", path.join("."), rule.rule))
}
