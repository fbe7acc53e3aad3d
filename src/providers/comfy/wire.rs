//! Comfy's JSON in all contract versions (docs/providers/comfy.md 3 and 4). It has both names of
//! renamed fields, absent or null values, and times with and without a zone.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::{asset::lenient, providers::decode::rows};

/// `GET /api/assets`.
#[derive(Deserialize)]
pub struct List {
    pub assets: Vec<Box<RawValue>>,
    pub total: u64,
    pub has_more: Option<bool>,
    pub next_cursor: Option<Box<str>>,
}

/// One asset.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "names as sent")]
pub struct Asset {
    #[serde(deserialize_with = "rows::id")]
    pub id: Arc<str>,
    #[serde(deserialize_with = "rows::time")]
    pub created_at: Timestamp,
    #[serde(default, deserialize_with = "rows::time_option")]
    pub updated_at: Option<Timestamp>,
    pub name: Option<String>,
    pub size: Option<u64>,
    #[serde(default, deserialize_with = "Sent::strict")]
    pub hash: Sent<String>,
    pub asset_hash: Option<String>,
    pub mime_type: Option<String>,
    pub tags: Option<Vec<String>>,
    /// Strict: an unreadable value cannot be shown, so the row must be reported.
    pub user_metadata: Option<Value>,
    #[serde(default, deserialize_with = "Sent::strict")]
    pub metadata: Sent<Value>,
    pub preview_url: Option<String>,
    pub preview_id: Option<String>,
    pub is_immutable: Option<bool>,
    #[serde(default, deserialize_with = "rows::time_option")]
    pub last_access_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub prompt_id: Option<String>,
    #[serde(default, deserialize_with = "Sent::lenient")]
    pub job_id: Sent<String>,
    #[serde(default, deserialize_with = "Sent::lenient")]
    pub display_name: Sent<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub file_path: Option<String>,
    #[serde(default, deserialize_with = "Sent::lenient")]
    pub loader_path: Sent<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub short_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub created_new: Option<bool>,
}

impl Asset {
    /// Whether it has fields that the published contract lacks (3), with any value.
    pub const fn is_newer(&self) -> bool {
        self.hash.is_present
            || self.job_id.is_present
            || self.display_name.is_present
            || self.loader_path.is_present
            || self.metadata.is_present
    }
}

/// A field whose presence matters, even if it is null.
pub struct Sent<T> {
    pub is_present: bool,
    pub value: Option<T>,
}

impl<T> Default for Sent<T> {
    fn default() -> Self {
        Self {
            is_present: false,
            value: None,
        }
    }
}

impl<T: DeserializeOwned> Sent<T> {
    fn strict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::of)
    }

    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::option(deserializer).map(Self::of)
    }

    const fn of(value: Option<T>) -> Self {
        Self {
            is_present: true,
            value,
        }
    }
}

/// `POST /api/assets`: the fields of the new asset that an upload needs.
#[derive(Deserialize)]
pub struct Created {
    #[serde(deserialize_with = "rows::id")]
    pub id: Arc<str>,
    #[serde(default, deserialize_with = "lenient::option")]
    pub created_new: Option<bool>,
}
