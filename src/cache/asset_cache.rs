//! The cache of assets and pages: its entries, its reads in progress and its writes.

use std::{sync::Arc, time::Duration};

use ahash::RandomState;
use moka::future::Cache;

use super::{
    AssetResult,
    entry::{CacheEntry, EntryExpiry, FetchResult},
    single_flight::SingleFlight,
    write_epochs::{Epoch, Epochs},
};
use crate::{
    asset::SourceName,
    settings::{CacheConfig, Freshness},
    source::{CredentialScope, DetailLevel, ListRequest, Page, Source, SourceError},
};

/// How long a write without a response may still take effect.
const LINGER: Duration = Duration::from_secs(30);

/// The process-wide asset cache, shared by all operations.
pub struct AssetCache {
    pub(super) entities: Cache<EntityKey, CacheEntry<AssetResult>, RandomState>,
    pub(super) pages: Cache<PageKey, CacheEntry<Arc<Page>>, RandomState>,
    pub(super) entity_reads: SingleFlight<EntityKey, FetchResult<AssetResult>>,
    pub(super) page_reads: SingleFlight<PageKey, Result<FetchResult<Arc<Page>>, SourceError>>,
    pub(super) epochs: Epochs,
    pub(super) freshness: Freshness,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct EntityKey {
    pub(super) source: SourceName,
    pub(super) scope: CredentialScope,
    pub(super) upstream: Arc<str>,
    pub(super) detail_level: DetailLevel,
    pub(super) epoch: Epoch,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PageKey {
    pub(super) source: SourceName,
    pub(super) scope: CredentialScope,
    pub(super) request: ListRequest,
    pub(super) epoch: Epoch,
}

impl AssetCache {
    #[must_use]
    pub fn new(config: CacheConfig) -> Arc<Self> {
        let half = config.asset_bytes() / 2;
        Arc::new(Self {
            entities: Cache::builder()
                .max_capacity(half)
                .weigher(|_: &EntityKey, cached: &CacheEntry<AssetResult>| cached.bytes)
                .expire_after(EntryExpiry)
                .build_with_hasher(RandomState::new()),
            pages: Cache::builder()
                .max_capacity(half)
                .weigher(|_: &PageKey, cached: &CacheEntry<Arc<Page>>| cached.bytes)
                .expire_after(EntryExpiry)
                .build_with_hasher(RandomState::new()),
            entity_reads: SingleFlight::default(),
            page_reads: SingleFlight::default(),
            epochs: Epochs::default(),
            freshness: config.freshness,
        })
    }

    pub(super) fn freshness(&self, source: &Arc<dyn Source>) -> Freshness {
        self.freshness.with(source.profile().freshness)
    }

    /// Marks `ids` of `source` as being written until the outcome is known. Nothing read before
    /// that is served after it, in any scope. Reads begun meanwhile are shared but not cached.
    #[must_use = "the write is over when this is dropped"]
    pub fn writing(self: &Arc<Self>, source: &SourceName, ids: Vec<Arc<str>>) -> Writing {
        self.epochs.open(source, &ids);
        Writing {
            asset_cache: Arc::clone(self),
            source: source.clone(),
            ids,
        }
    }
}

/// A write in progress; it is over when this is dropped.
pub struct Writing {
    asset_cache: Arc<AssetCache>,
    source: SourceName,
    ids: Vec<Arc<str>>,
}

impl Writing {
    /// Ends the write later, because it may still take effect. Until then, nothing that it may
    /// change is cached.
    pub fn linger(self) {
        // Once the caller learns the outcome, its reads join no read begun before that.
        drop(self.asset_cache.writing(&self.source, self.ids.clone()));
        tokio::spawn(async move {
            tokio::time::sleep(LINGER).await;
            drop(self);
        });
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.asset_cache.epochs.close(&self.source, &self.ids);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_as_old_as_its_question() {
        let second = Duration::from_secs(1);
        let requested_at = Instant::now();
        tokio::time::advance(4 * second).await;
        let cached = CacheEntry::new(
            (),
            requested_at,
            1,
            (10 * second, 20 * second, 50 * second),
            None,
        );
        assert_eq!(cached.fresh_until, requested_at + 10 * second);
        assert_eq!(cached.stale_until, requested_at + 30 * second);
        assert_eq!(cached.lifetime, 56 * second, "from now on");
    }
}
