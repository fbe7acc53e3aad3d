//! Merges runs into a page: every row before the horizon, in order.

use std::collections::HashSet;

use ahash::RandomState;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    cursor::{Cursor, Hint},
    hints::{Hints, Positions},
    list::{ConnectionPage, Edge, List, ListUnavailable, PagePosition, PageRange},
    sort_key::Key,
    source_reader::{self, RankedRow, Reader},
};
use crate::source::{Direction, Row};

/// The range as a walk: its direction, start, end and length.
struct Walk {
    direction: Direction,
    from: Option<Key>,
    /// Set only if `from` is the client's own cursor.
    hints: Vec<Hint>,
    until: Option<Key>,
    count: usize,
    /// The key of the client's cursor, even if the walk begins at a filter bound.
    cursor_key: Option<Key>,
}

impl Walk {
    fn of(list: &List, range: &PageRange<Cursor>) -> Self {
        let direction = if range.forward {
            list.order.direction
        } else {
            list.order.direction.reversed()
        };
        // Ignore a `before` at or before `after`: `after` has already removed it (Relay's
        // ApplyCursorsToEdges).
        let is_left_behind = |before: &&Cursor| {
            let after = range.after.as_ref();
            after.is_some_and(|after| after.key.compare(&before.key, list.order.direction).is_ge())
        };
        let before = range
            .before
            .as_ref()
            .filter(|requested| !is_left_behind(requested));
        let after = range.after.as_ref();
        let (near, far) = if range.forward {
            (after, before)
        } else {
            (before, after)
        };
        // The filter's bounds are exclusive. `newest` is later than every row before `before`…
        let (after, before) = list.filter.span(list.order.by);
        let newest = before.map(|bound| Key::at_time(ceil_microseconds(bound).saturating_sub(1)));
        // …`oldest` is earlier than every row after `after`; the filter judges that microsecond.
        let oldest = after.map(|bound| Key::at_time(bound.as_microsecond().saturating_sub(1)));
        let (first, last) = match direction {
            Direction::Descending => (newest, oldest),
            Direction::Ascending => (oldest, newest),
        };
        let requested = near.map(|cursor| &cursor.key);
        let starts_at_cursor = match (requested, &first) {
            (Some(requested), Some(first)) => requested.compare(first, direction).is_ge(),
            (requested, _) => requested.is_some(),
        };
        Self {
            direction,
            from: if starts_at_cursor {
                requested.cloned()
            } else {
                first
            },
            hints: near
                .filter(|_| starts_at_cursor)
                .map_or_else(Vec::new, |cursor| cursor.hints.clone()),
            until: [far.map(|cursor| cursor.key.clone()), last]
                .into_iter()
                .flatten()
                .min_by(|a, b| a.compare(b, direction)),
            count: range.count,
            cursor_key: near.map(|cursor| cursor.key.clone()),
        }
    }
}

/// Rounds a time up to whole microseconds.
fn ceil_microseconds(time: Timestamp) -> i64 {
    let micros = time.as_microsecond();
    let is_whole = time.as_nanosecond() == i128::from(micros) * 1_000;
    // Truncation is towards zero, which already rounds up before 1970.
    if is_whole || time.as_nanosecond() < 0 {
        micros
    } else {
        micros + 1
    }
}

/// Reads a page with one call to every source, all concurrent. It makes more calls only if the page
/// would be short otherwise.
///
/// For n rows read from s sources it costs O(n log n) comparisons: one sort merges runs that are
/// already ordered. Checks for more rows take O(s log n): a constant number at most for each
/// source. The page's depth in the list does not matter, because each read starts at the page's
/// position (`benches/parts` measures both).
pub async fn page(
    list: &List,
    range: &PageRange<Cursor>,
) -> Result<ConnectionPage, ListUnavailable> {
    let walk = Walk::of(list, range);
    let direction = walk.direction;
    let mut readers = source_reader::readers(
        list,
        direction,
        walk.from.as_ref(),
        &walk.hints,
        walk.until.as_ref(),
    );
    let began = Instant::now();
    advance(
        &mut readers.iter_mut().collect::<Vec<_>>(),
        walk.count,
        began,
    )
    .await;
    loop {
        let horizon = horizon(&readers, direction);
        // Runs are sorted in walking order.
        let ready = readers.iter().map(|reader| {
            let within = |slot: &RankedRow| is_within(&slot.key, horizon.as_ref(), direction);
            reader.closed.partition_point(within)
        });
        let ready: usize = ready.sum();
        if ready >= walk.count {
            break;
        }
        // Only the sources at the horizon keep the page short.
        let mut blocking: Vec<_> = readers
            .iter_mut()
            .filter(|reader| reader.can_go_on() && reader.frontier == horizon)
            .collect();
        if blocking.is_empty() {
            break;
        }
        advance(&mut blocking, walk.count, began).await;
    }
    if !readers.is_empty() && readers.iter().all(Reader::failed_at_start) {
        return Err(ListUnavailable::of(&readers, false));
    }
    let errors = ListUnavailable::of(&readers, true);
    let page = assemble(list, range.forward, &walk, readers);
    // An empty page would repeat under the same cursor for as long as the source is down.
    let far = if range.forward {
        &page.end
    } else {
        &page.start
    };
    let more = if range.forward {
        page.has_next_page
    } else {
        page.has_previous_page
    };
    let makes_no_progress = matches!((&walk.cursor_key, far), (Some(cursor_key), Some(PagePosition::Key(far))) if cursor_key == far);
    if page.edges.is_empty() && more && makes_no_progress && !errors.errors.is_empty() {
        return Err(errors);
    }
    Ok(page)
}

impl ListUnavailable {
    fn of(readers: &[Reader<'_>], others_answered: bool) -> Self {
        let errors = readers.iter().filter_map(|reader| {
            let name = reader.source().profile().name.clone();
            Some((name, reader.error.clone()?))
        });
        Self {
            errors: errors.collect(),
            others_answered,
        }
    }
}

async fn advance(readers: &mut [&mut Reader<'_>], count: usize, began: Instant) {
    join_all(readers.iter_mut().map(|reader| {
        let deadline = began + reader.patience();
        reader.advance(count, deadline)
    }))
    .await;
}

/// The nearest frontier of the runs that may hold more rows; past it, some rows are unknown. It
/// ignores runs that failed before their first row: the outcomes report those.
fn horizon(readers: &[Reader<'_>], direction: Direction) -> Option<Key> {
    readers
        .iter()
        .filter(|reader| !reader.exhausted && !reader.failed_at_start())
        .filter_map(|reader| reader.frontier.as_ref())
        .min_by(|a, b| a.compare(b, direction))
        .cloned()
}

fn is_within(key: &Key, horizon: Option<&Key>, direction: Direction) -> bool {
    horizon.is_none_or(|horizon| key.compare(horizon, direction).is_le())
}

fn assemble(
    list: &List,
    forward: bool,
    walk: &Walk,
    mut readers: Vec<Reader<'_>>,
) -> ConnectionPage {
    let direction = walk.direction;
    let totals: Vec<Option<u64>> = readers.iter().map(Reader::exact_total).collect();
    let horizon = horizon(&readers, direction);
    let mut slots: Vec<(usize, RankedRow)> = readers
        .iter_mut()
        .enumerate()
        .flat_map(|(index, reader)| {
            std::mem::take(&mut reader.closed)
                .into_iter()
                .map(move |slot| (index, slot))
        })
        .filter(|(_, slot)| is_within(&slot.key, horizon.as_ref(), direction))
        .collect();
    slots.sort_by(|(_, a), (_, b)| a.key.compare(&b.key, direction));
    // An asset that changed between two calls of one page has two positions; show it once.
    let mut shown = HashSet::with_capacity_and_hasher(slots.len(), RandomState::new());
    let keys = slots.iter().map(|(_, slot)| &slot.key);
    let is_new = keys.map(|key| key.id.is_empty() || shown.insert((key.source, &*key.id)));
    let mut is_new = is_new.collect::<Vec<_>>().into_iter();
    slots.retain(|_| is_new.next().unwrap_or(true));
    let more = slots.len() > walk.count || readers.iter().any(|reader| !reader.exhausted);
    let is_full = slots.len() >= walk.count;
    slots.truncate(walk.count);

    let first = slots.first().map(|(_, slot)| slot.key.clone());
    let last = slots.last().map(|(_, slot)| slot.key.clone());
    // A short page with more to come ends at the horizon, else at its last row or its start.
    let far = match (is_full, more) {
        (false, true) => horizon
            .or(last)
            .or_else(|| walk.from.clone())
            .or_else(|| Some(Key::start(direction))),
        _ => last,
    };
    let near = first.or_else(|| far.clone());

    let mut unreadable: Vec<Vec<_>> = vec![Vec::new(); readers.len()];
    let mut edges = Vec::with_capacity(slots.len());
    for (index, slot) in slots {
        match slot.row {
            Row::Asset(asset) => edges.push(Edge {
                asset,
                place: PagePosition::Key(slot.key),
            }),
            Row::Unreadable(row) => unreadable[index].push(row),
            Row::Gone(..) => {}
        }
    }
    let (start, end, has_previous_page, has_next_page) = if forward {
        (near, far, walk.cursor_key.is_some(), more)
    } else {
        edges.reverse();
        (far, near, more, walk.cursor_key.is_some())
    };
    let hints = (0..)
        .zip(&readers)
        .filter_map(|(source, reader)| positions(source, reader, walk))
        .collect();
    let outcomes = readers
        .into_iter()
        .zip(unreadable)
        .zip(totals)
        .map(|((reader, unreadable), total)| {
            let complete = !reader.failed_at_start();
            let error = reader.error;
            reader.stats.outcome(total, error, unreadable, complete)
        })
        .collect();
    ConnectionPage {
        edges,
        has_next_page,
        has_previous_page,
        start: start.map(PagePosition::Key),
        end: end.map(PagePosition::Key),
        hints: Hints(hints),
        ..list.empty_page(outcomes)
    }
}

fn positions(source: u8, reader: &Reader<'_>, walk: &Walk) -> Option<Positions> {
    if !reader.pages_by_position() {
        return None;
    }
    Some(Positions {
        source,
        direction: walk.direction,
        rows: reader.positions.clone(),
        ties: reader.ties,
        total: reader.stats.total.unwrap_or_default(),
        before: walk
            .hints
            .iter()
            .find(|hint| hint.source == source)
            .copied(),
    })
}
