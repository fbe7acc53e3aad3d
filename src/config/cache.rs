//! `[cache]`: how much is kept, and for how long.

use std::time::Duration;

use serde::Deserialize;

use super::values::{optional_positive, optional_seconds};

/// How much is remembered, and for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "CacheKeys")]
pub struct CacheConfig {
    /// For all that is kept: assets, pages, whole answers, documents.
    pub size_bytes: u64,
    /// Whether whole answers are kept, ready to send.
    pub answers: bool,
    /// Where a source has no times of its own.
    pub freshness: Freshness,
}

impl CacheConfig {
    /// Bytes for whole answers.
    #[must_use]
    pub const fn for_answers(&self) -> u64 {
        if self.answers { self.size_bytes / 4 } else { 0 }
    }

    /// Bytes for documents that were read: no fewer than some take, since clients may send the hash
    /// of one alone.
    #[must_use]
    pub const fn for_documents(&self) -> u64 {
        const LEAST: u64 = 2 * 1024 * 1024;
        let share = self.size_bytes / 4;
        if share < LEAST { LEAST } else { share }
    }

    /// Bytes for what sources said: half for assets, half for pages.
    #[must_use]
    pub const fn for_assets(&self) -> u64 {
        self.size_bytes - self.for_answers() - self.size_bytes / 4
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

/// For how long what a source said is served. What is not fresh for any time is not kept at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How long a list page is served without asking again.
    pub page_fresh: Duration,
    /// How long after that it is served while it is asked for again.
    pub page_stale: Duration,
    /// The same for an asset.
    pub entity_fresh: Duration,
    pub entity_stale: Duration,
    /// How long "no such asset" is served.
    pub missing_fresh: Duration,
    /// How long after they were fresh pages and assets are served when the source fails.
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

/// A source's own times, where it has them: `[sources.<name>.cache]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnFreshness {
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
    /// With a source's own times in place of these.
    #[must_use]
    pub fn with(self, own: OwnFreshness) -> Self {
        Self {
            page_fresh: own.page_fresh.unwrap_or(self.page_fresh),
            page_stale: own.page_stale.unwrap_or(self.page_stale),
            entity_fresh: own.entity_fresh.unwrap_or(self.entity_fresh),
            entity_stale: own.entity_stale.unwrap_or(self.entity_stale),
            missing_fresh: own.missing_fresh.unwrap_or(self.missing_fresh),
            if_error: own.if_error.unwrap_or(self.if_error),
        }
    }
}

/// `[cache]` as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CacheKeys {
    #[serde(deserialize_with = "optional_positive")]
    size_mib: Option<u64>,
    answers: Option<bool>,
    #[serde(rename = "page_fresh_seconds", deserialize_with = "optional_seconds")]
    page_fresh: Option<Duration>,
    #[serde(rename = "page_stale_seconds", deserialize_with = "optional_seconds")]
    page_stale: Option<Duration>,
    #[serde(rename = "entity_fresh_seconds", deserialize_with = "optional_seconds")]
    entity_fresh: Option<Duration>,
    #[serde(rename = "entity_stale_seconds", deserialize_with = "optional_seconds")]
    entity_stale: Option<Duration>,
    #[serde(
        rename = "missing_fresh_seconds",
        deserialize_with = "optional_seconds"
    )]
    missing_fresh: Option<Duration>,
    #[serde(rename = "if_error_seconds", deserialize_with = "optional_seconds")]
    if_error: Option<Duration>,
}

impl From<CacheKeys> for CacheConfig {
    fn from(keys: CacheKeys) -> Self {
        let default = Self::default();
        let own = OwnFreshness {
            page_fresh: keys.page_fresh,
            page_stale: keys.page_stale,
            entity_fresh: keys.entity_fresh,
            entity_stale: keys.entity_stale,
            missing_fresh: keys.missing_fresh,
            if_error: keys.if_error,
        };
        let size = keys.size_mib.map(|mib| mib.saturating_mul(1024 * 1024));
        Self {
            size_bytes: size.unwrap_or(default.size_bytes),
            answers: keys.answers.unwrap_or(default.answers),
            freshness: default.freshness.with(own),
        }
    }
}
