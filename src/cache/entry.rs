//! A cache entry of an asset or a page, and its lifetime.

use std::time::{Duration, Instant as Clock};

use jiff::Timestamp;
use moka::Expiry;
use tokio::time::Instant;

use crate::{
    asset::{Asset, Location},
    source::RequestContext,
};

/// A value, until when it is served, and in which state.
#[derive(Clone)]
pub(super) struct CacheEntry<V> {
    pub(super) value: V,
    /// When the upstream call began.
    pub(super) requested_at: Instant,
    pub(super) fresh_until: Instant,
    /// Until when it is served while a call revalidates it.
    pub(super) stale_until: Instant,
    /// How long it is stored: after that, it is not even served in place of an error.
    pub(super) lifetime: Duration,
    pub(super) bytes: u32,
}

impl<V> CacheEntry<V> {
    /// `end`: when the first signed URL inside it expires.
    pub(super) fn new(
        value: V,
        requested_at: Instant,
        bytes: u32,
        (fresh, stale, if_error): (Duration, Duration, Duration),
        end: Option<Timestamp>,
    ) -> Self {
        // The value may be as old as the start of its call.
        let age = requested_at.elapsed();
        let fresh = capped_by_url(fresh, end);
        // A value that must not be cached is not cached for errors either.
        let (stale, lifetime) = if fresh.is_zero() {
            (Duration::ZERO, Duration::ZERO)
        } else {
            let stale = capped_by_url(fresh + stale, end);
            (stale, stale.max(capped_by_url(fresh + if_error, end)))
        };
        Self {
            value,
            requested_at,
            fresh_until: requested_at + fresh,
            stale_until: requested_at + stale,
            lifetime: lifetime.saturating_sub(age),
            bytes,
        }
    }

    /// Until when it is fresh; `None` if it is not cached, because something in it ends at once.
    pub(super) fn cached_until(&self) -> Option<Instant> {
        (!self.lifetime.is_zero()).then_some(self.fresh_until)
    }
}

/// A call's result and until when it is fresh; `None` if it is not cached.
pub(super) type FetchResult<V> = (V, Option<Instant>);

pub(super) fn record_freshness(fresh_until: Option<Instant>, context: &RequestContext) {
    match fresh_until {
        Some(end) => context.limit_freshness(end),
        None => context.mark_uncacheable(),
    }
}

/// Expires each entry after its own lifetime.
pub(super) struct EntryExpiry;

impl<K, V> Expiry<K, CacheEntry<V>> for EntryExpiry {
    fn expire_after_create(&self, _: &K, entry: &CacheEntry<V>, _: Clock) -> Option<Duration> {
        Some(entry.lifetime)
    }

    fn expire_after_update(
        &self,
        _: &K,
        entry: &CacheEntry<V>,
        _: Clock,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

/// Shortens a lifetime to one minute before the signed URL expires, so that clients can use it.
fn capped_by_url(lifetime: Duration, end: Option<Timestamp>) -> Duration {
    let Some(end) = end else { return lifetime };
    let left = end.duration_since(Timestamp::now()).as_secs() - 60;
    lifetime.min(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// When the first of an asset's signed URLs expires.
pub(super) fn url_end(asset: &Asset) -> Option<Timestamp> {
    let media = &asset.media;
    [&media.original, &media.small, &media.large]
        .into_iter()
        .filter_map(|location| match location {
            Some(Location::Direct { expires_at, .. }) => *expires_at,
            _ => None,
        })
        .min()
}
