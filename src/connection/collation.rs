//! One source's list in an order that only the source knows: by name, size or last access.
//!
//! Its values cannot be compared here: collations differ, an unknown size sorts at either end, ties
//! stand as the source likes. So a place is a row, not a key: its id, and for when that row is
//! deleted or has moved, the two rows before it and its position. Going on means finding the row
//! again; rows that were inserted or deleted elsewhere then neither repeat nor hide anything.
//! The list is always read the way it runs, backward pages too: the other direction need not be
//! its mirror where values are equal.

use tokio::time::Instant;

use super::{
    AllFailed, ConnectionPage, Edge, List, Place, SourceList, Stretch,
    cursor::{BadCursor, Fingerprint, open, seal},
    packing::{pack, push_varint, read_varint, unpack},
    record::{Record, Whole},
};
use crate::{
    asset::{Asset, Details},
    source::{ListRequest, Paging, Position, Row, SortBy, SourceError},
};

/// Slices read for a page (design §3).
const BUDGET: u32 = 5;
/// Rows read again before a place: the place itself, and some more for rows that were deleted.
const SLACK: u64 = 8;
/// Rows before a row that its place remembers.
const NEIGHBOURS: usize = 2;
/// Tells these cursors from those of lists sorted by a time.
const VERSION: u8 = 2;

/// Right after (or before) a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// [`crate::asset::SourceName::hash16`].
    source: u16,
    /// The row's upstream id; empty where it could not be read.
    id: Box<str>,
    /// A hash of what the row is sorted by: when that changes, the row moves.
    value: u64,
    /// Rows before it when it was read.
    index: u64,
    /// Hashes of the ids of the row before, and the one before that; 0: none known.
    before: [u32; NEIGHBOURS],
}

impl Spot {
    /// As a client sees it.
    #[must_use]
    pub fn encode(&self, fingerprint: &Fingerprint) -> String {
        let (packing, id) = pack(&self.id);
        let mut bytes = Vec::with_capacity(48);
        bytes.push(VERSION | packing << 4);
        // Ids have at most 128 bytes.
        bytes.push(self.id.len() as u8);
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.value.to_be_bytes());
        for hash in self.before {
            bytes.extend(hash.to_be_bytes());
        }
        push_varint(&mut bytes, self.index);
        bytes.extend(id);
        seal(bytes, fingerprint)
    }

    /// Reads what a client sends.
    ///
    /// # Errors
    /// [`BadCursor`] for anything [`Spot::encode`] would not have written for this list.
    pub fn decode(text: &str, fingerprint: &Fingerprint) -> Result<Self, BadCursor> {
        let spot = Self::read(&open(text, fingerprint)?).ok_or(BadCursor)?;
        if spot.encode(fingerprint) == text {
            Ok(spot)
        } else {
            Err(BadCursor)
        }
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let ([head, length, s1, s2], rest) = payload.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_first_chunk::<8>()?;
        let (first, rest) = rest.split_first_chunk::<4>()?;
        let (second, rest) = rest.split_first_chunk::<4>()?;
        let (index, rest) = read_varint(rest)?;
        let (id, rest) = unpack(head >> 4, usize::from(*length), rest)?;
        (head & 0x0f == VERSION && rest.is_empty()).then(|| Self {
            source: u16::from_be_bytes([*s1, *s2]),
            id: id.into(),
            value: u64::from_be_bytes(*value),
            index,
            before: [u32::from_be_bytes(*first), u32::from_be_bytes(*second)],
        })
    }

    /// Whether it is this row's own, and the row has not moved.
    fn is_of(&self, own: &Self) -> bool {
        !self.id.is_empty() && self.id == own.id && self.value == own.value
    }
}

fn short_hash(id: &str) -> u32 {
    u32::from_be_bytes(first_bytes(id))
}

fn value_hash(row: &Row, by: SortBy) -> u64 {
    let Row::Asset(asset) = row else { return 0 };
    u64::from_be_bytes(first_bytes(&value(asset, by)))
}

fn first_bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    blake3::Hasher::new()
        .update(text.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn value(asset: &Asset, by: SortBy) -> String {
    match by {
        SortBy::Size => format!("{:?}", asset.size_bytes),
        SortBy::LastAccessTime => match &asset.details {
            Details::Comfy(details) => format!("{:?}", details.last_access_time),
            _ => String::new(),
        },
        SortBy::Name | SortBy::CreatedAt | SortBy::UpdatedAt => asset.name.clone(),
    }
}

/// Reads a page: usually one call.
pub async fn page(list: &List, stretch: &Stretch<Spot>) -> Result<ConnectionPage, AllFailed> {
    let Some(part) = list.sources.first() else {
        return Ok(list.answered(Vec::new()));
    };
    let mut walk = Walk::new(list, part, stretch);
    walk.run().await;
    match walk.error {
        Some(error) if walk.seen.is_none() => Err(AllFailed {
            errors: vec![(part.source.profile().name.clone(), error)],
        }),
        _ => Ok(walk.assemble()),
    }
}

/// Consecutive rows, in the list's order.
struct Slice {
    /// Rows before the first one.
    offset: u64,
    rows: Vec<(Spot, Row)>,
    /// Nothing follows.
    is_last: bool,
}

impl Slice {
    fn end(&self) -> u64 {
        self.offset + self.rows.len() as u64
    }

    /// Where the gap right after (walking forward) or right before `spot` is, if it is in here.
    fn gap(&self, spot: &Spot, forward: bool) -> Option<usize> {
        let itself = self.rows.iter().position(|(own, _)| spot.is_of(own));
        let found = itself.map(|at| if forward { at + 1 } else { at });
        // The row is gone: right after what came before it.
        let neighbours = spot.before.iter().filter(|hash| **hash != 0);
        let found = found.or_else(|| {
            neighbours
                .filter_map(|hash| {
                    self.rows
                        .iter()
                        .position(|(own, _)| short_hash(&own.id) == *hash)
                })
                .map(|at| at + 1)
                .next()
        });
        // What lies beyond must be in here too.
        found.filter(|gap| {
            if forward {
                self.is_last || *gap < self.rows.len()
            } else {
                self.offset == 0 || *gap > 0
            }
        })
    }

    /// A position in the list as one in here, as near as there is.
    fn clamp(&self, index: u64) -> usize {
        let within = index.saturating_sub(self.offset);
        usize::try_from(within).map_or(self.rows.len(), |at| at.min(self.rows.len()))
    }
}

/// A page being read.
struct Walk<'a> {
    list: &'a List,
    part: &'a SourceList,
    forward: bool,
    count: usize,
    /// Where the client is…
    near: Option<&'a Spot>,
    /// …and where it wants to stop.
    far: Option<&'a Spot>,
    patience: Instant,
    slices: u32,
    /// Rows that fit, in walking order.
    kept: Vec<(Spot, Row)>,
    /// The furthest row read.
    seen: Option<Spot>,
    exhausted: bool,
    error: Option<SourceError>,
    record: Record<'a>,
}

impl<'a> Walk<'a> {
    fn new(list: &'a List, part: &'a SourceList, stretch: &'a Stretch<Spot>) -> Self {
        let (near, far) = if stretch.forward {
            (stretch.after.as_ref(), stretch.before.as_ref())
        } else {
            (stretch.before.as_ref(), stretch.after.as_ref())
        };
        Self {
            list,
            part,
            forward: stretch.forward,
            count: stretch.count,
            near,
            far,
            patience: Instant::now() + part.source.profile().patience,
            slices: 0,
            kept: Vec::new(),
            seen: None,
            exhausted: false,
            error: None,
            record: Record::new(list, part),
        }
    }

    /// Reads until the page is full, or nothing more comes, or the budget is spent.
    async fn run(&mut self) {
        while !self.exhausted
            && self.error.is_none()
            && self.kept.len() <= self.count
            && self.slices < BUDGET
        {
            let from = self.seen.clone().or_else(|| self.near.cloned());
            match self.locate(from.as_ref()).await {
                Ok((slice, gap)) => self.take(slice, gap),
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        }
    }

    /// The slice around a place, and where in it the place is.
    async fn locate(&mut self, from: Option<&Spot>) -> Result<(Slice, usize), SourceError> {
        // The page, one more that tells of more, and the rows that name a place.
        let wanted = if self.part.finished.is_empty() {
            self.count as u64 + 1
        } else {
            u64::from(self.part.paging.cap())
        };
        let Some(spot) = from else {
            return self.at_the_edge(wanted).await;
        };
        let (lead, tail) = if self.forward {
            (SLACK, 1 + wanted)
        } else {
            (self.lead(wanted), SLACK)
        };
        let slice = self
            .read(spot.index.saturating_sub(lead), lead + tail)
            .await?;
        if let Some(gap) = slice.gap(spot, self.forward) {
            return Ok((slice, gap));
        }
        if let Some(found) = self.look_around(spot, &slice).await? {
            return Ok(found);
        }
        // The row is gone, and its neighbours too: its position is all there is.
        if slice.rows.is_empty() && slice.offset > 0 && !self.forward {
            return self.at_the_edge(wanted).await;
        }
        let gap = slice.clamp(spot.index);
        Ok((slice, gap))
    }

    /// Rows that moved far: slices around the first, later ones first, for assets are added more
    /// often than deleted.
    async fn look_around(
        &mut self,
        spot: &Spot,
        first: &Slice,
    ) -> Result<Option<(Slice, usize)>, SourceError> {
        let cap = u64::from(self.part.paging.cap());
        let (mut low, mut high) = (first.offset, first.end());
        let mut more = !first.is_last;
        // One is left for the page itself.
        while self.slices + 1 < BUDGET && (more || low > 0) {
            let slice = if more {
                let slice = self.read(high.saturating_sub(SLACK), cap).await?;
                more = !slice.is_last && slice.end() > high;
                high = slice.end();
                slice
            } else {
                let start = low.saturating_sub(cap - SLACK);
                let slice = self.read(start, low - start + SLACK).await?;
                low = start;
                slice
            };
            if let Some(gap) = slice.gap(spot, self.forward) {
                return Ok(Some((slice, gap)));
            }
        }
        Ok(None)
    }

    /// Rows before a place that are read with it, walking backward: as many as surely leave room for
    /// the place itself.
    fn lead(&self, wanted: u64) -> u64 {
        let reach = match self.part.paging {
            Paging::Index { reach, .. } => u64::from(reach),
            Paging::Window { cap, .. } => u64::from(cap),
        };
        (wanted + SLACK).min(reach.saturating_sub(SLACK + 1)).max(1)
    }

    /// The beginning of the list, or its end for who walks backward.
    async fn at_the_edge(&mut self, wanted: u64) -> Result<(Slice, usize), SourceError> {
        if self.forward {
            return Ok((self.read(0, wanted).await?, 0));
        }
        let length = self.lead(wanted);
        if self.record.total.is_none() {
            self.read(0, 1).await?;
        }
        let total = self.record.total.ok_or_else(|| {
            SourceError::Unsupported(
                "the source does not tell how long its list is, so there is no way to its end: \
                 page forward instead"
                    .to_owned(),
            )
        })?;
        // Some may have been added since.
        let mut slice = self
            .read(total.saturating_sub(length), length + SLACK)
            .await?;
        while !slice.is_last && self.slices < BUDGET {
            let start = slice.end().saturating_sub(length);
            slice = self.read(start, length + SLACK).await?;
        }
        let gap = slice.rows.len();
        Ok((slice, gap))
    }

    async fn read(&mut self, offset: u64, length: u64) -> Result<Slice, SourceError> {
        self.slices += 1;
        let cap = self.part.paging.cap();
        let request = ListRequest {
            listing: self.part.listing,
            order: self.list.order,
            after: None,
            before: None,
            position: Position::Offset(offset),
            length: u32::try_from(length).map_or(cap, |length| length.min(cap)),
            parameters: self.part.parameters.clone(),
        };
        let (shelf, context) = (&self.list.shelf, &self.list.context);
        let read = shelf
            .page(&self.part.source, request, context, self.patience)
            .await?;
        self.record.note(&read);
        let source = self.part.source.profile().name.hash16();
        let by = self.list.order.by;
        let mut before = [0; NEIGHBOURS];
        let mut rows = Vec::with_capacity(read.page.rows.len());
        for (index, row) in (read.page.offset..).zip(&read.page.rows) {
            let spot = Spot {
                source,
                id: row.id().into(),
                value: value_hash(row, by),
                index,
                before,
            };
            before = [short_hash(&spot.id), before[0]];
            rows.push((spot, row.clone()));
        }
        Ok(Slice {
            offset: read.page.offset,
            rows,
            is_last: read.page.last,
        })
    }

    /// Adds what lies beyond the gap, walking.
    fn take(&mut self, slice: Slice, gap: usize) {
        let is_at_edge = if self.forward {
            slice.is_last
        } else {
            slice.offset == 0
        };
        let far = self.far;
        let shows_far = far.is_some_and(|far| slice.rows.iter().any(|(own, _)| far.is_of(own)));
        let mut rows = slice.rows;
        let beyond: Vec<_> = if self.forward {
            rows.split_off(gap.min(rows.len()))
        } else {
            rows.truncate(gap);
            rows.reverse();
            // The first rows of a slice do not know what is before them: they are read again.
            if !is_at_edge {
                rows.truncate(rows.len().saturating_sub(NEIGHBOURS).max(1));
            }
            rows
        };
        if beyond.is_empty() && !is_at_edge {
            self.error = Some(SourceError::Unavailable {
                status: None,
                reason: "its list changed so much that the place is lost: start again without a \
                         cursor"
                    .to_owned(),
                retry_after: None,
            });
            return;
        }
        for (spot, row) in beyond {
            let is_before_far = |far: &Spot| {
                let own = short_hash(&spot.id);
                !shows_far && far.before.contains(&own)
            };
            if far.is_some_and(|far| far.is_of(&spot) || (!self.forward && is_before_far(far))) {
                self.exhausted = true;
                return;
            }
            // The far row is gone: it stood right after this one.
            let is_end = far.is_some_and(|far| {
                !shows_far && far.before[0] != 0 && far.before[0] == short_hash(&spot.id)
            });
            self.seen = Some(spot.clone());
            self.keep(spot, row);
            if is_end {
                self.exhausted = true;
                return;
            }
        }
        self.exhausted = is_at_edge;
    }

    fn keep(&mut self, spot: Spot, row: Row) {
        // A row that moved between two calls is shown once.
        let is_known = !spot.id.is_empty() && self.kept.iter().any(|(own, _)| own.id == spot.id);
        match self.list.fits(self.part, &row) {
            Some(true) if !is_known => self.kept.push((spot, row)),
            Some(false) => self.record.dropped = true,
            _ => {}
        }
    }

    fn assemble(mut self) -> ConnectionPage {
        let is_whole =
            self.exhausted && self.error.is_none() && self.near.is_none() && self.far.is_none();
        let total = if self.error.is_some() {
            None
        } else {
            self.record.exact_total(is_whole.then(|| {
                Whole {
                    rows: self.kept.len(),
                    is_readable: self
                        .kept
                        .iter()
                        .all(|(_, row)| matches!(row, Row::Asset(_))),
                }
            }))
        };
        let more = self.kept.len() > self.count || !self.exhausted;
        let is_full = self.kept.len() >= self.count;
        self.kept.truncate(self.count);
        let first = self.kept.first().map(|(spot, _)| spot.clone());
        let last = self.kept.last().map(|(spot, _)| spot.clone());
        // A page that is not full ends where reading did.
        let far = if is_full || !more {
            last
        } else {
            self.seen.clone().or_else(|| self.near.cloned())
        };
        let near = first.or_else(|| far.clone());
        let (mut edges, mut unreadable) = (Vec::with_capacity(self.kept.len()), Vec::new());
        for (spot, row) in self.kept {
            match row {
                Row::Asset(asset) => edges.push(Edge {
                    asset,
                    place: Place::Spot(spot),
                }),
                Row::Unreadable(bad) => unreadable.push(bad),
                Row::Gone(..) => {}
            }
        }
        let came = self.near.is_some();
        let (start, end, has_previous_page, has_next_page) = if self.forward {
            (near, far, came, more)
        } else {
            edges.reverse();
            (far, near, more, came)
        };
        let outcome = self.record.outcome(total, self.error, unreadable);
        ConnectionPage {
            edges,
            has_next_page,
            has_previous_page,
            start: start.map(Place::Spot),
            end: end.map(Place::Spot),
            ..self.list.answered(vec![outcome])
        }
    }
}
