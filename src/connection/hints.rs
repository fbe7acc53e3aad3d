//! Computes the position hints in a page's cursors, for sources that page by position.

use super::{cursor::Hint, offset_search, sort_key::Key};
use crate::source::{Direction, TieOrder};

/// How one source was read, by position.
pub struct Positions {
    /// Its index in the list's sources.
    pub source: u8,
    /// The direction in which it was read.
    pub direction: Direction,
    pub rows: Vec<(u64, Key)>,
    pub ties: TieOrder,
    pub total: u64,
    /// The hint of the request's cursor, used when this source failed before its first row.
    pub before: Option<Hint>,
}

/// Where each source that pages by position resumes, for the cursors of one page.
#[derive(Default)]
pub struct Hints(pub Vec<Positions>);

impl Hints {
    pub fn at(&self, key: &Key) -> Vec<Hint> {
        self.0
            .iter()
            .filter_map(|positions| {
                let Some((rows_before, rows_after)) = offset_search::rows_around(
                    &positions.rows,
                    positions.total,
                    key,
                    positions.ties,
                    positions.direction,
                ) else {
                    return positions.before;
                };
                let (newer, older) = match positions.direction {
                    Direction::Descending => (rows_before, rows_after),
                    Direction::Ascending => (rows_after, rows_before),
                };
                Some(Hint {
                    source: positions.source,
                    newer,
                    older,
                })
            })
            .collect()
    }
}
