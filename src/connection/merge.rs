//! From runs to a page: everything before the horizon, in order.

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    AllFailed, ConnectionPage, Edge, List, SourceOutcome, Stretch,
    cursor::Hint,
    key::Key,
    reader::{self, Reader, Slot},
};
use crate::source::{Direction, Row};

/// Where each source that pages by position goes on, for the cursors of one page.
pub struct Hints {
    direction: Direction,
    sources: Vec<Positions>,
}

struct Positions {
    source: u16,
    rows: Vec<(u64, i64)>,
    total: u64,
    /// What the cursor that led here said: better than nothing when this source failed.
    before: Option<Hint>,
}

impl Hints {
    pub fn at(&self, key: &Key) -> Vec<Hint> {
        self.sources
            .iter()
            .filter_map(|positions| {
                let Some((passed, left)) = reader::place(
                    &positions.rows,
                    positions.total,
                    key.created,
                    self.direction,
                ) else {
                    return positions.before;
                };
                let (newer, older) = match self.direction {
                    Direction::Newest => (passed, left),
                    Direction::Oldest => (left, passed),
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

/// Reads a page: one call to every source at once, and more only where the page would else be
/// short.
pub async fn page(list: &List, stretch: &Stretch) -> Result<ConnectionPage, AllFailed> {
    let direction = stretch.direction;
    let until = stretch.until.as_ref().map(|cursor| &cursor.key);
    let mut readers = reader::readers(list, direction, stretch.from.as_ref(), until);
    let began = Instant::now();
    advance(&mut readers.iter_mut().collect::<Vec<_>>(), stretch, began).await;
    loop {
        let horizon = horizon(&readers, direction);
        let known = readers
            .iter()
            .flat_map(|reader| &reader.closed)
            .filter(|slot| is_within(&slot.key, horizon.as_ref(), direction))
            .count();
        if known >= stretch.count {
            break;
        }
        // Whoever stands at the horizon holds the page up.
        let mut holding: Vec<_> = readers
            .iter_mut()
            .filter(|reader| reader.can_go_on() && reader.frontier == horizon)
            .collect();
        if holding.is_empty() {
            break;
        }
        advance(&mut holding, stretch, began).await;
    }
    if !readers.is_empty() && readers.iter().all(Reader::lost) {
        return Err(AllFailed {
            errors: list
                .sources
                .iter()
                .zip(readers)
                .filter_map(|(part, reader)| {
                    Some((part.source.profile().name.clone(), reader.error?))
                })
                .collect(),
        });
    }
    Ok(assemble(list, stretch, readers))
}

async fn advance(readers: &mut [&mut Reader<'_>], stretch: &Stretch, began: Instant) {
    join_all(readers.iter_mut().map(|reader| {
        let patience = began + reader.patience();
        reader.advance(stretch.count, patience)
    }))
    .await;
}

/// The nearest frontier of the runs that may hold more: past it something is unknown. Runs that
/// were lost before they gave anything are left out, and said so in the outcomes.
fn horizon(readers: &[Reader<'_>], direction: Direction) -> Option<Key> {
    readers
        .iter()
        .filter(|reader| !reader.exhausted && !reader.lost())
        .filter_map(|reader| reader.frontier.as_ref())
        .min_by(|a, b| a.walk(b, direction))
        .cloned()
}

fn is_within(key: &Key, horizon: Option<&Key>, direction: Direction) -> bool {
    horizon.is_none_or(|horizon| key.walk(horizon, direction).is_le())
}

fn assemble(list: &List, stretch: &Stretch, mut readers: Vec<Reader<'_>>) -> ConnectionPage {
    let direction = stretch.direction;
    let horizon = horizon(&readers, direction);
    let mut slots: Vec<(usize, Slot)> = readers
        .iter_mut()
        .enumerate()
        .flat_map(|(index, reader)| {
            std::mem::take(&mut reader.closed)
                .into_iter()
                .map(move |slot| (index, slot))
        })
        .filter(|(_, slot)| is_within(&slot.key, horizon.as_ref(), direction))
        .collect();
    slots.sort_by(|(_, a), (_, b)| a.key.walk(&b.key, direction));
    let more = slots.len() > stretch.count || readers.iter().any(|reader| !reader.exhausted);
    let is_full = slots.len() >= stretch.count;
    slots.truncate(stretch.count);

    let first = slots.first().map(|(_, slot)| slot.key.clone());
    let last = slots.last().map(|(_, slot)| slot.key.clone());
    // A short page ends where knowledge ends; an empty one of which more is to come stands still.
    let far = match (is_full, more) {
        (false, true) => horizon
            .or(last)
            .or_else(|| stretch.from.as_ref().map(|cursor| cursor.key.clone()))
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
                key: slot.key,
            }),
            Row::Unreadable(row) => unreadable[index].push(row),
        }
    }
    let came = stretch.from.is_some();
    let (start, end, has_previous_page, has_next_page) = match direction {
        Direction::Newest => (near, far, came, more),
        Direction::Oldest => {
            edges.reverse();
            (far, near, more, came)
        }
    };
    let totals: Option<Vec<u64>> = readers
        .iter()
        .map(|reader| reader.total.filter(|_| reader.error.is_none()))
        .collect();
    ConnectionPage {
        edges,
        has_next_page,
        has_previous_page,
        start,
        end,
        total: totals.map(|all| all.iter().sum()),
        hints: Hints {
            direction,
            sources: readers
                .iter()
                .filter_map(|r| positions(r, stretch))
                .collect(),
        },
        fingerprint: list.fingerprint,
        sources: list
            .sources
            .iter()
            .zip(readers)
            .zip(unreadable)
            .map(|((part, reader), unreadable)| SourceOutcome {
                source: part.source.clone(),
                total: reader.total.filter(|_| reader.error.is_none()),
                error: reader.error,
                fetched_at: reader.fetched_at,
                unreadable,
                plan: reader.plan,
            })
            .collect(),
    }
}

fn positions(reader: &Reader<'_>, stretch: &Stretch) -> Option<Positions> {
    if !reader.pages_by_position() {
        return None;
    }
    Some(Positions {
        source: reader.source_hash,
        rows: reader.positions.clone(),
        total: reader.total.unwrap_or_default(),
        before: stretch
            .from
            .as_ref()
            .and_then(|cursor| cursor.hints.iter().find(|h| h.source == reader.source_hash))
            .copied(),
    })
}
