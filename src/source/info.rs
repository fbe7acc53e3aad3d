//! A source as it is known without asking it, and what it can do.

use std::{fmt, time::Duration};

use crate::{
    asset::{Provider, SourceName},
    config::OwnFreshness,
    upstream::BodyStream,
};

/// What is known of a source without asking it.
#[derive(Debug)]
pub struct SourceInfo {
    pub name: SourceName,
    pub former_names: Vec<SourceName>,
    pub provider: Provider,
    pub scope: CredentialScope,
    /// How long one page of a merged list waits for this source.
    pub patience: Duration,
    /// Calls in flight.
    pub in_flight: usize,
    /// Its own times in the cache.
    pub freshness: OwnFreshness,
    /// Its credential is the caller's own.
    pub passthrough: bool,
    /// Calls carry a credential: what they bring is not for everybody.
    pub authenticated: bool,
    pub capabilities: Capabilities,
}

/// What a source can do, as its contract says (`upstreams/compare.md` §1).
#[derive(Debug, Clone)]
pub struct Capabilities {
    pub can_upload: bool,
    pub can_tag: bool,
    pub can_note: bool,
    pub can_delete: bool,
    /// Words an asset may be tagged with; `None`: any.
    pub tag_vocabulary: Option<Vec<&'static str>>,
    pub max_tags: Option<u32>,
    pub has_exact_count: bool,
    pub delete_effect: DeleteEffect,
    pub delete_description: &'static str,
    /// Largest upload the contract names, in bytes.
    pub max_upload_bytes: Option<u64>,
    /// Assets one call can read by id.
    pub max_batch_size: u32,
}

/// What deleting an asset does at its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteEffect {
    /// The asset and its file are gone.
    Permanent,
    /// The source keeps it for a time, on accounts that have that.
    Recoverable,
    /// The entry is gone; the file stays at the source.
    EntryOnly,
}

/// How a list can be entered in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// By time: `created_before` or `created_after`, then tokens (Scenario).
    Window {
        /// Rows a call can give.
        cap: u32,
        /// The filter's resolution.
        resolution: Duration,
    },
    /// By position (PiktID's pages, Comfy's offsets).
    Index {
        /// Rows a call can give.
        cap: u32,
        /// Rows from any position on that a call gives at least, where there are as many.
        reach: u32,
    },
}

impl Paging {
    /// Rows a call can give.
    #[must_use]
    pub const fn cap(self) -> u32 {
        match self {
            Self::Window { cap, .. } | Self::Index { cap, .. } => cap,
        }
    }

    /// Rows from any position on that a call gives at least, where there are as many.
    #[must_use]
    pub const fn reach(self) -> u32 {
        match self {
            Self::Index { reach, .. } => reach,
            Self::Window { cap, .. } => cap,
        }
    }
}

/// A keyed hash of the credential used at a source. Nothing cached under one scope is
/// ever served to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialScope([u8; 16]);

impl CredentialScope {
    /// The scope of `credential` at the source `name` at `url`. The key is this process's own, so
    /// a scope seen in a core dump does not help guess a credential elsewhere.
    pub(crate) fn of(key: &[u8; 32], name: &SourceName, url: &str, credential: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in [name.as_str(), url, credential] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut scope = [0; 16];
        hasher.finalize_xof().fill(&mut scope);
        Self(scope)
    }

    /// Of a source that takes no credential.
    #[must_use]
    pub const fn none() -> Self {
        Self([0; 16])
    }

    /// For keyed hashes that bind something to this scope.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for CredentialScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope(…)")
    }
}

/// How much of an asset is read by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DetailLevel {
    /// As lists give it.
    Plain,
    /// With what costs extra: Scenario's embedding and quality details.
    Full,
}

/// What the media route passes on.
pub enum MediaAnswer {
    /// Elsewhere, loadable without our credential.
    Redirect(String),
    Body {
        status: http::StatusCode,
        headers: http::HeaderMap,
        body: BodyStream,
    },
}
