//! Reads pages: from the cache, from a call in progress, or with a new call.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{
    asset_cache::{AssetCache, PageKey},
    entry::{CacheEntry, FetchResult, record_freshness, url_end},
    outage::OutageWatch,
    single_flight::{TaskFailed, Waiter},
    write_epochs::{self, Epoch},
};
use crate::source::{DetailLevel, ListRequest, Page, RequestContext, Row, Source, SourceError};

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
        context.record_source(profile);
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
                context.limit_freshness(cached.fresh_until);
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
        let outage = OutageWatch::watch(source);
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
        if page.can_prime_cache {
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
            let fresh_until = cached.cached_until();
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
}
