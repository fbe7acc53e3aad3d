//! The list, its pages, and how each source fared.

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

/// Which range of the list a client wants, between cursors: [`Cursor`]s of lists sorted by a
/// time, [`RowAnchor`]s of others.
#[derive(Debug, Clone)]
pub struct PageRange<C> {
    /// `first`, as opposed to `last`.
    pub forward: bool,
    /// 1 to [`MAX_PAGE`].
    pub count: usize,
    pub after: Option<C>,
    pub before: Option<C>,
}

/// One source's part of the list.
#[derive(Clone)]
pub struct SourceList {
    pub source: Arc<dyn Source>,
    pub listing: ListKind,
    /// How the source pages this list in the order asked for.
    pub paging: Paging,
    /// The provider's own filters.
    pub parameters: Parameters,
    /// What they leave to be compared here.
    pub local: Vec<FilterField>,
    /// An asset is listed only with one of these tags; empty: any asset is.
    pub listed: Vec<String>,
}

/// The list and how it is read.
pub struct List {
    pub sources: Vec<SourceList>,
    /// Sources that can hold no match, and why: told, not asked.
    pub skipped: Vec<(Arc<dyn Source>, &'static str)>,
    pub order: Order,
    /// Every row that comes is held against this.
    pub filter: Filter,
    /// What a cursor of this list is bound to.
    pub fingerprint: Fingerprint,
    pub asset_cache: Arc<AssetCache>,
    pub context: Arc<RequestContext>,
}

/// One page.
pub struct ConnectionPage {
    /// In the list's order, whichever way the client walked.
    pub edges: Vec<Edge>,
    pub has_next_page: bool,
    pub has_previous_page: bool,
    /// Set whenever there is a next (previous) page, edges or not: it names the frontier that was
    /// read.
    pub start: Option<PagePosition>,
    pub end: Option<PagePosition>,
    /// Exact, or none.
    pub total: Option<u64>,
    /// In the order of names.
    pub sources: Vec<SourceOutcome>,
    pub(super) hints: Hints,
    pub(super) fingerprint: Fingerprint,
}

/// One asset on a page, with its place.
#[derive(Clone)]
pub struct Edge {
    pub asset: Arc<Asset>,
    pub place: PagePosition,
}

/// A place on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PagePosition {
    Key(Key),
    RowAnchor(RowAnchor),
}

/// How one source fared.
pub struct SourceOutcome {
    pub source: Arc<dyn Source>,
    /// Why it was not asked.
    pub skipped: Option<&'static str>,
    /// Why it is missing, wholly or from some point of the page on.
    pub error: Option<SourceError>,
    /// Why some of it is older than usual.
    pub stale: Option<SourceError>,
    /// All of it up to the page's far end is here; else walking on leaves some behind.
    pub is_complete: bool,
    pub total: Option<u64>,
    /// When the oldest answer used was read; none when there was none.
    pub fetched_at: Option<Timestamp>,
    /// Rows that belong on this page and cannot be shown.
    pub unreadable: Vec<Arc<Unreadable>>,
    pub execution: Execution,
}

impl SourceOutcome {
    /// Whether all that the source has of this page is on it, as it is now.
    #[must_use]
    pub fn misses_nothing(&self) -> bool {
        self.error.is_none() && self.stale.is_none() && self.unreadable.is_empty()
    }
}

/// How a source was asked, and what that took.
#[derive(Debug, Clone, Default)]
pub struct Execution {
    /// Fields of the filter that the source applied.
    pub pushed: Vec<FilterField>,
    /// Fields of the filter that were compared here, after reading.
    pub local: Vec<FilterField>,
    /// Filters as they went upstream, by name.
    pub parameters: Vec<(&'static str, String)>,
    pub rows_read: u64,
    /// List calls to the source that this request caused; what the cache had costs none.
    pub calls: u32,
}

impl Execution {
    /// Forgets the fields of a filter that the caller has not used: rows of a provider's own list are
    /// compared by some of them all the same.
    pub fn keep_notes(&mut self) {
        let is_field =
            |field: &FilterField| !matches!(field, FilterField::Hash | FilterField::ListedTags);
        self.pushed.clear();
        self.local.retain(|field| !is_field(field));
    }
}

/// There is no page: every source asked failed, or those that may hold more did, and nothing
/// lies between the client's cursor and where they would go on.
#[derive(Debug, Clone)]
pub struct Unanswered {
    /// By source, in the order of names; never empty.
    pub errors: Vec<(SourceName, SourceError)>,
    /// The others have nothing more.
    pub others_answered: bool,
}

impl ConnectionPage {
    /// The cursor of a place on this page.
    #[must_use]
    pub fn cursor(&self, place: &PagePosition) -> String {
        match place {
            PagePosition::Key(key) => Cursor {
                key: key.clone(),
                hints: self.hints.at(key),
            }
            .encode(&self.fingerprint),
            PagePosition::RowAnchor(spot) => spot.encode(&self.fingerprint),
        }
    }
}

impl List {
    /// Whether a row is one of the list's. One that cannot be read might be, and is reported; of
    /// one that is gone there is nothing to say.
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

    /// An empty page that says how all sources fared.
    pub(super) fn answered(&self, mut sources: Vec<SourceOutcome>) -> ConnectionPage {
        sources.extend(self.skipped.iter().map(|(source, reason)| SourceOutcome {
            source: Arc::clone(source),
            skipped: Some(*reason),
            error: None,
            stale: None,
            is_complete: true,
            // It holds no match.
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
                .and_then(|all| all.into_iter().try_fold(0, u64::checked_add)),
            sources,
            hints: Hints::default(),
            fingerprint: self.fingerprint,
        }
    }
}
