//! One stretch of a source's list: how it is asked for, and what comes.

use std::sync::Arc;

use jiff::Timestamp;

use crate::asset::Asset;

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Newest first: the connection's own order.
    Newest,
    /// Oldest first: read when a client pages backward.
    Oldest,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Newest,
        }
    }
}

/// Whose assets a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The credential's own account.
    Account,
    /// Everybody's public ones (Scenario's public token).
    Public,
}

/// What a list is sorted by. Only [`SortBy::CreatedAt`] is every source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
    Name,
    Size,
    LastAccessTime,
}

/// One stretch of a source's list. Also the cache's key for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListRequest {
    pub audience: Audience,
    pub by: SortBy,
    pub direction: Direction,
    /// Only what was created after this, when the source can (else ignored and re-checked above).
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
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

/// A provider's own query parameters, sorted by name: made by its typed `…Parameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Parameters(pub Vec<(&'static str, String)>);

impl Parameters {
    /// Sorted, so that equal filters are equal cache keys.
    #[must_use]
    pub fn new(mut pairs: Vec<(&'static str, String)>) -> Self {
        pairs.sort();
        Self(pairs)
    }
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
    /// All rows that match, where the source says.
    pub total: Option<u64>,
    pub fetched_at: Timestamp,
    /// Its assets are what reads by id would give.
    pub primes: bool,
    /// The source asked not to keep it (`Cache-Control: no-store`).
    pub no_store: bool,
}

/// One row of a page.
#[derive(Debug, Clone)]
pub enum Row {
    Asset(Arc<Asset>),
    /// It keeps its slot by what could be read of it, and is reported: never dropped silently.
    Unreadable(Arc<Unreadable>),
}

impl Row {
    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Asset(asset) => asset.weight(),
            Self::Unreadable(_) => 512,
        }
    }
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub upstream_id: Option<Box<str>>,
    pub created_at: Option<Timestamp>,
    /// The JSON path in the answer, such as `assets[3].metadata`.
    pub path: String,
    pub message: String,
}
