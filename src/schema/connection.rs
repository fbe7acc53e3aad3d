//! `AssetConnection`: a Relay connection over one ordered list of many sources.

mod sync_fields;

use std::sync::Arc;

use async_graphql::{Context, ErrorExtensions, Object, SimpleObject};

use super::{
    asset::AssetNode,
    error::{Code, bad_input, coded, unanswered},
    fast_path::FastPath,
    operation::reading,
    source_result::AssetSourceResult,
};
use crate::{
    asset::SourceName,
    connection::{
        BadCursor, ConnectionPage, Cursor, Edge, Fingerprint, List, MAX_PAGE, PagePosition,
        PageRange, RowAnchor, SourceList, SourceOutcome,
    },
    source::{Filter, ListPlan, NoCall, Order, Source},
};

/// The paging arguments `first`, `after`, `last` and `before`.
pub struct PageArguments {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

/// The page size when the client sends neither `first` nor `last`.
const DEFAULT_PAGE: usize = 20;

impl PageArguments {
    /// Returns the range of the list that the arguments select.
    fn range<C>(
        &self,
        decode: impl Fn(&str) -> Result<C, BadCursor>,
    ) -> async_graphql::Result<PageRange<C>> {
        let cursor = |name: &str, text: &Option<String>| {
            text.as_ref()
                .map(|text| decode(text))
                .transpose()
                .map_err(|bad| {
                    let field = vec![name.to_owned()];
                    coded(Code::BadCursor, format!("`{name}`: {bad}"))
                        .extend_with(|_, e| e.set("field", field.clone()))
                })
        };
        let (after, before) = (
            cursor("after", &self.after)?,
            cursor("before", &self.before)?,
        );
        let (forward, count) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(bad_input(
                    &["last"],
                    "`first` and `last` cannot be used together: page forward with `first` and \
                     `after`, or backward with `last` and `before`",
                ));
            }
            (None, Some(last)) => (false, within("last", last)?),
            (Some(first), None) => (true, within("first", first)?),
            (None, None) => (true, DEFAULT_PAGE),
        };
        Ok(PageRange {
            forward,
            count,
            after,
            before,
        })
    }
}

fn within(name: &str, count: i32) -> async_graphql::Result<usize> {
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_PAGE)
        .ok_or_else(|| {
            bad_input(
                &[name],
                format!("`{name}` must be 0 to {MAX_PAGE}; it is {count}"),
            )
        })
}

/// The name of the list over any sources, by `AssetFilter`. Other lists belong to one provider.
pub const MERGED_LIST: &str = "assets";

/// A list, as the arguments of a field describe it.
pub struct ListQuery {
    /// The field's name.
    pub name: &'static str,
    /// Each source's plan.
    pub sources: Vec<PlannedSource>,
    pub filter: Filter,
    /// The filter and all other arguments that identify the list, normalised.
    pub arguments: Vec<(&'static str, String)>,
    pub order: Order,
}

/// A source and its plan for a list, or why it makes no call.
pub type PlannedSource = (Arc<dyn Source>, Result<ListPlan, NoCall>);

/// Reads a page of a list.
pub async fn resolve(
    context: &Context<'_>,
    described: ListQuery,
    paging: PageArguments,
) -> async_graphql::Result<FastPath<AssetConnection>> {
    let operation = reading(context)?;
    let order = described.order;
    let mut arguments = described.arguments;
    arguments.push((
        "orderBy",
        format!("{} {:?}", order.by.word(), order.direction),
    ));
    let is_merged = described.name == MERGED_LIST;
    let fingerprint = Fingerprint::of(described.name, &arguments);
    let (sources, skipped) = parts(described.sources, order)?;
    let list = List {
        sources,
        skipped,
        filter: described.filter,
        order,
        fingerprint,
        asset_cache: Arc::clone(&operation.asset_cache),
        context: Arc::clone(&operation.context),
    };
    let wants_no_assets = paging.first == Some(0) || paging.last == Some(0);
    // Only these fields need the sources then.
    let needs_sources = !wants_no_assets || selects_beside_assets(context);
    let page = if order.by.is_time() {
        let mut range = paging.range(|text| Cursor::decode(text, &fingerprint))?;
        if !needs_sources {
            return Ok(FastPath(AssetConnection(Arc::new(list.empty()))));
        }
        range.count = range.count.max(1);
        list.page(&range).await
    } else {
        let queried = list.sources.first().map(|part| part.source.profile());
        let mut range = paging.range(|text| {
            let anchor = RowAnchor::decode(text, &fingerprint)?;
            // A position in one source's list means nothing in another's.
            match queried {
                Some(source) if !anchor.is_in(source) => Err(BadCursor),
                _ => Ok(anchor),
            }
        })?;
        if !needs_sources {
            return Ok(FastPath(AssetConnection(Arc::new(list.empty()))));
        }
        range.count = range.count.max(1);
        list.single_source_page(&range).await
    };
    if !page
        .as_ref()
        .is_ok_and(|page| page.sources.iter().all(SourceOutcome::is_gap_free))
    {
        operation.context.mark_uncacheable();
    }
    page.map(|mut page| {
        if wants_no_assets {
            page.drop_edges(paging.last.is_none());
        }
        if !is_merged {
            for outcome in &mut page.sources {
                outcome.execution.drop_filter_fields();
            }
        }
        FastPath(AssetConnection(Arc::new(page)))
    })
        .map_err(|failure| {
            for (source, error) in &failure.errors {
                tracing::warn!(%source, error = error.to_string(), "this source failed, so a list has no page");
            }
            unanswered(&failure)
        })
}

/// Whether a field is selected that is not about the page's assets.
fn selects_beside_assets(context: &Context<'_>) -> bool {
    let selected = context.look_ahead();
    let ends = selected.field("pageInfo");
    ends.field("hasNextPage").exists()
        || ends.field("hasPreviousPage").exists()
        || ["totalCount", "sourceResults", "isComplete"]
            .iter()
            .any(|field| selected.field(field).exists())
}

/// The source lists to query, and the skipped sources with their reasons.
type QueriedAndSkipped = (Vec<SourceList>, Vec<(Arc<dyn Source>, &'static str)>);

/// Splits the sources into those to query and those to skip. Returns `UNSUPPORTED_BY_SOURCE`, with
/// their names, when sources have no such list or order.
fn parts(sources: Vec<PlannedSource>, order: Order) -> async_graphql::Result<QueriedAndSkipped> {
    let count = sources.len();
    let (mut lists, mut skipped) = (Vec::new(), Vec::new());
    let mut unable: Vec<(SourceName, &str)> = Vec::new();
    for (source, plan) in sources {
        match plan {
            Ok(ListPlan { call, paging }) => lists.push(SourceList {
                source,
                listing: call.listing,
                paging,
                parameters: call.parameters,
                local: call.local,
                listed: call.listed,
                notes: call.notes,
            }),
            Err(NoCall::Skip(reason)) => skipped.push((source, reason)),
            Err(NoCall::Unsupported(reason)) => {
                unable.push((source.profile().name.clone(), reason));
            }
        }
    }
    if let ([(name, reason)], 1) = (unable.as_slice(), count) {
        return Err(coded(
            Code::UnsupportedBySource,
            format!(
                "source `{name}` does not support this list sorted by {}: {reason}. See its \
                 `capabilities`",
                order.by.word()
            ),
        ));
    }
    if !unable.is_empty() {
        let each: Vec<String> = unable
            .iter()
            .map(|(name, reason)| format!("`{name}` ({reason})"))
            .collect();
        return Err(coded(
            Code::UnsupportedBySource,
            format!(
                "some sources do not support this list sorted by {}: {}. Name only the \
                 others in `sources`, or choose another filter or order",
                order.by.word(),
                each.join(", ")
            ),
        ));
    }
    if !order.by.is_time() && lists.len() > 1 {
        let names: Vec<&str> = lists
            .iter()
            .map(|part| part.source.profile().name.as_str())
            .collect();
        return Err(coded(
            Code::UnsupportedBySource,
            format!(
                "every source sorts by {} in its own way, so such a list has one source; these \
                 are selected: {}. Choose one in `sources`",
                order.by.word(),
                names.join(", ")
            ),
        ));
    }
    Ok((lists, skipped))
}

/// Whether there are pages before and after this one, and the cursors to request them (Relay's
/// cursor connections specification, section 4).
#[derive(SimpleObject)]
#[graphql(shareable)]
pub struct PageInfo {
    /// Whether there is a page before this one. Request it with `last` and `before: startCursor`.
    pub has_previous_page: bool,
    /// Whether there is a page after this one. Request it with `first` and `after: endCursor`.
    pub has_next_page: bool,
    /// Cursor of the page's start. Set when `hasPreviousPage` is true, even if there are no edges.
    pub start_cursor: Option<String>,
    /// Cursor of the page's end. Set when `hasNextPage` is true, even if there are no edges: it
    /// marks how far the sources were read.
    pub end_cursor: Option<String>,
}

/// The GraphQL type `AssetConnection`: one page of a list.
pub struct AssetConnection(Arc<ConnectionPage>);

/// A page of assets of one or more sources, with the outcome of each source.
#[Object]
impl AssetConnection {
    /// The page's assets with their cursors, at most 100. A page may be empty and not the last.
    async fn edges(&self) -> Vec<FastPath<AssetEdge>> {
        self.all_edges().map(FastPath).collect()
    }

    /// The page's assets without cursors, at most 100.
    async fn nodes(&self) -> Vec<FastPath<AssetNode>> {
        self.all_nodes().map(FastPath).collect()
    }

    /// Whether there are more pages, and the cursors to request them. `hasNextPage` stays true
    /// while a failed source may have more assets: see `sourceResults`. If a page cannot advance
    /// past its cursor for that reason, the list is an error: loops over `hasNextPage` always end.
    async fn page_info(&self) -> PageInfo {
        self.ends()
    }

    /// The exact number of assets in the whole list; null when unknown. It is unknown when a
    /// source without `capabilities.hasExactCount` takes part, when the gateway filters after
    /// reading, and when a source failed. A page that read the whole list knows it all the same.
    async fn total_count(&self) -> Option<i64> {
        self.count()
    }

    /// The outcome of each source, sorted by name: one entry for each source of the list.
    async fn source_results(&self) -> Vec<AssetSourceResult> {
        self.0.sources.iter().map(AssetSourceResult::of).collect()
    }

    /// True when each source is `OK` or `SKIPPED` and no row is unreadable. Unlike the `isComplete`
    /// of a source result, it is false for `STALE` sources and for pages that a failure cut short.
    async fn is_complete(&self) -> bool {
        self.is_gap_free()
    }
}

impl AssetConnection {
    fn all_edges(&self) -> impl ExactSizeIterator<Item = AssetEdge> {
        self.0.edges.iter().map(|edge| AssetEdge {
            edge: edge.clone(),
            page: Arc::clone(&self.0),
        })
    }

    fn all_nodes(&self) -> impl ExactSizeIterator<Item = AssetNode> {
        let edges = self.0.edges.iter();
        edges.map(|edge| AssetNode(Arc::clone(&edge.asset)))
    }

    fn ends(&self) -> PageInfo {
        let cursor = |position: &Option<PagePosition>| {
            position.as_ref().map(|position| self.0.cursor(position))
        };
        PageInfo {
            has_previous_page: self.0.has_previous_page,
            has_next_page: self.0.has_next_page,
            start_cursor: cursor(&self.0.start),
            end_cursor: cursor(&self.0.end),
        }
    }

    fn is_gap_free(&self) -> bool {
        let mut sources = self.0.sources.iter();
        sources.all(SourceOutcome::is_gap_free)
    }

    fn count(&self) -> Option<i64> {
        self.0.total.and_then(|total| i64::try_from(total).ok())
    }
}

/// The GraphQL type `AssetEdge`.
pub struct AssetEdge {
    edge: Edge,
    page: Arc<ConnectionPage>,
}

/// An asset on a page, with the cursor of its position in the list.
#[Object]
impl AssetEdge {
    /// The asset.
    async fn node(&self) -> FastPath<AssetNode> {
        FastPath(AssetNode(Arc::clone(&self.edge.asset)))
    }

    /// Opaque position for `after` and `before` of the same list, `filter` and `orderBy`; `sources`
    /// and `providers` may differ. It outlives the asset and restarts, and works at every instance.
    async fn cursor(&self) -> String {
        self.page.cursor(&self.edge.place)
    }
}
