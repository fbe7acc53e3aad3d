//! A slice of rows read at a position, and the position where a page stops.

use crate::{connection::row_cursor::RowAnchor, source::Row};

/// A slice of consecutive rows, in the list's order.
pub struct Slice {
    /// The number of rows before the first one.
    pub offset: u64,
    pub rows: Vec<(RowAnchor, Row)>,
    /// No rows follow.
    pub is_last: bool,
}

impl Slice {
    pub fn end(&self) -> u64 {
        self.offset + self.rows.len() as u64
    }

    /// The index of the gap right after (walking forward) or right before the anchor's row. `None`
    /// if this slice has no such gap, or does not reach beyond it.
    pub fn gap(&self, anchor: &RowAnchor, forward: bool) -> Option<usize> {
        let marked = |mark: u32| {
            let gap_index = self
                .rows
                .iter()
                .position(|(candidate, _)| candidate.mark() == mark);
            gap_index.filter(|_| mark != 0)
        };
        let is_nameless = |at: usize| {
            self.rows
                .get(at)
                .is_some_and(|(candidate, _)| candidate.mark() == 0)
        };
        let row_index = self
            .rows
            .iter()
            .position(|(candidate, _)| anchor.is_same_row(candidate));
        let gap_index = row_index
            .map(|at| if forward { at + 1 } else { at })
            // The row is gone. It stood between its neighbours, maybe among rows without a mark.
            .or_else(|| {
                let mut at = marked(anchor.next)?;
                while at > 0 && is_nameless(at - 1) {
                    at -= 1;
                }
                Some(at)
            })
            .or_else(|| marked(anchor.before).map(|at| at + 1))?;
        let has_beyond = if forward {
            self.is_last || gap_index < self.rows.len()
        } else {
            self.offset == 0 || gap_index > 0
        };
        has_beyond.then_some(gap_index.min(self.rows.len()))
    }
}

/// The position where a walk stops.
pub struct FarEnd<'a> {
    pub anchor: &'a RowAnchor,
    /// The row is gone, so its neighbours mark the position.
    pub is_gone: bool,
    pub forward: bool,
}

impl FarEnd<'_> {
    pub fn stops_before(&self, candidate: &RowAnchor) -> bool {
        let neighbour = if self.forward {
            self.anchor.next
        } else {
            self.anchor.before
        };
        self.anchor.is_same_row(candidate)
            || (self.is_gone && neighbour != 0 && neighbour == candidate.mark())
    }

    pub fn stops_after(&self, candidate: &RowAnchor) -> bool {
        let neighbour = if self.forward {
            self.anchor.before
        } else {
            self.anchor.next
        };
        self.is_gone && neighbour != 0 && neighbour == candidate.mark()
    }
}
