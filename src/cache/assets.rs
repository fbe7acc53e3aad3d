//! Reads assets by id: from the cache, from a call in progress, or in batches.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all};
use tokio::time::{Instant, timeout};

use super::{
    AssetResult,
    asset_cache::{AssetCache, EntityKey},
    entry::{CacheEntry, FetchResult, record_freshness, url_end},
    outage::OutageWatch,
    single_flight::{KeysToRead, TaskFailed, Waiter},
    write_epochs,
};
use crate::source::{DetailLevel, RequestContext, Source, SourceError};

impl AssetCache {
    /// An asset or its absence, if that is cached and fresh.
    pub async fn fresh(
        &self,
        source: &Arc<dyn Source>,
        id: &Arc<str>,
        detail_level: DetailLevel,
        context: &RequestContext,
    ) -> Option<AssetResult> {
        let key = self.entity_key(source, id, detail_level);
        let cached = self.entities.get(&key).await?;
        if Instant::now() >= cached.fresh_until {
            return None;
        }
        context.record_source(source.profile());
        context.limit_freshness(cached.fresh_until);
        Some(cached.value)
    }

    /// Reads assets by id with as few upstream calls as the source allows. It passes each result to
    /// `deliver` when it arrives, once for every id. For n ids it costs O(n), for any number of
    /// entries (`benches/parts`: 1,000 to 100,000 entries).
    pub async fn entities(
        self: &Arc<Self>,
        source: &Arc<dyn Source>,
        ids: Vec<Arc<str>>,
        detail_level: DetailLevel,
        context: &RequestContext,
        deliver: &(dyn Fn(&str, AssetResult) + Send + Sync),
    ) {
        context.record_source(source.profile());
        let (mut missing, mut stale, mut older) = (Vec::new(), Vec::new(), HashMap::new());
        let now = Instant::now();
        for id in ids {
            let key = self.entity_key(source, &id, detail_level);
            match self.entities.get(&key).await {
                Some(cached) if now < cached.fresh_until => {
                    context.limit_freshness(cached.fresh_until);
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
        let calls = |count: usize| {
            u32::try_from(source.calls_to_get(count, detail_level)).unwrap_or(u32::MAX)
        };
        if !stale.is_empty() && context.spend(calls(stale.len())).is_ok() {
            for (waiter, _) in self.join_entities(source, stale, detail_level, context) {
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
        let outages: Vec<OutageWatch> =
            missing.iter().map(|_| OutageWatch::watch(source)).collect();
        let waiters = self.join_entities(source, missing, detail_level, context);
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
        detail_level: DetailLevel,
        context: &RequestContext,
    ) -> Vec<(Arc<Waiter<EntityKey, FetchResult<AssetResult>>>, bool)> {
        let (asset_cache, source, context) =
            (Arc::clone(self), Arc::clone(source), context.shared());
        self.entity_reads.join(keys, |to_read| async move {
            asset_cache
                .read_entities(&source, to_read, detail_level, &context)
                .await;
        })
    }

    async fn read_entities(
        &self,
        source: &Arc<dyn Source>,
        to_read: KeysToRead<EntityKey, FetchResult<AssetResult>>,
        detail_level: DetailLevel,
        context: &RequestContext,
    ) {
        let requested_at = Instant::now();
        let mut waiting: HashMap<Arc<str>, _> = to_read
            .into_iter()
            .map(|(key, sender)| (key.upstream.clone(), (key, sender)))
            .collect();
        let ids: Vec<Arc<str>> = waiting.keys().cloned().collect();
        let mut read = source.get_many(&ids, detail_level, context);
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
    pub(super) async fn keep(
        &self,
        source: &Arc<dyn Source>,
        key: EntityKey,
        entity: AssetResult,
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
        let existing = self.entities.get(&key).await;
        if existing.is_some_and(|cached| cached.requested_at > requested_at) {
            return None;
        }
        if times.0.is_zero() {
            // Any cached asset is older.
            self.entities.invalidate(&key).await;
            return None;
        }
        let bytes = entity.as_ref().map_or(256, |asset| asset.weight());
        let cached = CacheEntry::new(entity, requested_at, bytes, times, end);
        let fresh_until = cached.cached_until();
        self.entities.insert(key, cached).await;
        fresh_until
    }

    pub(super) fn entity_key(
        &self,
        source: &Arc<dyn Source>,
        id: &Arc<str>,
        detail_level: DetailLevel,
    ) -> EntityKey {
        let profile = source.profile();
        EntityKey {
            source: profile.name.clone(),
            scope: profile.scope,
            upstream: Arc::clone(id),
            detail_level,
            epoch: self.epochs.entity_epoch(&profile.name, id),
        }
    }
}
