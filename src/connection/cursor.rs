//! Cursors: opaque to clients, stateless, and valid across restarts and instances.
//!
//! ```text
//! version and packings 1 · id length 1 · source hash 2 · time 6 (whole milliseconds) or 7 · id …
//! · which sources have hints (bits) · per hint: rows before, rows after (varints) · checksum 4
//! ```
//! as unpadded base64url. The checksum covers the payload and the list's arguments, so it detects a
//! damaged cursor or one of another list. It is not a signature: hints are guesses, and each is
//! checked against the key when used. A forged key is only a position, never data.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    id_encoding::{pack, push_varint, read_varint, unpack},
    sort_key::{Key, MAX_TIME, MIN_TIME},
};
use crate::source::TieOrder;

/// The version of a position whose group of equal times the gateway sorts ([`TieOrder::Free`]).
const VERSION: u8 = 1;
/// The version of a position in the source's own order ([`TieOrder::ById`]). 2 is that of
/// [`RowAnchor`](super::RowAnchor).
const VERSION_BY_ID: u8 = 3;
const CHECKSUM: usize = 4;
/// In characters.
const MAX_LENGTH: usize = 256;
/// In bytes, for ids in the providers' usual formats: 64 characters.
const USUAL_SIZE: usize = 48;
/// The maximum number of sources of one gateway.
const MAX_HINTS: u8 = 16;
/// Hints are rounded down to a multiple of this, to keep cursors short.
pub const HINT_GRANULARITY: u64 = 4;
/// The maximum number of rows before or after a position. It is more than any source holds, and
/// small enough for every kind of server to parse.
pub const MAX_ROWS: u64 = 1 << 40;
/// Header flag: the time is in whole milliseconds.
const MILLISECONDS: u8 = 0x40;

/// A position in a list, with hints where each source resumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub key: Key,
    pub hints: Vec<Hint>,
}

/// Where a source that pages by position resumes from a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// Its index in the list's sources. If the sources change, a hint misleads and costs calls.
    pub source: u8,
    /// Rows strictly later than the key's time, or before the key where the source sorts by id.
    pub newer: u64,
    /// Rows strictly earlier than the key's time, or after the key where the source sorts by id.
    pub older: u64,
}

/// The list and normalised arguments that a cursor is bound to. Page size, scope and the set of
/// sources are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a list's name and arguments.
    #[must_use]
    pub fn of(list: &str, arguments: &[(&'static str, String)]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("asset-gateway list v1");
        let arguments = arguments.iter().flat_map(|(name, value)| [name, &**value]);
        for part in std::iter::once(list).chain(arguments) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// The text is not a cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a cursor of this list: cursors are bound to the list's arguments (filter and order); take \
     one from an answer with the same arguments, or start without one"
)]
pub struct BadCursor;

impl Cursor {
    /// Encodes the cursor for a client.
    #[must_use]
    pub fn encode(&self, fingerprint: &Fingerprint) -> String {
        let (packing, id) = pack(&self.key.id);
        let mut bytes = Vec::with_capacity(USUAL_SIZE);
        // Readers clamp times already; the layout below depends on the range.
        let time = self.key.time.clamp(MIN_TIME, MAX_TIME);
        let is_whole = time % 1_000 == 0;
        let grain = if is_whole { MILLISECONDS } else { 0 };
        let version = match self.key.ties {
            TieOrder::Free => VERSION,
            TieOrder::ById => VERSION_BY_ID,
        };
        bytes.push(version | packing << 4 | grain);
        // Ids have at most 128 bytes.
        bytes.push(self.key.id.len() as u8);
        bytes.extend(self.key.source.to_be_bytes());
        if is_whole {
            bytes.extend(&(time / 1_000).to_be_bytes()[2..]);
        } else {
            bytes.extend(&time.to_be_bytes()[1..]);
        }
        bytes.extend(id);
        // Hints only save calls, so hints that would make the cursor too long are dropped.
        let max_size = if bytes.len() + CHECKSUM <= USUAL_SIZE {
            USUAL_SIZE
        } else {
            MAX_LENGTH / 4 * 3
        };
        for most in (1..=self.hints.len()).rev() {
            let tail = pack_hints(&self.hints[..most]);
            if bytes.len() + tail.len() + CHECKSUM <= max_size {
                bytes.extend(tail);
                break;
            }
        }
        seal(bytes, fingerprint)
    }

    /// Decodes a cursor that a client sent.
    ///
    /// # Errors
    /// [`BadCursor`] for any text that [`Cursor::encode`] would not write for this list.
    pub fn decode(text: &str, fingerprint: &Fingerprint) -> Result<Self, BadCursor> {
        let payload = open(text, fingerprint)?;
        let cursor = Self::read(&payload).ok_or(BadCursor)?;
        if cursor.encode(fingerprint) == text {
            Ok(cursor)
        } else {
            Err(BadCursor)
        }
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let ([head, length, s1, s2], rest) = payload.split_first_chunk::<4>()?;
        let ties = match head & 0x0f {
            VERSION => TieOrder::Free,
            VERSION_BY_ID => TieOrder::ById,
            _ => return None,
        };
        let is_whole = head & MILLISECONDS != 0;
        let (time, rest) = rest.split_at_checked(if is_whole { 6 } else { 7 })?;
        // Sign-extend the time to 8 bytes.
        let sign = if time.first()? & 0x80 == 0 { 0 } else { 0xff };
        let mut wide = [sign; 8];
        wide[8 - time.len()..].copy_from_slice(time);
        let time = i64::from_be_bytes(wide).checked_mul(if is_whole { 1_000 } else { 1 })?;
        let (id, rest) = unpack(head >> 4 & 0x03, usize::from(*length), rest)?;
        let hints = unpack_hints(rest)?;
        Some(Self {
            key: Key {
                time,
                source: u16::from_be_bytes([*s1, *s2]),
                ties,
                id: id.into(),
            },
            hints,
        })
    }
}

/// Packs hints: a bit mask of their sources, then the numbers of each.
fn pack_hints(hints: &[Hint]) -> Vec<u8> {
    let fits =
        |hint: &&Hint| hint.source < MAX_HINTS && hint.newer <= MAX_ROWS && hint.older <= MAX_ROWS;
    let hints = hints.iter().filter(fits);
    let mask = hints
        .clone()
        .fold(0_u64, |mask, hint| mask | 1 << hint.source);
    let mut bytes = Vec::new();
    push_varint(&mut bytes, mask);
    for hint in hints {
        push_varint(&mut bytes, hint.newer / HINT_GRANULARITY);
        push_varint(&mut bytes, hint.older / HINT_GRANULARITY);
    }
    bytes
}

fn unpack_hints(bytes: &[u8]) -> Option<Vec<Hint>> {
    let mut hints = Vec::new();
    if bytes.is_empty() {
        return Some(hints);
    }
    let rows = |grains: u64| {
        let rows = grains.checked_mul(HINT_GRANULARITY)?;
        (rows <= MAX_ROWS).then_some(rows)
    };
    let (mask, mut rest) = read_varint(bytes)?;
    for source in (0..MAX_HINTS).filter(|source| mask >> source & 1 == 1) {
        let (newer, after) = read_varint(rest)?;
        let (older, after) = read_varint(after)?;
        hints.push(Hint {
            source,
            newer: rows(newer)?,
            older: rows(older)?,
        });
        rest = after;
    }
    (rest.is_empty() && mask >> MAX_HINTS == 0).then_some(hints)
}

/// Appends the checksum and encodes the payload for a client.
pub fn seal(mut payload: Vec<u8>, fingerprint: &Fingerprint) -> String {
    let sum = checksum(&payload, fingerprint);
    payload.extend(sum);
    URL_SAFE_NO_PAD.encode(payload)
}

/// Decodes a client's text, checks its checksum and returns the payload.
pub fn open(text: &str, fingerprint: &Fingerprint) -> Result<Vec<u8>, BadCursor> {
    if text.len() > MAX_LENGTH {
        return Err(BadCursor);
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
    let at = bytes.len().checked_sub(CHECKSUM).ok_or(BadCursor)?;
    let sum = bytes.split_off(at);
    if checksum(&bytes, fingerprint) == *sum {
        Ok(bytes)
    } else {
        Err(BadCursor)
    }
}

fn checksum(payload: &[u8], fingerprint: &Fingerprint) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    blake3::Hasher::new_keyed(&fingerprint.0)
        .update(payload)
        .finalize_xof()
        .fill(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list() -> Fingerprint {
        Fingerprint::of("assets", &[("orderBy", "CREATED_AT Descending".to_owned())])
    }

    fn hint(source: u8) -> Hint {
        Hint {
            source,
            newer: 40_000,
            older: 60_000,
        }
    }

    #[test]
    fn the_providers_own_ids_fit_64_letters() {
        // With the precision of the providers' times, and lists of 100,000 assets at three sources.
        for (id, time) in [
            ("asset_GTrL3mq4SXWyMxkOHRxlpw", 1_793_534_400_123_000),
            (
                "3c90c3cc-0d44-4b50-8888-8dd25736052a",
                1_793_534_400_123_456,
            ),
        ] {
            let cursor = Cursor {
                key: Key {
                    time,
                    source: 0xbeef,
                    ties: TieOrder::ById,
                    id: id.into(),
                },
                hints: vec![hint(0), hint(1), hint(3)],
            };
            let text = cursor.encode(&list());
            assert!(text.len() <= 64, "{id}");
            assert_eq!(Cursor::decode(&text, &list()), Ok(cursor), "all hints fit");
        }
    }

    #[test]
    fn the_longest_cursor_fits_256_letters() {
        let cursor = Cursor {
            key: Key {
                time: MIN_TIME,
                source: 1,
                ties: TieOrder::Free,
                id: "a".repeat(50).into(),
            },
            hints: (0..16).map(hint).collect(),
        };
        let text = cursor.encode(&list());
        assert!(text.len() <= 256, "{}", text.len());
        assert_eq!(Cursor::decode(&text, &list()), Ok(cursor));
    }

    #[test]
    fn a_hint_that_no_list_reaches_is_refused() {
        let with = |newer: u64, older: u64| {
            let plain = Cursor {
                key: Key::start(crate::source::Direction::Descending),
                hints: Vec::new(),
            };
            let mut bytes = open(&plain.encode(&list()), &list()).expect("a valid cursor");
            push_varint(&mut bytes, 1);
            push_varint(&mut bytes, newer / HINT_GRANULARITY);
            push_varint(&mut bytes, older / HINT_GRANULARITY);
            Cursor::decode(&seal(bytes, &list()), &list())
        };
        assert!(with(MAX_ROWS, MAX_ROWS).is_ok());
        for far in [MAX_ROWS + HINT_GRANULARITY, 1 << 62, 1 << 63] {
            assert_eq!(with(far, 0), Err(BadCursor), "{far}");
            assert_eq!(with(0, far), Err(BadCursor), "{far}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let cursor = Cursor {
            key: Key::start(crate::source::Direction::Descending),
            hints: Vec::new(),
        };
        let text = cursor.encode(&Fingerprint::of("assets", &[("filter", "x".to_owned())]));
        assert_eq!(Cursor::decode(&text, &list()), Err(BadCursor));
    }

    proptest! {
        #[test]
        fn cursors_survive_the_round_trip(
            time in MIN_TIME..=MAX_TIME,
            source: u16,
            by_id: bool,
            id in "[a-zA-Z0-9_-]{0,40}|[ -~]{1,40}|\\PC{1,20}",
            whole: bool,
            hints in proptest::collection::vec((0..1_u64 << 40, 0..1_u64 << 40), 0..16),
        ) {
            let time = if whole { time / 1_000 * 1_000 } else { time };
            let hints: Vec<Hint> = (0..)
                .zip(hints)
                .map(|(source, (newer, older))| Hint {
                    source,
                    newer: newer / HINT_GRANULARITY * HINT_GRANULARITY,
                    older: older / HINT_GRANULARITY * HINT_GRANULARITY,
                })
                .collect();
            let ties = if by_id { TieOrder::ById } else { TieOrder::Free };
            let cursor = Cursor { key: Key { time, source, ties, id: id.into() }, hints };
            let text = cursor.encode(&list());
            prop_assert!(text.len() <= MAX_LENGTH);
            let read = Cursor::decode(&text, &list()).expect("a valid cursor");
            prop_assert_eq!(&read.key, &cursor.key);
            prop_assert_eq!(read.key.ties, ties);
            // The hints that fitted.
            prop_assert!(cursor.hints.starts_with(&read.hints));
        }

        #[test]
        fn no_text_makes_the_decoder_panic(text in "\\PC{0,300}|[A-Za-z0-9_-]{0,300}") {
            let _ = Cursor::decode(&text, &list());
        }

        #[test]
        fn a_payload_with_a_right_checksum_never_panics(payload: Vec<u8>) {
            let mut bytes = payload;
            let sum = checksum(&bytes, &list());
            bytes.extend(sum);
            let _ = Cursor::decode(&URL_SAFE_NO_PAD.encode(bytes), &list());
        }

        #[test]
        fn one_flipped_letter_is_noticed(at in 0_usize..40, to in "[A-Za-z0-9_-]") {
            let cursor = Cursor {
                key: Key { time: 1_793_534_400_123_456, source: 7, ties: TieOrder::Free, id: "asset_GTrL3mq4SXWyMxkOHRxlpw".into() },
                hints: Vec::new(),
            };
            let text = cursor.encode(&list());
            let mut letters: Vec<char> = text.chars().collect();
            let letter = to.chars().next().unwrap_or('A');
            prop_assume!(letters[at] != letter);
            letters[at] = letter;
            let damaged: String = letters.into_iter().collect();
            prop_assert_eq!(Cursor::decode(&damaged, &list()), Err(BadCursor));
        }
    }
}
