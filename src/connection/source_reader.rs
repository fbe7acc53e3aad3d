//! One source's run: a gap-free stretch of its list from a key on, read call by call.
//!
//! Both kinds of paging work alike in both directions, because every source can sort either way. A
//! *window* starts at a time and continues by token. An *index* starts at a position from a hint or
//! a search. The reader checks the rows of each such slice: it must
//! begin strictly before the target time, and reach it. The next slice repeats the last group of
//! equal times, so that rows which moved between two calls are neither lost nor duplicated.
//!
//! Most sources order equal times freely. The reader returns such a group only after it has read the
//! group's end, sorted in the gateway's order. Where a source sorts equal times by id, the reader
//! follows that order and checks it, so a group of any size costs no more than other rows.

mod intake;

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    cursor::{HINT_GRANULARITY, Hint},
    list::{List, SourceList},
    offset_search::{SLACK, Search},
    read_stats::{CompleteRead, PROBE_LENGTH, ReadStats},
    sort_key::Key,
};
use crate::source::{
    Direction, ListRequest, Order, Page, Paging, Position, Row, Source, SourceError, TieOrder,
};

/// The maximum number of slices read for one source and page (docs/queries.md).
const MAX_SLICES: u32 = 5;
/// The same limit before the first progress: while finding the position without a hint, passing
/// empty pages or closing one very large group of equal times. A page must always make progress.
const MAX_SLICES_BEFORE_PROGRESS: u32 = 50;
/// The rows up to a key that a slice after the key repeats at most: the key's own, some in case of
/// deletions, and those that a hint is rounded by.
const KEY_OVERLAP: u32 = (1 + SLACK + HINT_GRANULARITY - 1) as u32;
/// A row with its sort key.
#[derive(Debug, Clone)]
pub struct RankedRow {
    pub key: Key,
    pub row: Row,
}

/// The state of reading one source's run.
pub struct Reader<'a> {
    list: &'a List,
    part: &'a SourceList,
    direction: Direction,
    source_hash: u16,
    /// The run begins after this key.
    from: Option<Key>,
    /// The run ends before this key.
    until: Option<Key>,
    /// How this run is read: in the source's order of equal times, or each group as a whole.
    pub ties: TieOrder,
    /// Rows past `from`, in walking order, from complete groups of equal times.
    pub closed: Vec<RankedRow>,
    /// The last group, whose end is not read yet.
    open_group: Vec<RankedRow>,
    /// The last row of the last complete group: the run is known up to here.
    pub frontier: Option<Key>,
    /// No rows follow.
    pub exhausted: bool,
    /// Why the run stopped early; the rows read stay valid.
    pub error: Option<SourceError>,
    pub stats: ReadStats<'a>,
    step: Step,
    slices: u32,
    /// Tokens received, to detect a source that repeats one.
    tokens: HashSet<Box<str>>,
    /// The position and key of each row in the slices used, for hints.
    pub positions: Vec<(u64, Key)>,
}

/// How the next call enters the list.
#[derive(Debug, Clone)]
enum Step {
    /// By time, then by token.
    Window { token: Option<Box<str>> },
    /// By position.
    Index(Search),
}

impl<'a> Reader<'a> {
    pub fn new(
        list: &'a List,
        part: &'a SourceList,
        direction: Direction,
        from: Option<(&Key, Option<Hint>)>,
        until: Option<&Key>,
    ) -> Self {
        let step = match part.paging {
            Paging::Window { .. } => Step::Window { token: None },
            Paging::Index { .. } => Step::Index(Search::near(
                from.map(|(key, _)| key.time),
                from.and_then(|(_, hint)| hint).map(|hint| match direction {
                    Direction::Descending => hint.newer,
                    Direction::Ascending => hint.older,
                }),
            )),
        };
        Self {
            list,
            part,
            direction,
            source_hash: part.source.profile().name.hash16(),
            from: from.map(|(key, _)| key.clone()),
            until: until.cloned(),
            ties: part.paging.ties(),
            closed: Vec::new(),
            open_group: Vec::new(),
            frontier: None,
            exhausted: false,
            error: None,
            stats: ReadStats::new(list, part),
            step,
            slices: 0,
            tokens: HashSet::new(),
            positions: Vec::new(),
        }
    }

    /// Whether the reader may read more.
    pub fn can_go_on(&self) -> bool {
        !self.exhausted && self.error.is_none() && self.slices < self.allowance()
    }

    /// The maximum number of slices for this source and page.
    fn allowance(&self) -> u32 {
        if self.frontier.is_none() {
            MAX_SLICES_BEFORE_PROGRESS
        } else {
            MAX_SLICES
        }
    }

    /// How long a page waits for this source.
    pub fn patience(&self) -> Duration {
        self.part.source.profile().patience
    }

    pub fn source(&self) -> &dyn Source {
        &*self.part.source
    }

    pub fn pages_by_position(&self) -> bool {
        matches!(self.step, Step::Index(_))
    }

    /// Whether the run failed before its first progress.
    pub fn failed_at_start(&self) -> bool {
        self.error.is_some() && self.frontier.is_none()
    }

    /// Reads until another group is complete or the list ends, about `count` rows a call. A failure
    /// ends the run and is stored in `error`.
    pub async fn advance(&mut self, count: usize, deadline: Instant) {
        let before = self.frontier.clone();
        while self.can_go_on() && self.frontier == before {
            self.slices += 1;
            if let Err(error) = self.step(count, deadline).await {
                self.error = Some(error);
            }
        }
        if self.frontier.is_none() && !self.exhausted && self.error.is_none() {
            self.error = Some(SourceError::Unavailable {
                status: None,
                reason: format!(
                    "its list made no progress in {} calls (empty pages, or too many assets with \
                     the same time): try again",
                    self.slices
                ),
                retry_after: None,
            });
        }
    }

    async fn step(&mut self, count: usize, deadline: Instant) -> Result<(), SourceError> {
        let request = self.request(count);
        let requested = u64::from(request.length);
        self.stats.record_request(&request);
        let page = self.read(request, deadline).await?;
        match self.step.clone() {
            Step::Window { .. } => self.take_window(&page),
            Step::Index(search) => {
                if search.time.is_some() && self.stats.is_misplaced(&page) {
                    self.step = Step::Index(search.further_back(page.offset, requested));
                    return Ok(());
                }
                if self.stats.repeats(&page) {
                    self.finish();
                    return Ok(());
                }
                // A failed probe shows nothing; the rows stay valid.
                let probed = self.ends_with(&page, &search, requested, deadline).await;
                self.take_slice(&page, search, requested, probed.unwrap_or(false))
            }
        }
    }

    async fn read(
        &mut self,
        request: ListRequest,
        deadline: Instant,
    ) -> Result<Arc<Page>, SourceError> {
        let read = self
            .list
            .asset_cache
            .page(&self.part.source, request, &self.list.context, deadline)
            .await
            .inspect_err(|error| self.stats.failed(error))?;
        self.stats.note(&read);
        Ok(read.page)
    }

    /// Whether a slice is the last although the source reports more rows. It was not full, and a
    /// probe of the next rows shows nothing new.
    async fn ends_with(
        &mut self,
        page: &Page,
        search: &Search,
        requested: u64,
        deadline: Instant,
    ) -> Result<bool, SourceError> {
        let end = page.end();
        let full_end = search.next.saturating_add(requested.min(self.reach()));
        if page.last || page.rows.is_empty() || end >= full_end {
            return Ok(page.last);
        }
        let request = ListRequest {
            position: Position::Offset(end),
            length: PROBE_LENGTH,
            ..self.request(0)
        };
        self.slices += 1;
        let next = self.read(request, deadline).await?;
        Ok(next.end() <= end || self.stats.repeats(&next))
    }

    /// Whether the reader is still searching for the start of its run.
    fn is_searching(&self) -> bool {
        matches!(&self.step, Step::Index(search) if search.time.is_some() && search.is_blind())
            && self.frontier.is_none()
            && self.open_group.is_empty()
    }

    fn request(&self, count: usize) -> ListRequest {
        let cap = self.part.paging.cap();
        let by = self.list.order.by;
        let mut request = ListRequest {
            listing: self.part.listing,
            order: Order {
                by,
                direction: self.direction,
            },
            after: None,
            before: None,
            position: Position::Start,
            // One extra row shows that more follow; a few more close the last group. Request as
            // many rows as a call can return where rows are dropped after reading. Do the same in a
            // group larger than a slice, whose end must be found, and while searching for the
            // start.
            length: if self.part.local.is_empty()
                && !self.stats.dropped
                && (self.open_group.is_empty() || self.frontier.is_some())
                && !self.is_searching()
            {
                u32::try_from(count + 8.max(count / 4)).map_or(cap, |l| l.min(cap))
            } else {
                cap
            },
            parameters: self.part.parameters.clone(),
        };
        match (&self.step, self.part.paging) {
            (Step::Window { token }, Paging::Window { resolution, .. }) => {
                if let Some(from) = &self.from {
                    let bound = widened(from.time, resolution.as_micros(), self.direction);
                    match self.direction {
                        Direction::Descending => request.before = bound,
                        Direction::Ascending => request.after = bound,
                    }
                }
                // The other end, as far as the filter bounds it.
                let (after, before) = self.list.filter.span(by);
                let outward = |time: Option<Timestamp>, towards| {
                    widened(time?.as_microsecond(), resolution.as_micros(), towards)
                };
                match self.direction {
                    Direction::Descending => {
                        request.after = outward(after, Direction::Ascending);
                    }
                    Direction::Ascending => {
                        request.before = outward(before, Direction::Descending);
                    }
                }
                if let Some(token) = token {
                    request.position = Position::Token(token.clone());
                }
            }
            (Step::Index(search), _) => {
                // The repeated rows must fit, with something on both sides.
                let overlap = if search.time.is_some() && self.resume_key().is_some() {
                    KEY_OVERLAP
                } else {
                    u32::try_from(self.open_group.len()).unwrap_or(cap)
                };
                request.length = (request.length.saturating_add(overlap)).min(cap);
                request.position = Position::Offset(search.next);
            }
            (Step::Window { .. }, Paging::Index { .. }) => {}
        }
        request
    }

    /// The number of assets in this source's list, if it is certain.
    pub fn exact_total(&self) -> Option<u64> {
        if self.error.is_some() {
            return None;
        }
        let is_whole = self.exhausted && self.from.is_none() && self.until.is_none();
        self.stats.exact_total(is_whole.then(|| {
            // An asset that was updated between two calls appears twice.
            let ids = self.closed.iter().map(|slot| &slot.key.id);
            let nameless = ids.clone().filter(|id| id.is_empty()).count();
            let named: HashSet<_> = ids.filter(|id| !id.is_empty()).collect();
            CompleteRead {
                rows: named.len() + nameless,
                is_readable: self
                    .closed
                    .iter()
                    .all(|slot| matches!(slot.row, Row::Asset(_))),
            }
        }))
    }

    /// The last row known, if the source's order alone says which rows follow it.
    fn resume_key(&self) -> Option<&Key> {
        let position = self.frontier.as_ref().or(self.from.as_ref());
        position.filter(|key| {
            self.ties == TieOrder::ById && key.is_in_order(self.source_hash, TieOrder::ById)
        })
    }

    fn finish(&mut self) {
        self.close_group();
        self.exhausted = true;
    }
}

/// One reader for each source of the list, from one key to another.
pub fn readers<'a>(
    list: &'a List,
    direction: Direction,
    from: Option<&Key>,
    hints: &[Hint],
    until: Option<&Key>,
) -> Vec<Reader<'a>> {
    (0_u8..)
        .zip(&list.sources)
        .map(|(source, part)| {
            let hint = hints.iter().find(|hint| hint.source == source).copied();
            Reader::new(list, part, direction, from.map(|key| (key, hint)), until)
        })
        .collect()
}

/// The furthest bound sent to a source, in microseconds from 1970.
const A_MILLENNIUM: i64 = 1_000 * 365 * 86_400 * 1_000_000;

/// A filter's bound, moved outward by the source's time resolution. Rows are checked by key, so it
/// does not matter whether the bound is exclusive or how it rounds. `None` beyond a millennium:
/// upstreams do not distinguish such times, and a nearer bound would exclude rows.
fn widened(micros: i64, resolution: u128, direction: Direction) -> Option<Timestamp> {
    let unit = i64::try_from(resolution.max(1)).ok()?;
    let floor = micros.div_euclid(unit) * unit;
    let bound = match direction {
        Direction::Descending => floor.checked_add(2 * unit)?,
        Direction::Ascending => floor.checked_sub(unit)?,
    };
    let is_too_far = match direction {
        Direction::Descending => bound > A_MILLENNIUM,
        Direction::Ascending => bound < -A_MILLENNIUM,
    };
    if is_too_far {
        return None;
    }
    let bound = bound.clamp(-A_MILLENNIUM, A_MILLENNIUM);
    Timestamp::from_microsecond(bound).ok()
}
