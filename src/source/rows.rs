//! From a page's JSON to its rows. One bad asset costs that asset, never the page: such a page is
//! rows of raw JSON first, then each row by itself.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Visitor},
};
use serde_json::value::RawValue;

use super::{Row, SourceError, Unreadable, response, row_cache::KnownRows, streaming};
use crate::{
    asset::{Asset, is_upstream_id_text, timestamp},
    upstream::Answer,
};

/// The part of a row that keeps its slot in a list, read leniently.
#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "crate::asset::lenient::option")]
    id: Option<String>,
    #[serde(
        default,
        alias = "createdAt",
        deserialize_with = "crate::asset::lenient::option"
    )]
    created_at: Option<String>,
    #[serde(
        default,
        alias = "updatedAt",
        deserialize_with = "crate::asset::lenient::option"
    )]
    updated_at: Option<String>,
}

/// What every provider's lists call the array of their rows.
const ROWS: &str = "assets";

/// Reads a list's answer: what is around its rows, and each of those. In one pass where all of it is
/// whole; else in two, so that one bad row costs that row alone. Rows that are `known` are not read
/// again, unless they must not be kept.
///
/// # Errors
/// As `read`'s, where the rows are not to blame.
pub fn list<L: DeserializeOwned, W: DeserializeOwned>(
    answer: Answer,
    known: &KnownRows,
    read: impl Fn(&Answer) -> Result<L, SourceError>,
    rows: impl Fn(&L) -> &[Box<RawValue>],
    map: impl Fn(W, &str) -> Result<Asset, Unfit>,
) -> Result<(L, Vec<Row>), SourceError> {
    let known = Some(known).filter(|_| !response::no_store(&answer.headers));
    if let Some(whole) = in_one_pass(&answer, known, &map) {
        return Ok(whole);
    }
    let (list, lossy) = response::list(answer, read)?;
    let rows = decode(rows(&list), lossy, known, &map);
    Ok((list, rows))
}

fn in_one_pass<L: DeserializeOwned, W: DeserializeOwned>(
    answer: &Answer,
    known: Option<&KnownRows>,
    map: impl Fn(W, &str) -> Result<Asset, Unfit>,
) -> Option<(L, Vec<Row>)> {
    let text = std::str::from_utf8(&answer.body).ok();
    let text = text.filter(|_| answer.status.is_success())?;
    let find = |text| {
        let (asset, row) = known?.find(text)?;
        Some((Row::Asset(asset), row))
    };
    let (rows, around) = streaming::rows(text, ROWS, find, |wire, raw| {
        let asset = map(wire, raw).ok()?;
        Some(Row::Asset(learned(asset, raw, known)))
    })?;
    Some((serde_json::from_str(&around).ok()?, rows))
}

/// An asset that was read from `raw`, to be known from now on.
fn learned(asset: Asset, raw: &str, known: Option<&KnownRows>) -> Arc<Asset> {
    let asset = Arc::new(asset);
    if let Some(known) = known {
        known.learn(&asset, raw);
    }
    asset
}

/// Decodes rows; `lossy` says that text was replaced in them ([`response::list`]).
fn decode<W: DeserializeOwned>(
    rows: &[Box<RawValue>],
    lossy: bool,
    known: Option<&KnownRows>,
    map: impl Fn(W, &str) -> Result<Asset, Unfit>,
) -> Vec<Row> {
    let read = |raw: &RawValue| {
        whole(raw, lossy)?;
        match known.and_then(|known| known.find(raw.get())) {
            Some((asset, row)) if row.len() == raw.get().len() => Ok(asset),
            _ => one(raw, &map).map(|asset| learned(asset, raw.get(), known)),
        }
    };
    rows.iter()
        .enumerate()
        .map(|(index, raw)| match read(raw) {
            Ok(asset) => Row::Asset(asset),
            Err(unfit) => {
                let envelope: Envelope = serde_json::from_str(raw.get()).unwrap_or_default();
                let time = |text: Option<String>| text.as_deref().and_then(timestamp::lenient);
                Row::Unreadable(Arc::new(Unreadable {
                    upstream_id: envelope
                        .id
                        .filter(|id| is_upstream_id_text(id))
                        .map(Into::into),
                    created_at: time(envelope.created_at),
                    updated_at: time(envelope.updated_at),
                    path: unfit.at(&format!("{ROWS}[{index}]")),
                    message: unfit.message,
                }))
            }
        })
        .collect()
}

/// Refuses a row that was replaced ([`response::list`]), wholly or in parts of its text.
fn whole(raw: &RawValue, lossy: bool) -> Result<(), Unfit> {
    if raw.get() == "null" {
        return Err(Unfit::new("", "it is null, or no JSON"));
    }
    if lossy && raw.get().contains(response::NO_TEXT) {
        return Err(Unfit::new("", "it holds bytes that are not UTF-8"));
    }
    Ok(())
}

/// Decodes one asset; the path of a failure starts at the asset.
pub fn one<W: DeserializeOwned>(
    raw: &RawValue,
    map: impl Fn(W, &str) -> Result<Asset, Unfit>,
) -> Result<Asset, Unfit> {
    // Only where it cannot be read, once more: to tell where.
    if let Ok(wire) = serde_json::from_str(raw.get()) {
        return map(wire, raw.get());
    }
    let deserializer = &mut serde_json::Deserializer::from_str(raw.get());
    let wire: W = serde_path_to_error::deserialize(deserializer).map_err(|error| Unfit {
        path: match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        },
        message: response::reason(error.inner()),
    })?;
    map(wire, raw.get())
}

/// Why a row is no asset, and where in the row.
#[derive(Debug)]
pub struct Unfit {
    /// Relative to the row; empty for the row itself.
    pub path: String,
    pub message: String,
}

impl Unfit {
    pub fn new(path: &str, message: &str) -> Self {
        Self {
            path: path.to_owned(),
            message: message.to_owned(),
        }
    }

    fn at(&self, row: &str) -> String {
        if self.path.is_empty() {
            return row.to_owned();
        }
        // Two hundred levels deep, a path tells no more than its beginning.
        format!("{row}.{}", self.path).chars().take(200).collect()
    }

    /// As the failure of a read by id, whose answer holds this one asset at `place`.
    pub fn into_error(self, place: &str) -> SourceError {
        SourceError::Malformed {
            status: 200,
            path: self.at(place),
            message: self.message,
        }
    }
}

/// For required times of wire shapes.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    deserializer.deserialize_str(Time)
}

/// Reads a time where it stands.
struct Time;

impl Visitor<'_> for Time {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
        timestamp::lenient(text).ok_or_else(|| E::custom("not an ISO 8601 time"))
    }
}

/// For optional times: absent, null or unreadable is none.
pub fn time_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let inside = raw
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    Ok(match inside {
        Some(text) if !text.contains('\\') => timestamp::lenient(text),
        Some(_) => {
            let text: Option<String> = serde_json::from_str(raw).ok();
            text.as_deref().and_then(timestamp::lenient)
        }
        None => None,
    })
}

/// For required ids: one we can carry.
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    deserializer.deserialize_str(Id)
}

/// Reads an id where it stands.
struct Id;

impl Visitor<'_> for Id {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        if is_upstream_id_text(text) {
            Ok(text.into())
        } else {
            Err(E::custom("an id must have 1 to 128 bytes"))
        }
    }
}
