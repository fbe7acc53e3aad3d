//! A position in a list that only its source can compare. A row marks it; the gateway finds the row
//! again by itself or by its neighbours.
//!
//! The cursor's layout:
//! ```text
//! version and packing 1 · id length 1 · source hash 2 · value hash 8 · marks of the rows before
//! and after 4 each · index (varint) · id … · checksum 4
//! ```

use std::sync::Arc;

use super::{
    cursor::{BadCursor, Fingerprint, MAX_ROWS, open, seal},
    id_encoding::{pack, push_varint, read_varint, unpack},
};
use crate::{
    asset::Asset,
    source::{Row, SortBy, SourceInfo},
};

/// Distinguishes these cursors from cursors of lists sorted by a time.
const VERSION: u8 = 2;

/// A position right after (or before) a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowAnchor {
    /// The source's [`crate::asset::SourceName::hash16`].
    pub source: u16,
    /// The row's upstream id; empty for an unreadable row, which never becomes a position.
    pub id: Arc<str>,
    /// A hash of the row's sort value. If the value changes, the row moves.
    pub value: u64,
    /// The number of rows before it when it was read.
    pub index: u64,
    /// Marks of the nearest rows before and after it that have a mark; 0: none.
    pub before: u32,
    pub next: u32,
}

impl RowAnchor {
    /// Encodes the position for a client.
    #[must_use]
    pub fn encode(&self, fingerprint: &Fingerprint) -> String {
        let (packing, id) = pack(&self.id);
        let mut bytes = Vec::with_capacity(48);
        bytes.push(VERSION | packing << 4);
        // Ids have at most 128 bytes.
        bytes.push(self.id.len() as u8);
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.value.to_be_bytes());
        bytes.extend(self.before.to_be_bytes());
        bytes.extend(self.next.to_be_bytes());
        push_varint(&mut bytes, self.index);
        bytes.extend(id);
        seal(bytes, fingerprint)
    }

    /// Decodes a position that a client sent.
    ///
    /// # Errors
    /// [`BadCursor`] for any text that [`RowAnchor::encode`] would not write for this list.
    pub fn decode(text: &str, fingerprint: &Fingerprint) -> Result<Self, BadCursor> {
        let anchor = Self::read(&open(text, fingerprint)?).ok_or(BadCursor)?;
        if anchor.encode(fingerprint) == text {
            Ok(anchor)
        } else {
            Err(BadCursor)
        }
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let ([head, length, s1, s2], rest) = payload.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_first_chunk::<8>()?;
        let (before, rest) = rest.split_first_chunk::<4>()?;
        let (next, rest) = rest.split_first_chunk::<4>()?;
        let (index, rest) = read_varint(rest)?;
        let (id, rest) = unpack(head >> 4, usize::from(*length), rest)?;
        (head & 0x0f == VERSION && rest.is_empty() && index <= MAX_ROWS).then(|| Self {
            source: u16::from_be_bytes([*s1, *s2]),
            id: id.into(),
            value: u64::from_be_bytes(*value),
            index,
            before: u32::from_be_bytes(*before),
            next: u32::from_be_bytes(*next),
        })
    }

    /// Whether this is a position in the source's list.
    #[must_use]
    pub fn is_in(&self, source: &SourceInfo) -> bool {
        std::iter::once(&source.name)
            .chain(&source.former_names)
            .any(|name| name.hash16() == self.source)
    }

    pub fn mark(&self) -> u32 {
        mark(&self.id, self.value)
    }

    /// Whether both name the same row, and the row has not moved.
    pub fn is_same_row(&self, other: &Self) -> bool {
        !self.id.is_empty() && self.id == other.id && self.value == other.value
    }
}

/// A hash that identifies a row among its neighbours until it moves; 0 if it has no id.
fn mark(id: &str, value: u64) -> u32 {
    if id.is_empty() {
        return 0;
    }
    u32::from_be_bytes(first_bytes(&format!("{value} {id}"))).max(1)
}

pub fn value_hash(row: &Row, by: SortBy) -> u64 {
    match row {
        Row::Asset(asset) => u64::from_be_bytes(first_bytes(&value(asset, by))),
        Row::Unreadable(_) | Row::Gone(..) => 0,
    }
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
        SortBy::LastAccessTime => format!("{:?}", asset.details.last_access_time()),
        SortBy::Name | SortBy::CreatedAt | SortBy::UpdatedAt => asset.shown_name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list() -> Fingerprint {
        Fingerprint::of("assets", &[("orderBy", "NAME Ascending".to_owned())])
    }

    proptest! {
        #[test]
        fn places_survive_the_round_trip(
            source: u16,
            id in "[a-zA-Z0-9_-]{1,128}|[ -~]{1,100}|\\PC{1,20}",
            value: u64,
            index in 0..1_u64 << 40,
            before: u32,
            next: u32,
        ) {
            let anchor = RowAnchor { source, id: id.into(), value, index, before, next };
            let text = anchor.encode(&list());
            prop_assert!(text.len() <= 256, "{}", text.len());
            prop_assert_eq!(RowAnchor::decode(&text, &list()), Ok(anchor));
        }

        #[test]
        fn no_text_makes_the_decoder_panic(text in "\\PC{0,300}|[A-Za-z0-9_-]{0,300}") {
            let _ = RowAnchor::decode(&text, &list());
        }

        #[test]
        fn a_payload_with_a_right_checksum_never_panics(payload: Vec<u8>) {
            let _ = RowAnchor::decode(&seal(payload, &list()), &list());
        }
    }

    #[test]
    fn a_place_that_no_list_reaches_is_refused() {
        for (index, is_good) in [(MAX_ROWS, true), (MAX_ROWS + 1, false), (1 << 63, false)] {
            let anchor = RowAnchor {
                source: 7,
                id: "a".into(),
                value: 1,
                index,
                before: 1,
                next: 2,
            };
            let read = RowAnchor::decode(&anchor.encode(&list()), &list());
            assert_eq!(read.is_ok(), is_good, "{index}");
        }
    }

    #[test]
    fn a_providers_own_id_fits_64_letters_and_another_list_refuses_it() {
        let anchor = RowAnchor {
            source: 0xbeef,
            id: "3c90c3cc-0d44-4b50-8888-8dd25736052a".into(),
            value: u64::MAX,
            index: 2_000_000,
            before: 1,
            next: 2,
        };
        let text = anchor.encode(&list());
        assert!(text.len() <= 64, "{}", text.len());
        let other = Fingerprint::of("assets", &[]);
        assert_eq!(RowAnchor::decode(&text, &other), Err(BadCursor));
    }
}
