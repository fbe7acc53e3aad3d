//! The sort key: an asset's position in a merged list.

use std::{cmp::Ordering, sync::Arc};

use crate::source::Direction;

/// A gap between assets, right after the asset with these values. Keys have a strict total order:
/// newest first, ties by source, then by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The list's sort time in microseconds since 1970: the sources' full precision.
    pub time: i64,
    /// The source's [`crate::asset::SourceName::hash16`].
    pub source: u16,
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
                id: Arc::default(),
            },
            Direction::Ascending => Self {
                time: MIN_TIME,
                source: u16::MAX,
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
            id: Arc::default(),
        }
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
        other
            .time
            .cmp(&self.time)
            .then_with(|| self.source.cmp(&other.source))
            .then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
