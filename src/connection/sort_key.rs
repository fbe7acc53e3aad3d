//! The sort key: an asset's position in a merged list.

use std::{cmp::Ordering, sync::Arc};

use crate::source::{Direction, TieOrder};

/// A gap between assets, right after the asset with these values. Keys have a strict total order:
/// newest first, ties by source, then by id as `ties` says.
#[derive(Debug, Clone)]
pub struct Key {
    /// The list's sort time in microseconds since 1970: the sources' full precision.
    pub time: i64,
    /// The source's [`crate::asset::SourceName::hash16`].
    pub source: u16,
    /// The order of the source's assets with this time. All keys of one such group have the same.
    pub ties: TieOrder,
    /// The upstream id; empty for a row whose id could not be read.
    pub id: Arc<str>,
}

impl Key {
    /// The key before every asset in this direction.
    #[must_use]
    pub fn start(direction: Direction) -> Self {
        match direction {
            Direction::Descending => Self {
                time: MAX_TIME,
                source: 0,
                ties: TieOrder::Free,
                id: Arc::default(),
            },
            Direction::Ascending => Self {
                time: MIN_TIME,
                source: u16::MAX,
                ties: TieOrder::Free,
                id: Arc::default(),
            },
        }
    }

    /// The key right before every asset of `micros` or earlier, and after every later one: a bound
    /// in time for all sources.
    #[must_use]
    pub fn at_time(micros: i64) -> Self {
        Self {
            time: micros,
            source: 0,
            ties: TieOrder::Free,
            id: Arc::default(),
        }
    }

    /// Whether the key compares with keys of a source's rows in the order `ties`. A key inside a
    /// group of the same source does not if it has another order.
    #[must_use]
    pub fn is_in_order(&self, source: u16, ties: TieOrder) -> bool {
        self.source != source || self.ties == ties
    }

    /// Compares two keys in this direction: `Less` if `self` comes first.
    #[must_use]
    pub fn compare(&self, other: &Self, direction: Direction) -> Ordering {
        match direction {
            Direction::Descending => self.cmp(other),
            Direction::Ascending => other.cmp(self),
        }
    }
}

/// The range of times that cursors carry: 7 bytes of microseconds around 1970, about 1,140 years in
/// each direction.
pub const MAX_TIME: i64 = (1 << 55) - 1;
pub const MIN_TIME: i64 = -(1 << 55);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_id = || match (self.ties, other.ties) {
            (TieOrder::ById, TieOrder::ById) => other.id.cmp(&self.id),
            _ => self.id.cmp(&other.id),
        };
        other
            .time
            .cmp(&self.time)
            .then_with(|| self.source.cmp(&other.source))
            .then_with(by_id)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
