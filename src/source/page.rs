//! One stretch of a source's list: how it is asked for, and what comes.

use std::sync::Arc;

use jiff::Timestamp;

use crate::asset::Asset;

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Newest (last, largest) first.
    Descending,
    /// Oldest (first, smallest) first.
    Ascending,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Descending => Self::Ascending,
            Self::Ascending => Self::Descending,
        }
    }
}

/// Which of a source's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// What the credential's account has.
    Own,
    /// Everybody's public assets (Scenario's public token).
    Public,
    /// What a search of its own finds, where that is another list (Scenario's `/search/assets`).
    Search,
}

/// What a list is sorted by. Only [`SortBy::CreatedAt`] is every source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
    /// In the source's own collation, as all that follow.
    Name,
    Size,
    LastAccessTime,
}

impl SortBy {
    /// Whether it is a time, which compares alike everywhere; else only the source knows its order.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::CreatedAt | Self::UpdatedAt)
    }

    /// As the graph spells it.
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

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    pub by: SortBy,
    pub direction: Direction,
}

impl Order {
    /// Newest first: what a client gets that does not say.
    pub const NEWEST: Self = Self {
        by: SortBy::CreatedAt,
        direction: Direction::Descending,
    };
}

/// One stretch of a source's list. Also the cache's key for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListRequest {
    pub listing: ListKind,
    pub order: Order,
    /// Only what is later than this by the time it is sorted by, when the source can (else ignored
    /// and re-checked above).
    pub after: Option<Timestamp>,
    pub before: Option<Timestamp>,
    pub position: Position,
    /// At least this many rows, up to the source's cap; more may come.
    pub length: u32,
    /// The provider's own filters.
    pub parameters: Parameters,
}

/// Where in the list a stretch begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Position {
    Start,
    /// The source's own token for the next page.
    Token(Box<str>),
    /// Rows to skip.
    Offset(u64),
}

/// A provider's own query parameters, sorted by name: made by its typed `…Parameters`. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Parameters(pub Arc<[(&'static str, String)]>);

impl Parameters {
    /// Sorted, so that equal filters are equal cache keys.
    #[must_use]
    pub fn new(mut pairs: Vec<(&'static str, String)>) -> Self {
        pairs.sort();
        Self(pairs.into())
    }
}

/// Parameters that break a rule of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// The field to change, as the graph spells it.
    pub field: &'static str,
    /// The entry of it that breaks the rule, where it is a list.
    pub entry: Option<String>,
    /// What the rule is.
    pub rule: String,
}

/// What one list call brought.
#[derive(Debug)]
pub struct Page {
    /// In the order asked for.
    pub rows: Vec<Row>,
    /// Where the next page begins, for sources that page by token.
    pub next: Option<Box<str>>,
    /// Rows before the first one here, for sources that page by position.
    pub offset: u64,
    /// Nothing follows in this direction.
    pub last: bool,
    /// Rows of this list, where the source says, perhaps about.
    pub total: Option<u64>,
    /// `total` is no estimate, and counts what was asked for.
    pub counts: bool,
    pub fetched_at: Timestamp,
    /// Its assets are what reads by id would give.
    pub primes: bool,
    /// The source asked not to keep it (`Cache-Control: no-store`).
    pub no_store: bool,
}

impl Page {
    /// Rows up to the last one here, for sources that page by position.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.rows.len() as u64
    }
}

/// One row of a page.
#[derive(Debug, Clone)]
pub enum Row {
    Asset(Arc<Asset>),
    /// It keeps its slot by what could be read of it, and is reported: never dropped silently.
    Unreadable(Arc<Unreadable>),
    /// It keeps its slot too, but there is nothing to show: a search index that lags still lists
    /// an asset that was deleted.
    Gone(Arc<str>, Timestamp),
}

impl Row {
    /// The asset's id at the source; empty where it cannot be read.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Asset(asset) => &asset.id.upstream,
            Self::Unreadable(bad) => bad.upstream_id.as_deref().unwrap_or_default(),
            Self::Gone(id, _) => id,
        }
    }

    /// The same, to keep.
    #[must_use]
    pub fn shared_id(&self) -> Arc<str> {
        match self {
            Self::Asset(asset) => Arc::clone(&asset.id.upstream),
            Self::Unreadable(bad) => bad.upstream_id.clone().unwrap_or_default(),
            Self::Gone(id, _) => Arc::clone(id),
        }
    }

    /// About how many bytes it takes in memory.
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
    /// The JSON path in the answer, such as `assets[3].metadata`.
    pub path: String,
    pub message: String,
}
