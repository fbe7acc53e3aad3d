//! What the cache keeps of an asset or a page, and for how long.

use std::time::{Duration, Instant as Clock};

use jiff::Timestamp;
use moka::Expiry;
use tokio::time::Instant;

use crate::{
    asset::{Asset, Location},
    source::RequestContext,
};

/// A value and until when it is served, and how.
#[derive(Clone)]
pub(super) struct CacheEntry<V> {
    pub(super) value: V,
    /// When its call began.
    pub(super) asked: Instant,
    pub(super) fresh_until: Instant,
    /// Served while it is asked for again.
    pub(super) stale_until: Instant,
    /// Until it is not even served in place of an error.
    pub(super) life: Duration,
    pub(super) bytes: u32,
}

impl<V> CacheEntry<V> {
    /// `end`: when a signed URL inside it ends.
    pub(super) fn new(
        value: V,
        asked: Instant,
        bytes: u32,
        (fresh, stale, if_error): (Duration, Duration, Duration),
        end: Option<Timestamp>,
    ) -> Self {
        // The answer may be as old as its question.
        let age = asked.elapsed();
        let fresh = within(fresh, end);
        // What is not to be kept is not kept for errors either.
        let (stale, life) = if fresh.is_zero() {
            (Duration::ZERO, Duration::ZERO)
        } else {
            let stale = within(fresh + stale, end);
            (stale, stale.max(within(fresh + if_error, end)))
        };
        Self {
            value,
            asked,
            fresh_until: asked + fresh,
            stale_until: asked + stale,
            life: life.saturating_sub(age),
            bytes,
        }
    }

    /// Until when it is true; `None`: it is not kept, as something in it ends at once.
    pub(super) fn true_until(&self) -> Option<Instant> {
        (!self.life.is_zero()).then_some(self.fresh_until)
    }
}

/// What a call brought, and how long that stays true; what is not kept is true for a moment only.
pub(super) type Landed<V> = (V, Option<Instant>);

pub(super) fn tell(fresh_until: Option<Instant>, context: &RequestContext) {
    match fresh_until {
        Some(end) => context.true_until(end),
        None => context.mark_uncacheable(),
    }
}

/// Ends each entry after its own life.
pub(super) struct OwnLife;

impl<K, V> Expiry<K, CacheEntry<V>> for OwnLife {
    fn expire_after_create(&self, _: &K, kept: &CacheEntry<V>, _: Clock) -> Option<Duration> {
        Some(kept.life)
    }

    fn expire_after_update(
        &self,
        _: &K,
        kept: &CacheEntry<V>,
        _: Clock,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.life)
    }
}

/// A life cut short by the end of a signed URL, less a minute for the client to use it.
fn within(life: Duration, end: Option<Timestamp>) -> Duration {
    let Some(end) = end else { return life };
    let left = end.duration_since(Timestamp::now()).as_secs() - 60;
    life.min(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// When the first of an asset's signed URLs ends.
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
