//! One source's list in an order that only the source can compare: by name, size or last access.
//!
//! The gateway cannot compare the sort values: collations differ, an unknown size sorts at either
//! end, and sources order ties freely. So a position is a row's id, not a key. It also names the
//! rows before and after, in case the row is deleted or moves. To resume, the gateway finds one of
//! them nearby, so rows inserted or deleted elsewhere neither repeat nor hide anything. If it finds
//! none, it reports the position as lost. It reads the list in the list's direction even for
//! backward pages: the reverse order need not mirror equal values.

mod assemble;
mod slice;

use std::sync::Arc;

use tokio::time::Instant;

use self::slice::{FarEnd, Slice};
use super::{
    list::{ConnectionPage, List, ListUnavailable, PageRange, SourceList},
    read_stats::{PROBE_LENGTH, ReadStats},
    row_cursor::{RowAnchor, value_hash},
};
use crate::{
    cache::PageRead,
    source::{ListRequest, Position, Row, SourceError},
};

/// The maximum number of slices read for a page (docs/queries.md).
const MAX_SLICES: u32 = 5;
/// Rows read again before a position: the position's row, and some more in case of deletions.
const SLACK: u64 = 8;

/// Reads a page, usually with one call.
pub async fn page(
    list: &List,
    range: &PageRange<RowAnchor>,
) -> Result<ConnectionPage, ListUnavailable> {
    let Some(part) = list.sources.first() else {
        return Ok(list.empty_page(Vec::new()));
    };
    let mut walk = Walk::new(list, part, range);
    walk.run().await;
    match walk.error {
        Some(error) if walk.furthest.is_none() => Err(ListUnavailable {
            errors: vec![(part.source.profile().name.clone(), error)],
            others_answered: false,
        }),
        _ => Ok(walk.assemble()),
    }
}

fn lost_among_unreadable() -> SourceError {
    SourceError::Unavailable {
        status: None,
        reason: "too many consecutive rows cannot be read, so its list cannot be paged in this \
                 order: sort by CREATED_AT"
            .to_owned(),
        retry_after: None,
    }
}

/// The state of reading one page.
struct Walk<'a> {
    list: &'a List,
    part: &'a SourceList,
    forward: bool,
    count: usize,
    /// The client's cursor where the walk begins.
    near: Option<&'a RowAnchor>,
    /// The client's cursor where the walk stops.
    far: Option<&'a RowAnchor>,
    patience: Instant,
    slices: u32,
    /// Rows that match the list, in walking order.
    matched: Vec<(RowAnchor, Row)>,
    /// Whether the row at `far` is gone; `None` until that is known.
    is_far_gone: Option<bool>,
    /// The furthest row read.
    furthest: Option<RowAnchor>,
    exhausted: bool,
    /// Request slices of maximum size, because a smaller one had no row with a mark.
    wide: bool,
    error: Option<SourceError>,
    stats: ReadStats<'a>,
}

impl<'a> Walk<'a> {
    fn new(list: &'a List, part: &'a SourceList, range: &'a PageRange<RowAnchor>) -> Self {
        let after = range.after.as_ref();
        // Ignore a `before` at or before `after` (Relay's ApplyCursorsToEdges). A forward walk
        // never reaches it.
        let is_left_behind = |before: &&RowAnchor| {
            !range.forward && after.is_some_and(|cursor| cursor.index >= before.index)
        };
        let before = range.before.as_ref();
        let before = before.filter(|cursor| !is_left_behind(cursor));
        let (near, far) = if range.forward {
            (after, before)
        } else {
            (before, after)
        };
        Self {
            list,
            part,
            forward: range.forward,
            count: range.count,
            near,
            far,
            patience: Instant::now() + part.source.profile().patience,
            slices: 0,
            matched: Vec::new(),
            is_far_gone: None,
            furthest: None,
            exhausted: false,
            wide: false,
            error: None,
            stats: ReadStats::new(list, part),
        }
    }

    /// Reads until the page is full, the list ends or the budget is spent.
    async fn run(&mut self) {
        while !self.exhausted
            && self.error.is_none()
            && self.assets() <= self.count
            && self.slices < MAX_SLICES
        {
            let from = self.furthest.clone().or_else(|| self.near.cloned());
            match self.locate(from.as_ref()).await {
                Ok((slice, gap)) => {
                    if let Err(error) = self.check_far_end(&slice).await {
                        self.error = Some(error);
                        return;
                    }
                    self.take(slice, gap);
                }
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        }
        if self.furthest.is_none() && !self.exhausted && self.error.is_none() {
            // Clients would request a page without progress forever.
            self.error = Some(lost_among_unreadable());
        }
    }

    /// Finds out whether the row at `far` is gone, if this slice has its neighbour but not the row.
    /// Inserted rows may have moved it to another slice.
    async fn check_far_end(&mut self, slice: &Slice) -> Result<(), SourceError> {
        let Some(far) = self.far else { return Ok(()) };
        let has_mark = |slice: &Slice, mark: u32| {
            mark != 0 && slice.rows.iter().any(|(row, _)| row.mark() == mark)
        };
        let is_gone = |slice: &Slice| {
            let neighbours = [far.before, far.next].map(|mark| has_mark(slice, mark));
            if slice.rows.iter().any(|(row, _)| far.is_same_row(row)) {
                return Some(false);
            }
            (neighbours == [true; 2]).then_some(true)
        };
        let has_neighbour = has_mark(slice, far.before) || has_mark(slice, far.next);
        if self.is_far_gone.is_some() || !has_neighbour {
            return Ok(());
        }
        let mut verdict = is_gone(slice);
        if verdict.is_none() {
            let length = self.lead(u64::MAX / 2);
            let start = far.index.saturating_sub(length / 2);
            let around = self.read(start, length).await?;
            verdict = is_gone(&around);
            if verdict.is_none() {
                let found = self.search_both_sides(&around, is_gone).await?;
                verdict = found.map(|(_, is_gone)| is_gone);
            }
        }
        self.is_far_gone = Some(verdict.unwrap_or(true));
        Ok(())
    }

    /// Reads the slice around a position, and returns it with the position's index in it.
    async fn locate(&mut self, from: Option<&RowAnchor>) -> Result<(Slice, usize), SourceError> {
        // The page, one row that shows whether more follow, and the rows that mark a position.
        let requested = if self.part.local.is_empty() && !self.stats.dropped && !self.wide {
            self.count as u64 + 1
        } else {
            u64::from(self.part.paging.cap())
        };
        let Some(anchor) = from else {
            return self.starting_slice(requested).await;
        };
        let (lead, tail) = if self.forward {
            (SLACK, 2 + requested)
        } else {
            (self.lead(requested), SLACK)
        };
        let slice = self
            .read(anchor.index.saturating_sub(lead), lead + tail)
            .await?;
        if let Some(gap) = slice.gap(anchor, self.forward) {
            return Ok((slice, gap));
        }
        let forward = self.forward;
        let found = self.search_both_sides(&slice, |slice| slice.gap(anchor, forward));
        found.await?.ok_or(SourceError::Lost)
    }

    /// Searches for rows that moved far, in slices on both sides of the first one in turn.
    async fn search_both_sides<T>(
        &mut self,
        first: &Slice,
        find: impl Fn(&Slice) -> Option<T>,
    ) -> Result<Option<(Slice, T)>, SourceError> {
        let length = self.lead(u64::MAX / 2);
        let (mut low, mut high) = (first.offset, first.end());
        let mut more = !first.is_last;
        let mut is_later = true;
        while self.slices < MAX_SLICES && (more || low > 0) {
            is_later = if is_later { more } else { low == 0 };
            let slice = if is_later {
                let slice = self.read(high.saturating_sub(SLACK), u64::MAX).await?;
                more = !slice.is_last && slice.end() > high;
                high = slice.end();
                slice
            } else {
                let start = low.saturating_sub(length);
                let slice = self.read(start, u64::MAX).await?;
                // A list that shrank may have no rows here.
                low = start;
                slice
            };
            if let Some(found) = find(&slice) {
                return Ok(Some((slice, found)));
            }
            is_later = !is_later;
        }
        Ok(None)
    }

    /// The number of rows to read before a position when walking backward. It leaves enough rows in
    /// the call for the position itself.
    fn lead(&self, requested: u64) -> u64 {
        let reach = self.reach();
        (requested + SLACK)
            .min(reach.saturating_sub(SLACK + 1))
            .max(1)
    }

    fn reach(&self) -> u64 {
        u64::from(self.part.paging.reach())
    }

    /// The slice at the start of the list, or at its end when walking backward.
    async fn starting_slice(&mut self, wanted: u64) -> Result<(Slice, usize), SourceError> {
        if self.forward {
            return Ok((self.read(0, 1 + wanted).await?, 0));
        }
        let length = self.lead(wanted);
        if self.stats.total.is_none() {
            self.read(0, 1).await?;
        }
        let mut start = self
            .stats
            .total
            .ok_or_else(|| {
                SourceError::Unsupported(
                    "the source does not report how long its list is, so its end cannot be found: \
                     page forward instead"
                        .to_owned(),
                )
            })?
            .saturating_sub(length);
        while self.slices < MAX_SLICES {
            // Rows may have been added or deleted since.
            let slice = self.read(start, length + SLACK).await?;
            if slice.is_last && (!slice.rows.is_empty() || slice.offset == 0) {
                let gap = slice.rows.len();
                return Ok((slice, gap));
            }
            start = if slice.rows.is_empty() {
                let total = self.stats.total.unwrap_or_default().min(start);
                total.saturating_sub(length)
            } else {
                // Some sources return fewer rows than requested.
                slice.end() - SLACK.min(slice.rows.len() as u64 / 4)
            };
        }
        Err(SourceError::Unavailable {
            status: None,
            reason: format!(
                "{MAX_SLICES} calls did not reach the end of its list: it returns fewer rows a call \
                 than requested, or the list is growing; page forward instead"
            ),
            retry_after: None,
        })
    }

    async fn read(&mut self, offset: u64, length: u64) -> Result<Slice, SourceError> {
        let cap = self.part.paging.cap();
        let requested = u32::try_from(length).map_or(cap, |length| length.min(cap));
        self.slices += 1;
        let read = self.read_page(offset, requested).await?;
        let source = self.part.source.profile().name.hash16();
        let by = self.list.order.by;
        let mut before = 0;
        let mut rows: Vec<(RowAnchor, Row)> = Vec::with_capacity(read.page.rows.len());
        for (index, row) in (read.page.offset..).zip(&read.page.rows) {
            let anchor = RowAnchor {
                source,
                // An unreadable row may move unnoticed, even if its id is known.
                id: match row {
                    Row::Asset(asset) => Arc::clone(&asset.id.upstream),
                    Row::Unreadable(_) | Row::Gone(..) => Arc::default(),
                },
                value: value_hash(row, by),
                index,
                before,
                next: 0,
            };
            before = Some(anchor.mark())
                .filter(|mark| *mark != 0)
                .unwrap_or(before);
            rows.push((anchor, row.clone()));
        }
        let mut next = 0;
        for (anchor, _) in rows.iter_mut().rev() {
            anchor.next = next;
            next = Some(anchor.mark())
                .filter(|mark| *mark != 0)
                .unwrap_or(next);
        }
        let end = read.page.end();
        // A short slice may be the last although the source denies it, so probe what follows.
        let is_short = end < offset.saturating_add(u64::from(requested).min(self.reach()));
        // A failed probe shows nothing; the rows stay valid.
        let is_last = read.page.last
            || self.stats.repeats(&read.page)
            || (is_short && !rows.is_empty() && self.is_end(end).await.unwrap_or(false));
        Ok(Slice {
            offset: read.page.offset,
            rows,
            is_last,
        })
    }

    /// Whether a probe at a position finds nothing new.
    async fn is_end(&mut self, end: u64) -> Result<bool, SourceError> {
        let next = self.read_page(end, PROBE_LENGTH).await?.page;
        Ok(next.end() <= end || self.stats.repeats(&next))
    }

    async fn read_page(&mut self, offset: u64, length: u32) -> Result<PageRead, SourceError> {
        let request = ListRequest {
            listing: self.part.listing,
            order: self.list.order,
            after: None,
            before: None,
            position: Position::Offset(offset),
            length,
            parameters: self.part.parameters.clone(),
        };
        let (asset_cache, context) = (&self.list.asset_cache, &self.list.context);
        let read = asset_cache
            .page(&self.part.source, request, context, self.patience)
            .await
            .inspect_err(|error| self.stats.failed(error))?;
        self.stats.note(&read);
        Ok(read)
    }
}
