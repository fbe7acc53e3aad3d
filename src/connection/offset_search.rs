//! Searches for a time in a list that is read by position.

use super::sort_key::Key;
use crate::source::{Direction, TieOrder};

/// Extra rows read before an expected position, in case rows were deleted since.
pub const SLACK: u64 = 2;

/// A search for the slice that begins strictly before `time` and reaches it. Without a time, it is
/// the start of the list.
#[derive(Debug, Clone)]
pub struct Search {
    pub time: Option<i64>,
    pub next: u64,
    /// A position whose row is strictly before `time` (0 always counts).
    pub low: u64,
    /// A position at or past `time`.
    pub high: Option<u64>,
    /// How far to jump while no bound limits the search.
    pub stride: u64,
    /// Set for a group larger than a call: resume right after this row.
    pub after: Option<Key>,
    /// Where that group began, in case the row is gone.
    pub group_at: u64,
}

impl Search {
    /// A search for `time`. `before`: the estimated number of rows before it.
    pub fn near(time: Option<i64>, before: Option<u64>) -> Self {
        Self {
            // The slice must include the row right before the position, and some slack.
            next: before.map_or(0, |rows| rows.saturating_sub(1 + SLACK)),
            // Without an estimate, bisection is faster than galloping.
            stride: before.map_or(u64::MAX, |_| 64),
            ..Self::exactly(0, time)
        }
    }

    /// Whether the estimate is missing or was wrong: larger slices then end the search sooner.
    pub fn is_blind(&self) -> bool {
        self.stride == u64::MAX || self.low > 0 || self.high.is_some()
    }

    /// A search of the slice at `next`, which must begin strictly before `time` and reach it.
    pub fn exactly(next: u64, time: Option<i64>) -> Self {
        Self {
            time,
            next,
            low: 0,
            high: None,
            stride: 64,
            after: None,
            group_at: 0,
        }
    }

    /// Moves back, because the slice at `at` began too late.
    #[must_use]
    pub fn further_back(mut self, at: u64, length: u64) -> Self {
        self.high = Some(at);
        if self.low >= at {
            // The list shrank during the search, so the lower bound no longer holds.
            self.low = 0;
        }
        let gap = at - self.low;
        self.next = if gap < length {
            self.low
        } else if self.low == 0 && self.stride < at {
            at - self.stride
        } else {
            self.low + gap / 2
        };
        self.stride = self.stride.saturating_mul(4);
        self
    }

    /// Moves on, because the slice whose last row is at `passed` ended too early.
    #[must_use]
    pub fn further_on(mut self, passed: u64, length: u64, total: Option<u64>) -> Self {
        self.low = passed;
        self.high = self.high.filter(|high| *high > passed);
        let end = self.high.or(total.filter(|total| *total > passed));
        let gap = end.map(|end| end - passed);
        self.next = match gap {
            Some(gap) if gap < length => passed,
            Some(gap) if self.high.is_some() => passed + gap / 2,
            Some(gap) => passed + self.stride.min(gap / 2),
            None => passed.saturating_add(self.stride.min(1 << 20)),
        };
        self.stride = self.stride.saturating_mul(4);
        self
    }
}

/// Whether time `a` comes strictly before time `b` in this direction.
pub fn precedes(a: i64, b: i64, direction: Direction) -> bool {
    match direction {
        Direction::Descending => a > b,
        Direction::Ascending => a < b,
    }
}

/// The numbers of rows before and after a key in this direction, of a list with these ties.
/// `positions` is the last slice that a reader checked. Where the source sorts ties freely, rows
/// with the key's time are neither.
pub fn rows_around(
    positions: &[(u64, Key)],
    total: u64,
    key: &Key,
    ties: TieOrder,
    direction: Direction,
) -> Option<(u64, u64)> {
    let (first, first_key) = positions.first()?;
    let is_sorted = ties == TieOrder::ById && key.is_in_order(first_key.source, ties);
    let precedes = |a: &Key, b: &Key| {
        if is_sorted {
            a.compare(b, direction).is_lt()
        } else {
            precedes(a.time, b.time, direction)
        }
    };
    let passed = positions.partition_point(|(_, row)| precedes(row, key)) as u64;
    let through = positions.partition_point(|(_, row)| !precedes(key, row)) as u64;
    Some((first + passed, total.saturating_sub(first + through)))
}
