//! Requests for pages of a source's list, and the pages themselves.

use std::sync::Arc;

use jiff::Timestamp;

use crate::asset::Asset;

/// The sort direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Newest (last, largest) first.
    Descending,
    /// Oldest (first, smallest) first.
    Ascending,
}

impl Direction {
    /// Returns the opposite direction.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Descending => Self::Ascending,
            Self::Ascending => Self::Descending,
        }
    }
}

/// One of a source's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// The assets of the credential's account.
    Own,
    /// All public assets.
    Public,
    /// The results of a search, if it is a separate list.
    Search,
}

/// The sort key of a list. Only [`SortBy::CreatedAt`] exists at every source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
    /// In the source's own collation, like the keys below.
    Name,
    Size,
    LastAccessTime,
}

impl SortBy {
    /// Whether the key is a time. Times compare alike everywhere; other keys do so per source.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::CreatedAt | Self::UpdatedAt)
    }

    /// Returns the key's name in the GraphQL schema.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreatedAt => "CREATED_AT",
            Self::UpdatedAt => "UPDATED_AT",
            Self::Name => "NAME",
            Self::Size => "SIZE",
            Self::LastAccessTime => "LAST_ACCESS_TIME",
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    pub by: SortBy,
    pub direction: Direction,
}

impl Order {
    /// Newest first: the default order.
    pub const NEWEST: Self = Self {
        by: SortBy::CreatedAt,
        direction: Direction::Descending,
    };
}

/// A request for one page of a source's list. It is also the cache key of that page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListRequest {
    pub listing: ListKind,
    pub order: Order,
    /// Exclusive lower bound on the sort time. A source that cannot filter by it ignores it, so
    /// callers check it again.
    pub after: Option<Timestamp>,
    pub before: Option<Timestamp>,
    pub position: Position,
    /// Minimum number of rows, up to the source's cap; the page may have more.
    pub length: u32,
    /// The provider-specific filters.
    pub parameters: Parameters,
}

/// Where in the list a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Position {
    Start,
    /// The source's token for the next page.
    Token(Box<str>),
    /// Number of rows to skip.
    Offset(u64),
}

/// A provider's query parameters, sorted by name, made by its `…Parameters`. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Parameters(pub Arc<[(&'static str, String)]>);

impl Parameters {
    /// Sorts the pairs, so that equal filters are equal cache keys.
    #[must_use]
    pub fn new(mut pairs: Vec<(&'static str, String)>) -> Self {
        pairs.sort();
        Self(pairs.into())
    }
}

/// A rule of the contract that parameters break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// The field to change, by its GraphQL name.
    pub field: &'static str,
    /// The list entry that breaks the rule, if the field is a list.
    pub entry: Option<String>,
    /// The rule in words.
    pub rule: String,
}

/// The result of one list call.
#[derive(Debug)]
pub struct Page {
    /// In the requested order.
    pub rows: Vec<Row>,
    /// Token of the next page, for sources that page by token.
    pub next: Option<Box<str>>,
    /// Number of rows before this page, for sources that page by position.
    pub offset: u64,
    /// No page follows in this direction.
    pub last: bool,
    /// Number of rows in the list, if the source reports it; it may be an estimate.
    pub total: Option<u64>,
    /// `total` is exact and counts only rows that match the request.
    pub is_total_exact: bool,
    pub fetched_at: Timestamp,
    /// The assets equal those of reads by id, so they may fill the cache.
    pub can_prime_cache: bool,
    /// The source forbids caching (`Cache-Control: no-store`).
    pub no_store: bool,
}

impl Page {
    /// Returns the position after the last row, for sources that page by position.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.rows.len() as u64
    }
}

/// One row of a page.
#[derive(Debug, Clone)]
pub enum Row {
    Asset(Arc<Asset>),
    /// An undecodable row. Its readable fields keep its position; it is reported, not dropped.
    Unreadable(Arc<Unreadable>),
    /// A deleted asset that a lagging search index still lists. It keeps its position, but there is
    /// nothing to show.
    Gone(Arc<str>, Timestamp),
}

impl Row {
    /// Returns the asset's id at the source, or an empty text if it cannot be read.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Asset(asset) => &asset.id.upstream,
            Self::Unreadable(bad) => bad.upstream_id.as_deref().unwrap_or_default(),
            Self::Gone(id, _) => id,
        }
    }

    /// Returns the same id as a shared string.
    #[must_use]
    pub fn shared_id(&self) -> Arc<str> {
        match self {
            Self::Asset(asset) => Arc::clone(&asset.id.upstream),
            Self::Unreadable(bad) => bad.upstream_id.clone().unwrap_or_default(),
            Self::Gone(id, _) => Arc::clone(id),
        }
    }

    /// Returns the row's approximate size in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Asset(asset) => asset.weight(),
            Self::Unreadable(_) | Self::Gone(..) => 512,
        }
    }
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub upstream_id: Option<Arc<str>>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    /// The JSON path in the response, such as `assets[3].metadata`.
    pub path: String,
    pub message: String,
}
