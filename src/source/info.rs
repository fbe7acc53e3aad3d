//! Facts about a source that need no upstream call, and its capabilities.

use std::{fmt, time::Duration};

use crate::{
    asset::{Provider, SourceName},
    settings::FreshnessOverrides,
    upstream::BodyStream,
};

/// The facts about a source that need no upstream call.
#[derive(Debug)]
pub struct SourceInfo {
    pub name: SourceName,
    pub former_names: Vec<SourceName>,
    pub provider: Provider,
    pub scope: CredentialScope,
    /// How long one page of a merged list waits for this source.
    pub patience: Duration,
    /// Maximum number of concurrent upstream calls.
    pub in_flight: usize,
    /// The source's overrides of the cache's freshness times.
    pub freshness: FreshnessOverrides,
    /// Each caller brings the credential.
    pub passthrough: bool,
    /// Calls carry a credential, so their responses are private.
    pub authenticated: bool,
    pub capabilities: Capabilities,
}

/// A source's capabilities, according to its contract (`docs/providers.md`).
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// Tags an asset may have; `None` means any.
    pub tag_vocabulary: Option<Vec<&'static str>>,
    pub max_tags: Option<u32>,
    pub has_exact_count: bool,
    pub delete_effect: DeleteEffect,
    pub delete_description: &'static str,
    /// Maximum upload size in bytes, if the contract names one.
    pub max_upload_bytes: Option<u64>,
    /// Maximum number of assets that one call reads by id.
    pub max_batch_size: u32,
}

/// The effect of a delete at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteEffect {
    /// The asset and its file are gone.
    Permanent,
    /// The source can restore the asset for a time, on accounts with that feature.
    Recoverable,
    /// The entry is gone; the file stays at the source.
    EntryOnly,
}

/// How a list call can start in the middle of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// By time window: `created_before` or `created_after`, then page tokens.
    Window {
        /// Maximum rows per call.
        cap: u32,
        /// Resolution of the time filter.
        resolution: Duration,
    },
    /// By position: page numbers or offsets.
    Index {
        /// Maximum rows per call.
        cap: u32,
        /// Minimum rows that a call returns from any position, if the list has that many.
        reach: u32,
        ties: TieOrder,
    },
}

/// The order of assets with the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TieOrder {
    /// The source sorts them freely. The gateway sorts them by id: ascending if newest first.
    Free,
    /// The source sorts them by id, in the direction of the list, and so does the gateway.
    ById,
}

impl Paging {
    /// Returns the maximum rows per call.
    #[must_use]
    pub const fn cap(self) -> u32 {
        match self {
            Self::Window { cap, .. } | Self::Index { cap, .. } => cap,
        }
    }

    /// Returns the order of assets with the same time.
    #[must_use]
    pub const fn ties(self) -> TieOrder {
        match self {
            Self::Index { ties, .. } => ties,
            Self::Window { .. } => TieOrder::Free,
        }
    }

    /// Returns the minimum rows of a call from any position, if the list has that many.
    #[must_use]
    pub const fn reach(self) -> u32 {
        match self {
            Self::Index { reach, .. } => reach,
            Self::Window { cap, .. } => cap,
        }
    }
}

/// A keyed hash of a source's credential. Caches never serve an entry of one scope to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialScope([u8; 16]);

impl CredentialScope {
    /// Returns the scope of `credential` at the source `name` at `url`. The key is this process's
    /// own, so a scope in a core dump does not help guess a credential elsewhere.
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

    /// Returns the scope of a source without a credential.
    #[must_use]
    pub const fn none() -> Self {
        Self([0; 16])
    }

    /// Returns the bytes for keyed hashes that bind something to this scope.
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

/// How much of an asset a read by id returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DetailLevel {
    /// The fields that lists return.
    Plain,
    /// All fields, with those that cost extra, such as an embedding.
    Full,
}

/// A source's response to a media request.
pub enum MediaAnswer {
    /// The URL of a file elsewhere, which loads without the source's credential.
    Redirect(String),
    Body {
        status: http::StatusCode,
        headers: http::HeaderMap,
        body: BodyStream,
    },
}
