//! Takes the rows of a page into a reader's run, in the list's order.

use super::{RankedRow, Reader, Step};
use crate::{
    connection::{
        offset_search::{SLACK, Search, precedes},
        sort_key::{Key, MAX_TIME, MIN_TIME},
    },
    source::{Direction, Page, Row, SortBy, SourceError, TieOrder},
};

impl Reader<'_> {
    pub(super) fn take_window(&mut self, page: &Page) -> Result<(), SourceError> {
        let slots = self.slots(page)?;
        self.feed(slots)?;
        if self.exhausted {
            return Ok(());
        }
        match &page.next {
            None => self.finish(),
            // Some sources repeat a token at their end, with no rows.
            Some(token) if page.rows.is_empty() && self.tokens.contains(token) => self.finish(),
            // A token that repeats with rows means a loop.
            Some(token) if !self.tokens.insert(token.clone()) => {
                return Err(malformed(
                    "nextPaginationToken",
                    "the source repeated a token, so its list does not end",
                ));
            }
            Some(token) => {
                self.step = Step::Window {
                    token: Some(token.clone()),
                };
            }
        }
        Ok(())
    }

    // === Index ===

    pub(super) fn take_slice(
        &mut self,
        page: &Page,
        search: Search,
        requested: u64,
        is_last: bool,
    ) -> Result<(), SourceError> {
        let slots = self.slots(page)?;
        let resume = self.resume_key().cloned();
        if self.ties == TieOrder::ById && !is_sorted_by_id(&slots, self.direction) {
            self.ties = TieOrder::Free;
            if let Some(key) = resume {
                // Read the group of equal times as a whole, from before its start.
                self.open_group.clear();
                self.step = Step::Index(Search::near(Some(key.time), Some(page.offset)));
                return Ok(());
            }
        }
        let positions = (page.offset..).zip(slots.iter().map(|slot| slot.key.clone()));
        let positions: Vec<(u64, Key)> = positions.collect();
        let rest = match (&search.after, search.time) {
            (Some(after), _) => {
                let Some(rest) = past(slots, after) else {
                    // The list changed inside the group: read the group again from its start.
                    self.open_group.clear();
                    let before = search.group_at.saturating_sub(1);
                    self.step = Step::Index(Search::exactly(before, search.time));
                    return Ok(());
                };
                rest
            }
            // From the start of the list, any slice is valid.
            (None, None) => slots,
            (None, Some(time)) => {
                let direction = self.direction;
                let is_before = |slot: &RankedRow| match &resume {
                    Some(key) => slot.key.compare(key, direction).is_le(),
                    None => precedes(slot.key.time, time, direction),
                };
                let begins = match slots.first() {
                    Some(first) => page.offset == 0 || is_before(first),
                    // Past the end of a list that shrank, which is not the end of the run.
                    None => page.offset == 0,
                };
                if !begins {
                    self.step = Step::Index(search.further_back(page.offset, requested));
                    return Ok(());
                }
                let reaches = slots.last().is_some_and(|last| !is_before(last));
                if !reaches && !is_last {
                    let passed = page.offset + (slots.len() as u64).saturating_sub(1);
                    self.step = Step::Index(search.further_on(passed, requested, self.stats.total));
                    return Ok(());
                }
                // This slice has the incomplete group again, in its current state.
                self.open_group.clear();
                slots.into_iter().filter(|slot| !is_before(slot)).collect()
            }
        };
        let shown = positions.iter().rev().map(|(_, key)| key.time);
        let last = shown.clone().next();
        let is_trusted = shown.take_while(|time| Some(*time) == last).count() >= TRUSTED_TIE;
        self.note_positions(page.offset, positions);
        let frontier = self.frontier.clone();
        self.feed(rest)?;
        if is_last {
            self.finish();
            return Ok(());
        }
        if self.ties == TieOrder::ById {
            let is_by_id = |slot: &RankedRow| slot.key.ties == TieOrder::ById;
            if is_trusted && self.open_group.last().is_some_and(is_by_id) {
                self.close_group();
            }
            if self.frontier == frontier {
                // The slice shows too few rows of a group to go on inside it.
                self.ties = TieOrder::Free;
            }
        }
        if !self.exhausted {
            self.step = Step::Index(self.next_search(page));
        }
        Ok(())
    }

    /// The next slice overlaps: it repeats the incomplete group, after a row that is before it.
    pub(super) fn next_search(&self, page: &Page) -> Search {
        let end = page.end();
        if let Some(key) = self.resume_key() {
            let repeated = self.open_group.len() as u64 + 1 + SLACK;
            return Search::exactly(end.saturating_sub(repeated), Some(key.time));
        }
        let Some(last) = self.open_group.last() else {
            return Search::exactly(end, None);
        };
        let group = self.open_group.len() as u64;
        if group + 2 > self.reach() {
            // No call surely holds the group: only its own order helps (`docs/paging.md` condition
            // 4).
            return Search {
                after: Some(last.key.clone()),
                group_at: end.saturating_sub(group),
                ..Search::exactly(end.saturating_sub(1), Some(last.key.time))
            };
        }
        let slack = if group + 2 + SLACK > self.reach() {
            0
        } else {
            SLACK
        };
        Search::exactly(end.saturating_sub(group + 1 + slack), Some(last.key.time))
    }

    pub(super) fn reach(&self) -> u64 {
        u64::from(self.part.paging.reach())
    }

    pub(super) fn note_positions(&mut self, offset: u64, positions: Vec<(u64, Key)>) {
        self.positions.retain(|(index, _)| *index < offset);
        self.positions.extend(positions);
    }

    /// The order of the group of equal times at `time`, if a position inside the group fixes it.
    fn fixed_ties(&self, time: i64) -> Option<TieOrder> {
        let positions = [&self.from, &self.until, &self.frontier].into_iter();
        let mut inside = positions
            .flatten()
            .filter(|key| key.source == self.source_hash && key.time == time)
            .map(|key| key.ties);
        let first = inside.next()?;
        let is_agreed = inside.all(|ties| ties == first);
        Some(if is_agreed { first } else { TieOrder::Free })
    }

    // === Rows into groups ===

    /// The page's rows with their keys. A row without a time takes the time of the row before it.
    pub(super) fn slots(&self, page: &Page) -> Result<Vec<RankedRow>, SourceError> {
        let mut slots: Vec<RankedRow> = Vec::with_capacity(page.rows.len());
        let by = self.list.order.by;
        let first_known = page.rows.iter().find_map(|row| time_of(row, by));
        for row in &page.rows {
            let fallback = slots
                .last()
                .map(|slot| slot.key.time)
                .or(first_known)
                .or(self.from.as_ref().map(|key| key.time))
                .unwrap_or(Key::start(self.direction).time);
            let time = time_of(row, by).unwrap_or(fallback);
            if slots
                .last()
                .is_some_and(|last| precedes(time, last.key.time, self.direction))
            {
                return Err(malformed(
                    "assets",
                    "the list is not sorted by the requested time",
                ));
            }
            slots.push(RankedRow {
                key: Key {
                    time,
                    source: self.source_hash,
                    ties: self.fixed_ties(time).unwrap_or(self.part.paging.ties()),
                    id: row.shared_id(),
                },
                row: row.clone(),
            });
        }
        Ok(slots)
    }

    /// Adds rows in walking order. A group closes when a row with another time follows.
    pub(super) fn feed(&mut self, slots: Vec<RankedRow>) -> Result<(), SourceError> {
        self.closed.reserve(slots.len());
        for slot in slots {
            if let Some(last) = self.open_group.last() {
                if precedes(slot.key.time, last.key.time, self.direction) {
                    return Err(malformed(
                        "assets",
                        "the list is not sorted by time from one call to the next",
                    ));
                }
                if slot.key.time != last.key.time {
                    self.close_group();
                }
            }
            self.open_group.push(slot);
            if self.exhausted {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn close_group(&mut self) {
        let mut group = std::mem::take(&mut self.open_group);
        let direction = self.direction;
        if !is_sorted_by_id(&group, direction)
            && let Some(time) = group.first().map(|slot| slot.key.time)
            && self.fixed_ties(time).is_none()
        {
            for slot in &mut group {
                slot.key.ties = TieOrder::Free;
            }
        }
        group.sort_by(|a, b| a.key.compare(&b.key, direction));
        group.dedup_by(|a, b| a.key == b.key && !a.key.id.is_empty());
        let position = self.frontier.as_ref().or(self.from.as_ref());
        let known = group.partition_point(|slot| {
            position.is_some_and(|position| slot.key.compare(position, direction).is_le())
        });
        for (index, slot) in group.drain(..).enumerate() {
            if self
                .until
                .as_ref()
                .is_some_and(|until| slot.key.compare(until, direction).is_ge())
            {
                self.exhausted = true;
                return;
            }
            if index >= known {
                self.frontier = Some(slot.key.clone());
                match self.list.fits(self.part, &slot.row) {
                    Some(true) => self.closed.push(slot),
                    Some(false) => self.stats.dropped = true,
                    None => {}
                }
            }
        }
        // Reuse the allocation: most groups have one row.
        self.open_group = group;
    }
}

/// Rows of a group of equal times that must be visible, sorted by id, before the reader goes on
/// inside the group. A source with another order shows it among fewer, or shows the group's end.
const TRUSTED_TIE: usize = 8;

/// Whether rows in the source's order have the order of equal times that their keys say.
fn is_sorted_by_id(slots: &[RankedRow], direction: Direction) -> bool {
    slots.iter().all(|slot| !slot.key.id.is_empty())
        && slots.is_sorted_by(|a, b| {
            a.key.time != b.key.time
                || a.key.ties == TieOrder::Free
                || a.key.compare(&b.key, direction).is_lt()
        })
}

/// The rows after the row `after`; `None` if that row is missing.
fn past(slots: Vec<RankedRow>, after: &Key) -> Option<Vec<RankedRow>> {
    let at = slots.iter().rposition(|slot| slot.key == *after)?;
    Some(slots.into_iter().skip(at + 1).collect())
}

/// A row's time as keys carry it. Times beyond a cursor's range (some systems write the year 1 for
/// none) are clamped to it, so that order, ties and cursors agree.
fn time_of(row: &Row, by: SortBy) -> Option<i64> {
    let time = match (row, by) {
        (Row::Asset(asset), SortBy::UpdatedAt) => asset.updated_at,
        (Row::Asset(asset), _) => Some(asset.created_at),
        (Row::Unreadable(bad), SortBy::UpdatedAt) => bad.updated_at,
        (Row::Unreadable(bad), _) => bad.created_at,
        (Row::Gone(_, created_at), _) => Some(*created_at),
    };
    time.map(|time| time.as_microsecond().clamp(MIN_TIME, MAX_TIME))
}

fn malformed(path: &str, message: &str) -> SourceError {
    SourceError::Malformed {
        status: 200,
        path: path.to_owned(),
        message: message.to_owned(),
    }
}
