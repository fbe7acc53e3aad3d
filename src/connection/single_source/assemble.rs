//! Adds rows to the page, and assembles it.

use super::{FarEnd, Slice, Walk, lost_among_unreadable};
use crate::{
    connection::{
        list::{ConnectionPage, Edge, PagePosition},
        read_stats::CompleteRead,
        row_cursor::RowAnchor,
    },
    source::Row,
};

impl Walk<'_> {
    /// Adds the rows beyond the gap, in walking order.
    pub(super) fn take(&mut self, slice: Slice, gap: usize) {
        let is_at_edge = if self.forward {
            slice.is_last
        } else {
            slice.offset == 0
        };
        let far = self.far.map(|anchor| FarEnd {
            anchor,
            is_gone: self.is_far_gone == Some(true),
            forward: self.forward,
        });
        let mut rows = slice.rows;
        let mut beyond: Vec<_> = if self.forward {
            rows.split_off(gap.min(rows.len()))
        } else {
            rows.truncate(gap);
            rows.reverse();
            rows
        };
        // Past the last row but one with a mark, not all neighbours are known: drop those rows and
        // read them again.
        if !is_at_edge {
            let named = beyond
                .iter()
                .enumerate()
                .filter(|(_, (candidate, _))| candidate.mark() != 0);
            let mut named: Vec<usize> = named.map(|(at, _)| at).collect();
            if named.len() > 1 {
                named.pop();
            }
            match named.last() {
                Some(last) => beyond.truncate(last + 1),
                None if self.wide => {
                    self.error = Some(lost_among_unreadable());
                    return;
                }
                None => {
                    self.wide = true;
                    return;
                }
            }
        }
        // Rows without a mark are added with the next row that has one.
        let mut nameless = Vec::new();
        for (anchor, row) in beyond {
            if anchor.mark() == 0 {
                nameless.push((anchor, row));
                continue;
            }
            if far.as_ref().is_some_and(|far| far.stops_before(&anchor)) {
                self.exhausted = true;
                break;
            }
            let is_end = far.as_ref().is_some_and(|far| far.stops_after(&anchor));
            self.furthest = Some(anchor.clone());
            for (anchor, row) in nameless.drain(..) {
                self.keep(anchor, row);
            }
            self.keep(anchor, row);
            if is_end {
                self.exhausted = true;
                return;
            }
        }
        self.exhausted |= is_at_edge;
        if self.exhausted {
            for (anchor, row) in nameless {
                self.keep(anchor, row);
            }
        }
    }

    /// The number of assets to show so far.
    pub(super) fn assets(&self) -> usize {
        let is_asset = |(_, row): &&(RowAnchor, Row)| matches!(row, Row::Asset(_));
        self.matched.iter().filter(is_asset).count()
    }

    pub(super) fn keep(&mut self, anchor: RowAnchor, row: Row) {
        // Show a row that moved between two calls only once.
        let id = row.id();
        let is_known =
            !id.is_empty() && self.matched.iter().any(|(_, previous)| previous.id() == id);
        match self.list.fits(self.part, &row) {
            Some(true) if !is_known => self.matched.push((anchor, row)),
            Some(false) => self.stats.dropped = true,
            _ => {}
        }
    }

    pub(super) fn assemble(mut self) -> ConnectionPage {
        let is_whole =
            self.exhausted && self.error.is_none() && self.near.is_none() && self.far.is_none();
        let total = if self.error.is_some() {
            None
        } else {
            self.stats.exact_total(is_whole.then(|| {
                CompleteRead {
                    rows: self.matched.len(),
                    is_readable: self
                        .matched
                        .iter()
                        .all(|(_, row)| matches!(row, Row::Asset(_))),
                }
            }))
        };
        // A page ends with an asset, because an asset has a mark. Unreadable rows after it belong
        // to the next page.
        let is_full = self.assets() >= self.count;
        let mut more = !self.exhausted;
        if is_full {
            let assets = self.matched.iter().enumerate();
            let mut assets = assets.filter(|(_, (_, row))| matches!(row, Row::Asset(_)));
            let end = assets.nth(self.count - 1).map_or(0, |(at, _)| at + 1);
            more |= self.matched.len() > end;
            self.matched.truncate(end);
        }
        let mut named = self.matched.iter().map(|(anchor, _)| anchor);
        let mut named = named.by_ref().filter(|anchor| anchor.mark() != 0).cloned();
        let first = named.next();
        let last = named.last().or_else(|| first.clone());
        // A page that is not full ends at the furthest row read.
        let far = if is_full || !more {
            last
        } else {
            self.furthest.clone().or_else(|| self.near.cloned())
        };
        let near = first.or_else(|| far.clone());
        let (mut edges, mut unreadable) = (Vec::with_capacity(self.matched.len()), Vec::new());
        for (anchor, row) in self.matched {
            match row {
                Row::Asset(asset) => edges.push(Edge {
                    asset,
                    place: PagePosition::RowAnchor(anchor),
                }),
                Row::Unreadable(bad) => unreadable.push(bad),
                Row::Gone(..) => {}
            }
        }
        let has_near = self.near.is_some();
        let (start, end, has_previous_page, has_next_page) = if self.forward {
            (near, far, has_near, more)
        } else {
            edges.reverse();
            (far, near, more, has_near)
        };
        let outcome = self.stats.outcome(total, self.error, unreadable, true);
        ConnectionPage {
            edges,
            has_next_page,
            has_previous_page,
            start: start.map(PagePosition::RowAnchor),
            end: end.map(PagePosition::RowAnchor),
            ..self.list.empty_page(vec![outcome])
        }
    }
}
