//! The root.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object};
use futures_util::future::join_all;

use super::{
    asset::{self, AssetNode},
    connection::{self, AssetConnection, ListQuery, Paging},
    error::bad_input,
    fast_path::{FastPath, FastPathList},
    filter::{AssetFilter, unknown_source},
    order::AssetOrder,
    reading,
    source::SourceNode,
};
use crate::{
    asset::{AssetId, GlobalId, SourceName},
    source::{Order, Registry, Source},
};

/// Anything with a global id.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "Global id, for `node`. Stable for ever."
))]
pub enum Node {
    Asset(AssetNode),
    Source(SourceNode),
}

/// What is not of one provider.
pub struct Root;

/// The root of queries.
#[Object]
impl Root {
    /// Refetches anything by its global id; null when it is gone or not visible. A text that is no id
    /// is an error.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The `id` of an asset or source, exactly as an answer gave it.")] id: ID,
    ) -> Option<async_graphql::Result<FastPath<Node>>> {
        let node = refetch(context, &["id"], &id).await;
        node.transpose().map(|own| own.map(FastPath))
    }

    /// Refetches several at once, one for each of at most 100 ids, in their order; null for each that is gone or not
    /// visible. An id that cannot be read is null with an error at its index; the others answer.
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "At most 100 ids of assets or sources.")] ids: Vec<ID>,
    ) -> async_graphql::Result<FastPathList> {
        let most = reading(context)?.ids;
        if ids.len() > most {
            return Err(bad_input(
                &["ids"],
                format!("`ids` has {} ids; {most} is the most at once", ids.len()),
            ));
        }
        // Each id stands for itself: one that fails leaves null and its own error.
        let read = ids
            .iter()
            .enumerate()
            .map(async |(index, id)| refetch(context, &["ids", &index.to_string()], id).await);
        let read = join_all(read).await.into_iter();
        let each = read.map(|own| own.transpose().map(|own| own.map(FastPath)));
        Ok(FastPathList(each.collect()))
    }

    /// One asset; null when it is gone or not visible. A text that is no asset's id is an error.
    async fn asset(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The asset's `id`, exactly as an answer gave it.")] id: ID,
    ) -> Option<async_graphql::Result<FastPath<AssetNode>>> {
        let asset = one_asset(context, &["id"], &id).await;
        asset.transpose().map(|own| own.map(FastPath))
    }

    /// The assets of all sources as one list, newest first unless `orderBy` says otherwise. Costs at
    /// most five list calls for each source and page; `sourceResults { execution }` has the calls made.
    /// A source that fails is in `sourceResults` while the others answer. Failing sources make the
    /// field an error only when all fail, or when a page could not get past its cursor without them.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 1 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 1 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
        #[graphql(desc = "Conditions that an asset must meet.")] filter: Option<AssetFilter>,
        #[graphql(
            desc = "How the list is sorted. Several sources: by CREATED_AT, or by UPDATED_AT where all of \
                    them have it. One source: by any of its `orderFields`.",
            default_with = "Some(AssetOrder::NEWEST)"
        )]
        order_by: Option<AssetOrder>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let paging = Paging {
            first,
            after,
            last,
            before,
        };
        let order = order_by.unwrap_or(AssetOrder::NEWEST);
        let filter = filter.unwrap_or_default();
        let sources = reading(context).and_then(|own| filter.sources(&own.registry));
        Some(match sources {
            Ok(sources) => merged(context, sources, &filter, order.into(), paging).await,
            Err(error) => Err(error),
        })
    }

    /// One source by its name; null when none has it.
    async fn asset_source(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "A name of the gateway's configuration.")] name: String,
    ) -> async_graphql::Result<Option<SourceNode>> {
        let registry = &reading(context)?.registry;
        Ok(SourceName::parse(&name)
            .ok()
            .and_then(|name| registry.named(&name))
            .map(|source| SourceNode(Arc::clone(source))))
    }

    /// Every source that this gateway serves, by name: as many as are configured.
    async fn asset_sources(&self, context: &Context<'_>) -> async_graphql::Result<Vec<SourceNode>> {
        let registry = &reading(context)?.registry;
        Ok(registry.all().iter().cloned().map(SourceNode).collect())
    }
}

/// Reads an id and checks that its source is configured; former names become current ones.
fn parse(path: &[&str], id: &ID, registry: &Registry) -> async_graphql::Result<GlobalId> {
    let parsed = GlobalId::parse(id).map_err(|invalid| bad_input(path, invalid.to_string()))?;
    let name = match &parsed {
        GlobalId::Asset(id) => &id.source,
        GlobalId::Source(name) => name,
    };
    let Some(source) = registry.named(name) else {
        return Err(unknown_source(path, name.as_str(), registry));
    };
    let current = source.profile().name.clone();
    Ok(match parsed {
        GlobalId::Asset(id) => GlobalId::Asset(AssetId {
            source: current,
            ..id
        }),
        GlobalId::Source(_) => GlobalId::Source(current),
    })
}

// Resolvers of nullable fields return `Option<Result<…>>`: an error inside the option nulls the
// field alone, one around it would null its siblings too.

async fn refetch(
    context: &Context<'_>,
    path: &[&str],
    id: &ID,
) -> async_graphql::Result<Option<Node>> {
    let registry = &reading(context)?.registry;
    match parse(path, id, registry)? {
        GlobalId::Asset(id) => Ok(asset::load(context, id).await?.map(Node::Asset)),
        GlobalId::Source(name) => Ok(registry
            .named(&name)
            .cloned()
            .map(SourceNode)
            .map(Node::Source)),
    }
}

/// An asset by its global id.
///
/// # Errors
/// For what is no id of an asset, or of a source that is not configured, and the source's.
pub async fn one_asset(
    context: &Context<'_>,
    path: &[&str],
    id: &ID,
) -> async_graphql::Result<Option<AssetNode>> {
    let registry = &reading(context)?.registry;
    match parse(path, id, registry)? {
        GlobalId::Asset(id) => asset::load(context, id).await,
        GlobalId::Source(name) => Err(bad_input(
            path,
            format!("this is the id of source `{name}`, not of an asset"),
        )),
    }
}

/// A source by its global id.
///
/// # Errors
/// For what is no id of a source.
pub fn one_source(
    context: &Context<'_>,
    path: &[&str],
    id: &ID,
) -> async_graphql::Result<Option<SourceNode>> {
    let registry = &reading(context)?.registry;
    match parse(path, id, registry)? {
        GlobalId::Source(name) => Ok(registry.named(&name).cloned().map(SourceNode)),
        GlobalId::Asset(_) => Err(bad_input(
            path,
            "this is the id of an asset, not of a source",
        )),
    }
}

/// The merged list of these sources.
///
/// # Errors
/// `BAD_USER_INPUT` for a filter that breaks a rule, and those of [`connection::resolve`].
pub async fn merged(
    context: &Context<'_>,
    sources: Vec<Arc<dyn Source>>,
    filter: &AssetFilter,
    order: Order,
    paging: Paging,
) -> async_graphql::Result<FastPath<AssetConnection>> {
    let fields = filter.fields()?;
    let described = ListQuery {
        name: connection::MERGED,
        sources: sources
            .into_iter()
            .map(|source| {
                let narrowed = source.push_down(&fields, order.by);
                (source, narrowed)
            })
            .collect(),
        // Sorted and without repeats, so equal filters print alike.
        arguments: fields.arguments(),
        filter: fields,
        order,
    };
    Box::pin(connection::resolve(context, described, paging)).await
}
