//! Decodes a page's JSON into rows. One bad asset costs its row, never the page: such a page is
//! split into raw JSON rows, and each row is decoded alone.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Visitor},
};
use serde_json::value::RawValue;

use super::{response, row_cache::RowCache, streaming};
use crate::{
    asset::{Asset, is_upstream_id_text, timestamp},
    source::{Row, SourceError, Unreadable},
    upstream::Answer,
};

/// The fields that keep a bad row's position in a list, read leniently.
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

/// The name of the row array in every provider's lists.
const ROWS: &str = "assets";

/// Decodes a list's response into the list around its rows, and the rows. A valid response takes
/// one pass; an invalid one takes two, so that a bad row costs that row alone. Rows in `cache` are
/// not decoded again, unless the response forbids caching.
///
/// # Errors
/// The error of `read`, if not the rows cause it.
pub fn list<L: DeserializeOwned, W: DeserializeOwned>(
    answer: Answer,
    cache: &RowCache,
    read: impl Fn(&Answer) -> Result<L, SourceError>,
    rows: impl Fn(&L) -> &[Box<RawValue>],
    map: impl Fn(W, &str) -> Result<Asset, RowError>,
) -> Result<(L, Vec<Row>), SourceError> {
    let cache = Some(cache).filter(|_| !response::no_store(&answer.headers));
    if let Some(decoded) = in_one_pass(&answer, cache, &map) {
        return Ok(decoded);
    }
    let (list, lossy) = response::list(answer, read)?;
    let rows = decode(rows(&list), lossy, cache, &map);
    Ok((list, rows))
}

fn in_one_pass<L: DeserializeOwned, W: DeserializeOwned>(
    answer: &Answer,
    cache: Option<&RowCache>,
    map: impl Fn(W, &str) -> Result<Asset, RowError>,
) -> Option<(L, Vec<Row>)> {
    let text = std::str::from_utf8(&answer.body).ok();
    let text = text.filter(|_| answer.status.is_success())?;
    let find = |text| {
        let (asset, row) = cache?.find(text)?;
        Some((Row::Asset(asset), row))
    };
    let (rows, around) = streaming::rows(text, ROWS, find, |wire, raw| {
        let asset = map(wire, raw).ok()?;
        Some(Row::Asset(learned(asset, raw, cache)))
    })?;
    Some((serde_json::from_str(&around).ok()?, rows))
}

/// Adds an asset that was decoded from `raw` to the row cache.
fn learned(asset: Asset, raw: &str, cache: Option<&RowCache>) -> Arc<Asset> {
    let asset = Arc::new(asset);
    if let Some(cache) = cache {
        cache.store(&asset, raw);
    }
    asset
}

/// Decodes rows; `lossy` means that bytes were replaced in them ([`response::list`]).
fn decode<W: DeserializeOwned>(
    rows: &[Box<RawValue>],
    lossy: bool,
    cache: Option<&RowCache>,
    map: impl Fn(W, &str) -> Result<Asset, RowError>,
) -> Vec<Row> {
    let read = |raw: &RawValue| {
        whole(raw, lossy)?;
        match cache.and_then(|cache| cache.find(raw.get())) {
            Some((asset, row)) if row.len() == raw.get().len() => Ok(asset),
            _ => one(raw, &map).map(|asset| learned(asset, raw.get(), cache)),
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

/// Refuses a row that [`response::list`] replaced, fully or in parts of its text.
fn whole(raw: &RawValue, lossy: bool) -> Result<(), RowError> {
    if raw.get() == "null" {
        return Err(RowError::new("", "it is null, or no JSON"));
    }
    if lossy && raw.get().contains(response::NO_TEXT) {
        return Err(RowError::new("", "it holds bytes that are not UTF-8"));
    }
    Ok(())
}

/// Decodes one asset; the path of an error starts at the asset.
pub fn one<W: DeserializeOwned>(
    raw: &RawValue,
    map: impl Fn(W, &str) -> Result<Asset, RowError>,
) -> Result<Asset, RowError> {
    // Decode again only after a failure, to find the JSON path.
    if let Ok(wire) = serde_json::from_str(raw.get()) {
        return map(wire, raw.get());
    }
    let deserializer = &mut serde_json::Deserializer::from_str(raw.get());
    let wire: W = serde_path_to_error::deserialize(deserializer).map_err(|error| RowError {
        path: match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        },
        message: response::reason(error.inner()),
    })?;
    map(wire, raw.get())
}

/// Why a row is not an asset, and where in the row.
#[derive(Debug)]
pub struct RowError {
    /// JSON path relative to the row; empty for the row itself.
    pub path: String,
    pub message: String,
}

impl RowError {
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
        // A path can be two hundred levels deep; its beginning is enough.
        format!("{row}.{}", self.path).chars().take(200).collect()
    }

    /// Returns the error of a read by id whose response holds the asset at `asset_path`.
    pub fn into_error(self, asset_path: &str) -> SourceError {
        SourceError::Malformed {
            status: 200,
            path: self.at(asset_path),
            message: self.message,
        }
    }
}

/// Deserializes a required time.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    deserializer.deserialize_str(Time)
}

/// Reads a time without copying its text.
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

/// Deserializes an optional time; absent, null or unreadable gives `None`.
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

/// Deserializes a required id, which must be a valid upstream id.
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    deserializer.deserialize_str(Id)
}

/// Reads an id without an intermediate copy.
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
