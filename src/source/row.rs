//! Two-stage decoding: a page is rows of raw JSON first, then each row by itself. One bad asset
//! costs that asset, never the page.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Row, SourceError, Unreadable, answer};
use crate::asset::{Asset, is_upstream_id_text, moment};

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

/// Decodes the rows of a page; `list` names their array in the answer (`assets`), `lossy` says that
/// text was replaced in it ([`answer::list`]).
pub fn decode<W: DeserializeOwned>(
    list: &str,
    rows: &[Box<RawValue>],
    lossy: bool,
    map: impl Fn(W, &RawValue) -> Result<Asset, Unfit>,
) -> Vec<Row> {
    rows.iter()
        .enumerate()
        .map(
            |(index, raw)| match whole(raw, lossy).and_then(|()| one(raw, &map)) {
                Ok(asset) => Row::Asset(Arc::new(asset)),
                Err(unfit) => {
                    let envelope: Envelope = serde_json::from_str(raw.get()).unwrap_or_default();
                    let time = |text: Option<String>| text.as_deref().and_then(moment::lenient);
                    Row::Unreadable(Arc::new(Unreadable {
                        upstream_id: envelope
                            .id
                            .filter(|id| is_upstream_id_text(id))
                            .map(Into::into),
                        created_at: time(envelope.created_at),
                        updated_at: time(envelope.updated_at),
                        path: unfit.at(&format!("{list}[{index}]")),
                        message: unfit.message,
                    }))
                }
            },
        )
        .collect()
}

/// Refuses a row that was replaced ([`answer::list`]), wholly or in parts of its text.
fn whole(raw: &RawValue, lossy: bool) -> Result<(), Unfit> {
    if raw.get() == "null" {
        return Err(Unfit::new("", "it is null, or no JSON"));
    }
    if lossy && raw.get().contains(answer::NO_TEXT) {
        return Err(Unfit::new("", "it holds bytes that are not UTF-8"));
    }
    Ok(())
}

/// Decodes one asset; the path of a failure starts at the asset.
pub fn one<W: DeserializeOwned>(
    raw: &RawValue,
    map: impl Fn(W, &RawValue) -> Result<Asset, Unfit>,
) -> Result<Asset, Unfit> {
    // Only where it cannot be read, once more: to tell where.
    if let Ok(wire) = serde_json::from_str(raw.get()) {
        return map(wire, raw);
    }
    let deserializer = &mut serde_json::Deserializer::from_str(raw.get());
    let wire: W = serde_path_to_error::deserialize(deserializer).map_err(|error| Unfit {
        path: match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        },
        message: answer::reason(error.inner()),
    })?;
    map(wire, raw)
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
    let text = String::deserialize(deserializer)?;
    moment::lenient(&text).ok_or_else(|| serde::de::Error::custom("not an ISO 8601 time"))
}

/// For optional times: absent, null or unreadable is none.
pub fn time_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = crate::asset::lenient::option(deserializer)?;
    Ok(text.as_deref().and_then(moment::lenient))
}

/// For required ids: one we can carry.
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_upstream_id_text(&text) {
        Ok(text.into())
    } else {
        Err(serde::de::Error::custom("an id must have 1 to 128 bytes"))
    }
}
