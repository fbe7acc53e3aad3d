//! The asset cache: assets and list pages by source and credential scope, for a limited time.
//!
//! - The cache serves a fresh entry as it is, and a stale entry while one call revalidates it
//!   (stale-while-revalidate). When the source fails, it serves an older entry and reports that
//!   ([`Freshness`]).
//! - Concurrent misses of the same key make one upstream call. The call runs only as long as a
//!   request waits for it ([`single_flight`]).
//! - A read that began before a write is never cached as new. The key includes the write epoch
//!   noted before the call ([`write_epochs`]).
//! - No entry outlives the signed URLs inside it. Responses with `no-store` are not cached.
//! - The cache is bounded in bytes, half for assets and half for pages.

mod content_cache;
mod entry;
mod idempotency;
mod outage;
mod response_cache;
mod single_flight;
mod write_epochs;

use std::{collections::HashMap, sync::Arc, time::Duration};

use ahash::RandomState;
use futures_util::{StreamExt, future::join_all};
use moka::future::Cache;
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    entry::{CacheEntry, EntryExpiry, FetchResult, record_freshness, url_end},
    outage::Outage,
    single_flight::{KeysToRead, SingleFlight, Waiter},
    write_epochs::{Epoch, Epochs},
};
use crate::{
    asset::{Asset, SourceName},
    config::{CacheConfig, Freshness},
    source::{
        CredentialScope, DetailLevel, ListRequest, Page, RequestContext, Row, Source, SourceError,
    },
};

pub use content_cache::{ByHash, Hash};
pub use idempotency::{Claim, ClaimGuard, IdempotencyStore, Recorded};
pub use response_cache::{ReadVersion, ResponseCache, ResponseKey, ViewerScope};
pub use single_flight::TaskFailed;

/// How long a write without a response may still take effect.
const LINGER: Duration = Duration::from_secs(30);

/// An asset, or the reason why there is none.
pub type Entity = Result<Arc<Asset>, SourceError>;

/// The process-wide asset cache, shared by all operations.
pub struct AssetCache {
    entities: Cache<EntityKey, CacheEntry<Entity>, RandomState>,
    pages: Cache<PageKey, CacheEntry<Arc<Page>>, RandomState>,
    entity_reads: SingleFlight<EntityKey, FetchResult<Entity>>,
    page_reads: SingleFlight<PageKey, Result<FetchResult<Arc<Page>>, SourceError>>,
    epochs: Epochs,
    freshness: Freshness,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct EntityKey {
    source: SourceName,
    scope: CredentialScope,
    upstream: Arc<str>,
    variant: DetailLevel,
    epoch: Epoch,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct PageKey {
    source: SourceName,
    scope: CredentialScope,
    request: ListRequest,
    epoch: Epoch,
}

/// A page, and how it was read.
#[derive(Debug)]
pub struct PageRead {
    pub page: Arc<Page>,
    /// Whether reading it cost an upstream call.
    pub called: bool,
    /// Why an old page is served.
    pub stale: Option<SourceError>,
}

impl PageRead {
    fn cached(page: Arc<Page>) -> Self {
        Self {
            page,
            called: false,
            stale: None,
        }
    }
}

impl AssetCache {
    #[must_use]
    pub fn new(config: CacheConfig) -> Arc<Self> {
        let half = config.for_assets() / 2;
        Arc::new(Self {
            entities: Cache::builder()
                .max_capacity(half)
                .weigher(|_: &EntityKey, cached: &CacheEntry<Entity>| cached.bytes)
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

    fn freshness(&self, source: &Arc<dyn Source>) -> Freshness {
        self.freshness.with(source.profile().freshness)
    }

    // === Pages ===

    /// Reads a page of a list, and waits until `wait_until` at the latest. The call itself may go
    /// on for the next request. Its cost is one look-up by hash, for any number of entries.
    ///
    /// # Errors
    /// - The source's error, or [`SourceError::Timeout`] when `wait_until` passes: only if the
    ///   cache has no older page to serve. Concurrent requests share an error; it is not cached.
    /// - [`SourceError::Exhausted`]: the operation's budget of upstream calls is spent.
    pub async fn page(
        self: &Arc<Self>,
        source: &Arc<dyn Source>,
        request: ListRequest,
        context: &Arc<RequestContext>,
        wait_until: Instant,
    ) -> Result<PageRead, SourceError> {
        let profile = source.profile();
        context.reads(profile);
        let key = PageKey {
            source: profile.name.clone(),
            scope: profile.scope,
            epoch: self.epochs.pages_epoch(&profile.name),
            request,
        };
        let cached = self.pages.get(&key).await;
        if let Some(cached) = &cached {
            let now = Instant::now();
            if now < cached.fresh_until {
                context.true_until(cached.fresh_until);
                return Ok(PageRead::cached(Arc::clone(&cached.value)));
            }
            if now < cached.stale_until {
                context.mark_uncacheable();
                if !self.page_reads.is_pending(&key)
                    && context
                        .spend(source.calls_to_list(key.request.listing))
                        .is_ok()
                {
                    self.join_page(source, key, context).0.detach();
                }
                return Ok(PageRead::cached(Arc::clone(&cached.value)));
            }
        }
        context.spend(source.calls_to_list(key.request.listing))?;
        let outage = Outage::watch(source);
        let (waiter, called) = self.join_page(source, key.clone(), context);
        let result = outage.or(called, waiter.wait());
        let error = match timeout_at(wait_until, result).await {
            Ok(Ok(Ok(Ok((page, fresh_until))))) => {
                record_freshness(fresh_until, context);
                return Ok(PageRead {
                    page,
                    called,
                    stale: None,
                });
            }
            Ok(Ok(Ok(Err(error))) | Err(error)) => error,
            Ok(Ok(Err(TaskFailed))) => SourceError::Internal,
            Err(_) => {
                waiter.detach();
                SourceError::Timeout
            }
        };
        context.mark_uncacheable();
        match cached {
            Some(cached) if error.is_transient() => Ok(PageRead {
                page: cached.value,
                called,
                stale: Some(error),
            }),
            _ => Err(error),
        }
    }

    /// Joins the waiters for a page. Also returns whether the call is made for this waiter.
    fn join_page(
        self: &Arc<Self>,
        source: &Arc<dyn Source>,
        key: PageKey,
        context: &RequestContext,
    ) -> (
        Arc<Waiter<PageKey, Result<FetchResult<Arc<Page>>, SourceError>>>,
        bool,
    ) {
        let (asset_cache, source, context) =
            (Arc::clone(self), Arc::clone(source), context.shared());
        let mut waiters = self.page_reads.join([key], |to_read| async move {
            for (key, sender) in to_read {
                // The receiver may be gone.
                let _ = sender.send(asset_cache.read_page(&source, key, &context).await);
            }
        });
        // One key has one waiter.
        waiters.swap_remove(0)
    }

    async fn read_page(
        &self,
        source: &Arc<dyn Source>,
        key: PageKey,
        context: &RequestContext,
    ) -> Result<FetchResult<Arc<Page>>, SourceError> {
        let (epoch, requested_at) = (self.epochs.now(), Instant::now());
        let page = source.list(&key.request, context).await?;
        if page.no_store {
            // Any cached page is older.
            self.pages.invalidate(&key).await;
            return Ok((Arc::new(page), None));
        }
        if page.primes {
            self.prime(source, &page, epoch, requested_at).await;
        }
        let page = Arc::new(page);
        let times = self.freshness(source);
        if !write_epochs::is_uncacheable(key.epoch) && !times.page_fresh.is_zero() {
            let ends = page.rows.iter().filter_map(|row| match row {
                Row::Asset(asset) => url_end(asset),
                Row::Unreadable(_) | Row::Gone(..) => None,
            });
            let times = (times.page_fresh, times.page_stale, times.if_error);
            let bytes = page.rows.iter().map(Row::weight).sum();
            let cached = CacheEntry::new(Arc::clone(&page), requested_at, bytes, times, ends.min());
            let fresh_until = cached.true_until();
            self.pages.insert(key, cached).await;
            return Ok((page, fresh_until));
        }
        Ok((page, None))
    }

    /// Caches a list's assets as if each had been read by id, except those written meanwhile.
    async fn prime(
        &self,
        source: &Arc<dyn Source>,
        page: &Page,
        epoch: Epoch,
        requested_at: Instant,
    ) {
        if self.freshness(source).entity_fresh.is_zero() {
            return;
        }
        for row in &page.rows {
            let Row::Asset(asset) = row else { continue };
            let key = self.entity_key(source, &asset.id.upstream, DetailLevel::Plain);
            if key.epoch <= epoch {
                self.keep(source, key, Ok(Arc::clone(asset)), requested_at)
                    .await;
            }
        }
    }

    // === Assets ===

    /// An asset or its absence, if that is cached and fresh.
    pub async fn fresh(
        &self,
        source: &Arc<dyn Source>,
        id: &Arc<str>,
        variant: DetailLevel,
        context: &RequestContext,
    ) -> Option<Entity> {
        let key = self.entity_key(source, id, variant);
        let cached = self.entities.get(&key).await?;
        if Instant::now() >= cached.fresh_until {
            return None;
        }
        context.reads(source.profile());
        context.true_until(cached.fresh_until);
        Some(cached.value)
    }

    /// Reads assets by id with as few upstream calls as the source allows. It passes each result to
    /// `deliver` when it arrives, once for every id. For n ids it costs O(n), for any number of
    /// entries (`benches/parts`: 1,000 to 100,000 entries).
    pub async fn entities(
        self: &Arc<Self>,
        source: &Arc<dyn Source>,
        ids: Vec<Arc<str>>,
        variant: DetailLevel,
        context: &RequestContext,
        deliver: &(dyn Fn(&str, Entity) + Send + Sync),
    ) {
        context.reads(source.profile());
        let (mut missing, mut stale, mut older) = (Vec::new(), Vec::new(), HashMap::new());
        let now = Instant::now();
        for id in ids {
            let key = self.entity_key(source, &id, variant);
            match self.entities.get(&key).await {
                Some(cached) if now < cached.fresh_until => {
                    context.true_until(cached.fresh_until);
                    deliver(&id, cached.value);
                }
                Some(cached) if now < cached.stale_until => {
                    context.mark_uncacheable();
                    deliver(&id, cached.value);
                    stale.push(key);
                }
                Some(cached) => {
                    older.insert(id, cached.value);
                    missing.push(key);
                }
                None => missing.push(key),
            }
        }
        stale.retain(|key| !self.entity_reads.is_pending(key));
        let calls =
            |count: usize| u32::try_from(source.calls_to_get(count, variant)).unwrap_or(u32::MAX);
        if !stale.is_empty() && context.spend(calls(stale.len())).is_ok() {
            for (waiter, _) in self.join_entities(source, stale, variant, context) {
                waiter.detach();
            }
        }
        if missing.is_empty() {
            return;
        }
        if let Err(error) = context.spend(calls(missing.len())) {
            for key in missing {
                deliver(&key.upstream, Err(error.clone()));
            }
            return;
        }
        let outages: Vec<Outage> = missing.iter().map(|_| Outage::watch(source)).collect();
        let waiters = self.join_entities(source, missing, variant, context);
        let (older, patience) = (&older, source.profile().patience);
        let waits = waiters.into_iter().zip(outages);
        join_all(waits.map(|((waiter, called), outage)| async move {
            let key = waiter.key().clone();
            let id = &key.upstream;
            let cached = older.get(id);
            let result = outage.or(called, waiter.wait());
            let result = if cached.is_some() {
                // An older value exists: wait no longer than for a page. The read goes on.
                let result = timeout(patience, result).await;
                result.unwrap_or_else(|_| {
                    Arc::clone(&waiter).detach();
                    Err(SourceError::Timeout)
                })
            } else {
                result.await
            };
            let (entity, fresh_until) = match result {
                Ok(Ok(result)) => result,
                Ok(Err(TaskFailed)) => (Err(SourceError::Internal), None),
                Err(error) => (Err(error), None),
            };
            let entity = match (entity, cached) {
                (Err(error), Some(cached)) if error.is_transient() => {
                    context.mark_uncacheable();
                    cached.clone()
                }
                (entity, _) => {
                    record_freshness(fresh_until, context);
                    entity
                }
            };
            deliver(id, entity);
        }))
        .await;
    }

    fn join_entities(
        self: &Arc<Self>,
        source: &Arc<dyn Source>,
        keys: Vec<EntityKey>,
        variant: DetailLevel,
        context: &RequestContext,
    ) -> Vec<(Arc<Waiter<EntityKey, FetchResult<Entity>>>, bool)> {
        let (asset_cache, source, context) =
            (Arc::clone(self), Arc::clone(source), context.shared());
        self.entity_reads.join(keys, |to_read| async move {
            asset_cache
                .read_entities(&source, to_read, variant, &context)
                .await;
        })
    }

    async fn read_entities(
        &self,
        source: &Arc<dyn Source>,
        to_read: KeysToRead<EntityKey, FetchResult<Entity>>,
        variant: DetailLevel,
        context: &RequestContext,
    ) {
        let requested_at = Instant::now();
        let mut waiting: HashMap<Arc<str>, _> = to_read
            .into_iter()
            .map(|(key, sender)| (key.upstream.clone(), (key, sender)))
            .collect();
        let ids: Vec<Arc<str>> = waiting.keys().cloned().collect();
        let mut read = source.get_many(&ids, variant, context);
        while let Some((id, entity)) = read.next().await {
            if let Some((key, sender)) = waiting.remove(&id) {
                let fresh_until = self.keep(source, key, entity.clone(), requested_at).await;
                // The receiver may be gone.
                let _ = sender.send((entity, fresh_until));
            }
        }
        for (_, (_, sender)) in waiting {
            let _ = sender.send((Err(SourceError::NotFound), None));
        }
    }

    /// Caches an asset or its absence. It caches no other error, because a retry may succeed.
    /// Returns until when the entry is fresh, if it is cached.
    async fn keep(
        &self,
        source: &Arc<dyn Source>,
        key: EntityKey,
        entity: Entity,
        requested_at: Instant,
    ) -> Option<Instant> {
        if write_epochs::is_uncacheable(key.epoch) {
            return None;
        }
        if entity.as_ref().is_ok_and(|asset| asset.no_store) {
            // Any cached asset is older.
            self.entities.invalidate(&key).await;
            return None;
        }
        let times = self.freshness(source);
        let (times, end) = match &entity {
            Ok(asset) => (
                (times.entity_fresh, times.entity_stale, times.if_error),
                url_end(asset),
            ),
            Err(SourceError::NotFound) => {
                ((times.missing_fresh, Duration::ZERO, Duration::ZERO), None)
            }
            Err(_) => return None,
        };
        // A value whose call began later is newer, in any order of arrival.
        let newer = self.entities.get(&key).await;
        if newer.is_some_and(|cached| cached.requested_at > requested_at) {
            return None;
        }
        if times.0.is_zero() {
            // Any cached asset is older.
            self.entities.invalidate(&key).await;
            return None;
        }
        let bytes = entity.as_ref().map_or(256, |asset| asset.weight());
        let cached = CacheEntry::new(entity, requested_at, bytes, times, end);
        let fresh_until = cached.true_until();
        self.entities.insert(key, cached).await;
        fresh_until
    }

    fn entity_key(
        &self,
        source: &Arc<dyn Source>,
        id: &Arc<str>,
        variant: DetailLevel,
    ) -> EntityKey {
        let profile = source.profile();
        EntityKey {
            source: profile.name.clone(),
            scope: profile.scope,
            upstream: Arc::clone(id),
            variant,
            epoch: self.epochs.entity_epoch(&profile.name, id),
        }
    }

    // === Writes ===

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
