//! The list, its pages, and the outcome of each source.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    cursor::{Cursor, Fingerprint},
    hints::Hints,
    row_cursor::RowAnchor,
    sort_key::Key,
};
use crate::{
    asset::{Asset, SourceName},
    cache::AssetCache,
    source::{
        Filter, FilterField, ListKind, Order, Paging, Parameters, RequestContext, Row, Source,
        SourceError, Unreadable,
    },
};

/// The requested range of the list, between cursors. Lists sorted by a time use [`Cursor`]s, other
/// lists use [`RowAnchor`]s.
#[derive(Debug, Clone)]
pub struct PageRange<C> {
    /// True for `first`, false for `last`.
    pub forward: bool,
    /// The page size: 1 to [`MAX_PAGE`](super::MAX_PAGE).
    pub count: usize,
    pub after: Option<C>,
    pub before: Option<C>,
}

/// One source's part of the list.
#[derive(Clone)]
pub struct SourceList {
    pub source: Arc<dyn Source>,
    pub listing: ListKind,
    /// How the source pages this list in the requested order.
    pub paging: Paging,
    /// The provider's own filter parameters.
    pub parameters: Parameters,
    /// Filter fields that `parameters` do not cover, so the gateway compares them.
    pub local: Vec<FilterField>,
    /// Only assets with one of these tags are listed; empty: no restriction.
    pub listed: Vec<String>,
    /// What a client should know about the call, one sentence each.
    pub notes: Vec<&'static str>,
}

/// A list, and the context to read it.
pub struct List {
    pub sources: Vec<SourceList>,
    /// Sources that can hold no match, each with the reason. They are reported, not called.
    pub skipped: Vec<(Arc<dyn Source>, &'static str)>,
    pub order: Order,
    /// The gateway checks every row against this filter.
    pub filter: Filter,
    /// The fingerprint that this list's cursors are bound to.
    pub fingerprint: Fingerprint,
    pub asset_cache: Arc<AssetCache>,
    pub context: Arc<RequestContext>,
}

/// One page of a list.
pub struct ConnectionPage {
    /// Edges in the list's order, for both paging directions.
    pub edges: Vec<Edge>,
    pub has_next_page: bool,
    pub has_previous_page: bool,
    /// Set whenever there is a previous (for `end`: next) page, even without edges. It names the
    /// frontier of the rows read.
    pub start: Option<PagePosition>,
    pub end: Option<PagePosition>,
    /// The exact total; `None` if it is uncertain.
    pub total: Option<u64>,
    /// Sorted by source name.
    pub sources: Vec<SourceOutcome>,
    pub(super) hints: Hints,
    pub(super) fingerprint: Fingerprint,
}

/// One asset on a page, with its position.
#[derive(Clone)]
pub struct Edge {
    pub asset: Arc<Asset>,
    pub place: PagePosition,
}

/// A position on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PagePosition {
    Key(Key),
    RowAnchor(RowAnchor),
}

/// The outcome of reading one source.
pub struct SourceOutcome {
    pub source: Arc<dyn Source>,
    /// Why the gateway did not call it.
    pub skipped: Option<&'static str>,
    /// Why it is missing from the page, entirely or from some point on.
    pub error: Option<SourceError>,
    /// Why some of its rows are stale.
    pub stale: Option<SourceError>,
    /// Whether all its rows up to the page's far end were read; if not, the next page skips some.
    pub is_complete: bool,
    pub total: Option<u64>,
    /// When the oldest response used was fetched; `None` if there was none.
    pub fetched_at: Option<Timestamp>,
    /// Rows that belong on this page but cannot be shown.
    pub unreadable: Vec<Arc<Unreadable>>,
    pub execution: Execution,
}

impl SourceOutcome {
    /// Whether the page has all of the source's rows in its range, current and readable.
    #[must_use]
    pub fn is_gap_free(&self) -> bool {
        self.error.is_none() && self.stale.is_none() && self.unreadable.is_empty()
    }
}

/// How the gateway read a source, and at what cost.
#[derive(Debug, Clone, Default)]
pub struct Execution {
    /// Filter fields that the source applied.
    pub pushed: Vec<FilterField>,
    /// Filter fields that the gateway compared after reading.
    pub local: Vec<FilterField>,
    /// Filter parameters as sent upstream, by name.
    pub parameters: Vec<(&'static str, String)>,
    /// What a client should know about the calls, one sentence each.
    pub notes: Vec<&'static str>,
    pub rows_read: u64,
    /// List calls to the source that this request caused; cache hits cause none.
    pub calls: u32,
}

impl Execution {
    /// Drops filter fields that the caller did not use. The gateway compares rows of a provider's
    /// own list by some of them anyway.
    pub fn drop_filter_fields(&mut self) {
        let is_field =
            |field: &FilterField| !matches!(field, FilterField::Hash | FilterField::ListedTags);
        self.pushed.clear();
        self.local.retain(|field| !is_field(field));
    }
}

/// No page: every called source failed, or those that may hold more rows did. In the second case no
/// row lies between the client's cursor and the point where they would resume.
#[derive(Debug, Clone)]
pub struct ListUnavailable {
    /// Errors by source, sorted by source name; never empty.
    pub errors: Vec<(SourceName, SourceError)>,
    /// The other sources have no more rows.
    pub others_answered: bool,
}

impl ConnectionPage {
    /// Makes the page of a client that wants no assets, from one of at least one asset.
    pub fn drop_edges(&mut self, forward: bool) {
        let has_more = !self.edges.is_empty();
        if forward {
            self.has_next_page |= has_more;
        } else {
            self.has_previous_page |= has_more;
        }
        self.edges.clear();
        (self.start, self.end) = (None, None);
    }

    /// The cursor of a position on this page.
    #[must_use]
    pub fn cursor(&self, place: &PagePosition) -> String {
        match place {
            PagePosition::Key(key) => Cursor {
                key: key.clone(),
                hints: self.hints.at(key),
            }
            .encode(&self.fingerprint),
            PagePosition::RowAnchor(anchor) => anchor.encode(&self.fingerprint),
        }
    }
}

impl List {
    /// A page without reading any source.
    #[must_use]
    pub fn empty(&self) -> ConnectionPage {
        self.empty_page(Vec::new())
    }

    /// Whether a row belongs to the list. An unreadable row may belong, so it counts and is
    /// reported. `None` for a deleted row.
    pub(super) fn fits(&self, part: &SourceList, row: &Row) -> Option<bool> {
        match row {
            Row::Asset(asset) => {
                let is_listed = part.listed.is_empty()
                    || asset.tags.iter().any(|tag| part.listed.contains(tag));
                Some(is_listed && self.filter.fits(asset))
            }
            Row::Unreadable(_) => Some(true),
            Row::Gone(..) => None,
        }
    }

    /// An empty page with the outcomes of all sources, including the skipped ones.
    pub(super) fn empty_page(&self, mut sources: Vec<SourceOutcome>) -> ConnectionPage {
        sources.extend(self.skipped.iter().map(|(source, reason)| SourceOutcome {
            source: Arc::clone(source),
            skipped: Some(*reason),
            error: None,
            stale: None,
            is_complete: true,
            // A skipped source holds no match.
            total: Some(0),
            fetched_at: None,
            unreadable: Vec::new(),
            execution: Execution::default(),
        }));
        sources.sort_by(|a, b| a.source.profile().name.cmp(&b.source.profile().name));
        let totals = sources.iter().map(|outcome| outcome.total);
        ConnectionPage {
            edges: Vec::new(),
            has_next_page: false,
            has_previous_page: false,
            start: None,
            end: None,
            total: totals
                .collect::<Option<Vec<u64>>>()
                .and_then(|counts| counts.into_iter().try_fold(0, u64::checked_add)),
            sources,
            hints: Hints::default(),
            fingerprint: self.fingerprint,
        }
    }
}
