//! `[cache]`: how much is kept, and for how long.

use std::time::Duration;

use serde::Deserialize;

use super::{
    keys::keys,
    numbers::{optional_positive, optional_seconds},
    reader::Reader,
    table::Table,
};

/// Size and lifetimes of the cache.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// Total size: assets, pages, whole responses and documents.
    pub size_bytes: u64,
    /// Whether whole responses are cached, ready to send.
    pub answers: bool,
    /// Lifetimes for sources that set none.
    pub freshness: Freshness,
}

impl CacheConfig {
    /// Returns the bytes for whole responses.
    #[must_use]
    pub const fn response_bytes(&self) -> u64 {
        if self.answers { self.size_bytes / 4 } else { 0 }
    }

    /// Returns the bytes for parsed documents, never below a minimum: clients may send only the
    /// hash of a document.
    #[must_use]
    pub const fn document_bytes(&self) -> u64 {
        const LEAST: u64 = 2 * 1024 * 1024;
        let share = self.size_bytes / 4;
        if share < LEAST { LEAST } else { share }
    }

    /// Returns the bytes for data from sources: half for assets, half for pages.
    #[must_use]
    pub const fn asset_bytes(&self) -> u64 {
        self.size_bytes - self.response_bytes() - self.size_bytes / 4
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            size_bytes: 64 * 1024 * 1024,
            answers: true,
            freshness: Freshness::default(),
        }
    }
}

/// Lifetimes of cached source data. Data that is fresh for no time is not cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How long a list page is served without another upstream call.
    pub page_fresh: Duration,
    /// How long after that it is served stale while it is revalidated.
    pub page_stale: Duration,
    /// The same for an asset.
    pub entity_fresh: Duration,
    pub entity_stale: Duration,
    /// How long "no such asset" is served.
    pub missing_fresh: Duration,
    /// How long after their fresh time pages and assets are served if the source fails.
    pub if_error: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            page_fresh: Duration::from_secs(5),
            page_stale: Duration::from_secs(25),
            entity_fresh: Duration::from_secs(30),
            entity_stale: Duration::from_secs(30),
            missing_fresh: Duration::from_secs(5),
            if_error: Duration::from_secs(600),
        }
    }
}

/// The lifetimes that a source sets for itself: `[sources.<name>.cache]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreshnessOverrides {
    #[serde(rename = "page_fresh_seconds", deserialize_with = "optional_seconds")]
    pub page_fresh: Option<Duration>,
    #[serde(rename = "page_stale_seconds", deserialize_with = "optional_seconds")]
    pub page_stale: Option<Duration>,
    #[serde(rename = "entity_fresh_seconds", deserialize_with = "optional_seconds")]
    pub entity_fresh: Option<Duration>,
    #[serde(rename = "entity_stale_seconds", deserialize_with = "optional_seconds")]
    pub entity_stale: Option<Duration>,
    #[serde(
        rename = "missing_fresh_seconds",
        deserialize_with = "optional_seconds"
    )]
    pub missing_fresh: Option<Duration>,
    #[serde(rename = "if_error_seconds", deserialize_with = "optional_seconds")]
    pub if_error: Option<Duration>,
}

impl Freshness {
    /// Replaces these lifetimes with those that a source sets.
    #[must_use]
    pub fn with(self, source: FreshnessOverrides) -> Self {
        Self {
            page_fresh: source.page_fresh.unwrap_or(self.page_fresh),
            page_stale: source.page_stale.unwrap_or(self.page_stale),
            entity_fresh: source.entity_fresh.unwrap_or(self.entity_fresh),
            entity_stale: source.entity_stale.unwrap_or(self.entity_stale),
            missing_fresh: source.missing_fresh.unwrap_or(self.missing_fresh),
            if_error: source.if_error.unwrap_or(self.if_error),
        }
    }
}

/// The keys of `[cache]` beside the lifetimes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSizes {
    #[serde(deserialize_with = "optional_positive")]
    size_mib: Option<u64>,
    answers: Option<bool>,
}

/// Reads `[cache]`.
pub fn read_cache(reader: &mut Reader<'_>, table: &Table<'_>) -> CacheConfig {
    let all = [keys::<CacheSizes>(), keys::<FreshnessOverrides>()].concat();
    let mut values = reader.values(table, &all);
    let sizes: CacheSizes = reader.take(&mut values);
    let lifetimes: FreshnessOverrides = reader.take(&mut values);
    let default = CacheConfig::default();
    let size = sizes.size_mib.map(|mib| mib.saturating_mul(1024 * 1024));
    CacheConfig {
        size_bytes: size.unwrap_or(default.size_bytes),
        answers: sizes.answers.unwrap_or(default.answers),
        freshness: default.freshness.with(lifetimes),
    }
}
