//! The query root: reads by id, the merged list, and the sources.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use futures_util::future::join_all;

use super::{
    asset::AssetNode,
    connection::{AssetConnection, PageArguments},
    error::bad_input,
    fast_path::FastPath,
    filter::AssetFilter,
    merged_list::merged,
    node::{FastPathList, Node, one_asset, refetch},
    operation::reading,
    order::AssetOrder,
    source::SourceNode,
};
use crate::asset::SourceName;

// Resolvers of nullable fields return `Option<Result<…>>`. An error inside the option nulls only
// the field; an error around it would null its siblings too.

/// The `Query` fields that are not specific to a provider.
pub struct CommonQueries;

/// The `Query` fields that are not specific to a provider.
#[Object]
impl CommonQueries {
    /// Fetches an asset or source by its global id; null when it is gone or not visible. A
    /// malformed id is an error.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The `id` of an asset or source, exactly as it was returned.")] id: ID,
    ) -> Option<async_graphql::Result<FastPath<Node>>> {
        let node = refetch(context, &["id"], &id).await;
        node.transpose().map(|result| result.map(FastPath))
    }

    /// Fetches at most 100 assets or sources by global id, in the order of `ids`. Null for each
    /// that is gone or not visible. A malformed id is null with an error at its index.
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "At most 100 ids of assets or sources.")] ids: Vec<ID>,
    ) -> async_graphql::Result<FastPathList> {
        let limit = reading(context)?.ids;
        if ids.len() > limit {
            return Err(bad_input(
                &["ids"],
                format!("`ids` has {} ids; {limit} is the most at once", ids.len()),
            ));
        }
        // The ids are independent: one that fails becomes null with its own error.
        let read = ids
            .iter()
            .enumerate()
            .map(async |(index, id)| refetch(context, &["ids", &index.to_string()], id).await);
        let read = join_all(read).await.into_iter();
        let each = read.map(|result| result.transpose().map(|result| result.map(FastPath)));
        Ok(FastPathList(each.collect()))
    }

    /// Fetches an asset by global id; null when it is gone or not visible. Other ids are an error.
    async fn asset(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The asset's `id`, exactly as it was returned.")] id: ID,
    ) -> Option<async_graphql::Result<FastPath<AssetNode>>> {
        let asset = one_asset(context, &["id"], &id).await;
        asset.transpose().map(|result| result.map(FastPath))
    }

    /// The assets of all sources as one list, newest first by default. A page usually costs at most
    /// five list calls for each source: see `sourceResults { execution { calls } }`. A failed
    /// source is reported in `sourceResults` while the others answer. The field is an error only
    /// when all sources fail, or a page cannot advance past its cursor without the failed ones.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 0 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 0 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
        #[graphql(desc = "Conditions that an asset must meet.")] filter: Option<AssetFilter>,
        #[graphql(
            desc = "How the list is sorted. Several sources: CREATED_AT, or UPDATED_AT if all of \
                    them have it. One source: by any of its `orderFields`.",
            default_with = "Some(AssetOrder::NEWEST)"
        )]
        order_by: Option<AssetOrder>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let paging = PageArguments {
            first,
            after,
            last,
            before,
        };
        let order = order_by.unwrap_or(AssetOrder::NEWEST);
        let filter = filter.unwrap_or_default();
        let sources = reading(context).and_then(|operation| filter.sources(&operation.registry));
        Some(match sources {
            Ok(sources) => merged(context, sources, &filter, order.into(), paging).await,
            Err(error) => Err(error),
        })
    }

    /// The source with this name; null when there is none.
    async fn asset_source(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The source's name in the gateway's configuration.")] name: String,
    ) -> async_graphql::Result<Option<SourceNode>> {
        let registry = &reading(context)?.registry;
        Ok(SourceName::parse(&name)
            .ok()
            .and_then(|name| registry.named(&name))
            .map(|source| SourceNode(Arc::clone(source))))
    }

    /// All sources of this gateway, sorted by name: as many as are configured.
    async fn asset_sources(&self, context: &Context<'_>) -> async_graphql::Result<Vec<SourceNode>> {
        let registry = &reading(context)?.registry;
        Ok(registry.all().iter().cloned().map(SourceNode).collect())
    }
}
