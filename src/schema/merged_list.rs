//! The merged list of several sources, which the field `assets` returns.

use std::sync::Arc;

use async_graphql::Context;

use super::{
    connection::{self, AssetConnection, ListQuery, PageArguments},
    fast_path::FastPath,
    filter::AssetFilter,
};
use crate::source::{ListSelection, Order, Source};

/// Reads a page of the merged list of these sources.
///
/// # Errors
/// `BAD_USER_INPUT` for an invalid filter, and the errors of [`connection::resolve`].
pub async fn merged(
    context: &Context<'_>,
    sources: Vec<Arc<dyn Source>>,
    filter: &AssetFilter,
    order: Order,
    paging: PageArguments,
) -> async_graphql::Result<FastPath<AssetConnection>> {
    let fields = filter.fields()?;
    let described = ListQuery {
        name: connection::MERGED_LIST,
        sources: sources
            .into_iter()
            .map(|source| {
                let plan = source.plan(ListSelection::Merged(&fields), order.by);
                (source, plan)
            })
            .collect(),
        // Filter lists are sorted and deduplicated, so equal filters have equal arguments.
        arguments: fields.arguments(),
        filter: fields,
        order,
    };
    Box::pin(connection::resolve(context, described, paging)).await
}
