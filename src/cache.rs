//! The shelf: assets and list pages kept for a while, by source and scope.
//!
//! - Concurrent misses of the same thing make one upstream call. The call runs in a task of its
//!   own, so a caller that goes away costs nobody else anything.
//! - A read that began before a write is never kept as new: what is kept carries the epoch noted
//!   before its call ([`epochs`]), and the epoch is part of the key.
//! - Nothing outlives the signed URLs inside it, and what a source asks not to keep is not kept.
//! - Bounded in bytes, half for assets and half for pages.

mod epochs;
mod flights;
mod outcomes;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all};
use jiff::Timestamp;
use moka::{Expiry, future::Cache};
use tokio::time::timeout_at;
use tracing::Instrument;

use self::{
    epochs::{Epoch, Epochs},
    flights::{Flight, Flights},
};
use crate::{
    asset::{Asset, Location, SourceName},
    config::CacheConfig,
    source::{Context, ListRequest, Page, Row, Scope, Source, SourceError, Variant},
};

pub use outcomes::{Outcomes, Ticket, Told, Turn};

/// How long a write without an answer may still take effect.
const LINGER: Duration = Duration::from_secs(30);

/// An asset, or why there is none.
pub type Entity = Result<Arc<Asset>, SourceError>;

/// Process-wide; shared by all operations.
pub struct Shelf {
    entities: Cache<EntityKey, Kept<Entity>>,
    pages: Cache<PageKey, Kept<Arc<Page>>>,
    flights: Flights<EntityKey, Entity>,
    epochs: Epochs,
    config: CacheConfig,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct EntityKey {
    source: SourceName,
    scope: Scope,
    upstream: Box<str>,
    variant: Variant,
    epoch: Epoch,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct PageKey {
    source: SourceName,
    scope: Scope,
    request: ListRequest,
    epoch: Epoch,
}

/// A value and for how long it is served.
#[derive(Clone)]
struct Kept<V> {
    value: V,
    life: Duration,
    bytes: u32,
}

/// Ends each entry after its own life.
struct OwnLife;

impl<K, V> Expiry<K, Kept<V>> for OwnLife {
    fn expire_after_create(&self, _: &K, kept: &Kept<V>, _: Instant) -> Option<Duration> {
        Some(kept.life)
    }

    fn expire_after_update(
        &self,
        _: &K,
        kept: &Kept<V>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.life)
    }
}

/// A page, and whether it cost an upstream call.
#[derive(Debug)]
pub struct Read {
    pub page: Arc<Page>,
    pub called: bool,
}

impl Shelf {
    #[must_use]
    pub fn new(config: CacheConfig) -> Arc<Self> {
        let half = config.size_bytes / 2;
        Arc::new(Self {
            entities: Cache::builder()
                .max_capacity(half)
                .weigher(|_: &EntityKey, kept: &Kept<Entity>| kept.bytes)
                .expire_after(OwnLife)
                .build(),
            pages: Cache::builder()
                .max_capacity(half)
                .weigher(|_: &PageKey, kept: &Kept<Arc<Page>>| kept.bytes)
                .expire_after(OwnLife)
                .build(),
            flights: Flights::default(),
            epochs: Epochs::default(),
            config,
        })
    }

    /// Reads a stretch of a list; waits until `wait_until` at the latest, while the call itself
    /// may go on for others until the operation's deadline.
    ///
    /// # Errors
    /// The source's, or [`SourceError::Timeout`] when the wait is over first. Errors are shared
    /// with whoever asked at the same time, and not kept.
    pub async fn page(
        self: &Arc<Self>,
        source: &Arc<dyn Source>,
        request: ListRequest,
        context: &Arc<Context>,
        wait_until: tokio::time::Instant,
    ) -> Result<Read, SourceError> {
        let profile = source.profile();
        let key = PageKey {
            source: profile.name.clone(),
            scope: profile.scope,
            epoch: self.epochs.of_pages(&profile.name),
            request,
        };
        if let Some(kept) = self.pages.get(&key).await {
            return Ok(Read {
                page: kept.value,
                called: false,
            });
        }
        context.spend(source.calls_to_list(key.request.listing))?;
        let (shelf, source, context) = (Arc::clone(self), Arc::clone(source), context.shared());
        let fill = tokio::spawn(
            async move {
                // Only one of those who ask at once runs its read.
                let mut called = false;
                let read = async {
                    called = true;
                    let (request, epoch) = (&key.request, key.epoch);
                    shelf.read_page(&source, request, epoch, &context).await
                };
                let page = shelf.pages.try_get_with_by_ref(&key, read).await;
                page.map(|kept| Read {
                    page: kept.value,
                    called,
                })
            }
            .in_current_span(),
        );
        match timeout_at(wait_until, fill).await {
            Ok(Ok(Ok(read))) => Ok(read),
            Ok(Ok(Err(error))) => Err((*error).clone()),
            Ok(Err(panic)) => {
                tracing::error!(%panic, "reading a page failed in the gateway itself");
                Err(SourceError::Internal)
            }
            Err(_) => Err(SourceError::Timeout),
        }
    }

    async fn read_page(
        &self,
        source: &Arc<dyn Source>,
        request: &ListRequest,
        epoch: Epoch,
        context: &Context,
    ) -> Result<Kept<Arc<Page>>, SourceError> {
        let before = self.epochs.now();
        let page = source.list(request, context).await?;
        let life = if page.no_store || epochs::is_fleeting(epoch) {
            Duration::ZERO
        } else {
            let ends = page.rows.iter().filter_map(|row| match row {
                Row::Asset(asset) => url_end(asset),
                Row::Unreadable(_) | Row::Gone(..) => None,
            });
            within(self.config.page_fresh, ends.min())
        };
        if page.primes && !page.no_store {
            self.prime(source, &page, before).await;
        }
        let bytes = page.rows.iter().map(Row::weight).sum();
        Ok(Kept {
            value: Arc::new(page),
            life,
            bytes,
        })
    }

    /// Keeps a list's assets as if each had been read by id, but for those written meanwhile.
    async fn prime(&self, source: &Arc<dyn Source>, page: &Page, before: Epoch) {
        for row in &page.rows {
            let Row::Asset(asset) = row else { continue };
            let key = self.entity_key(source, &asset.id.upstream, Variant::Plain);
            if key.epoch <= before {
                self.keep(key, Ok(Arc::clone(asset))).await;
            }
        }
    }

    /// Reads assets by id with as few upstream calls as the source allows, and hands each to `land`
    /// as it comes, once for every id.
    pub async fn entities(
        &self,
        source: &Arc<dyn Source>,
        ids: Vec<Box<str>>,
        variant: Variant,
        context: &Context,
        land: &(dyn Fn(&str, Entity) + Send + Sync),
    ) {
        let mut missing = Vec::new();
        for id in ids {
            let key = self.entity_key(source, &id, variant);
            match self.entities.get(&key).await {
                Some(kept) => land(&id, kept.value),
                None => missing.push(key),
            }
        }
        if missing.is_empty() {
            return;
        }
        let calls = u32::try_from(source.calls_to_get(missing.len(), variant)).unwrap_or(u32::MAX);
        if let Err(error) = context.spend(calls) {
            for key in missing {
                land(&key.upstream, Err(error.clone()));
            }
            return;
        }
        let (led, joined) = self.flights.claim(missing);
        let waiting = join_all(joined.into_iter().map(|(key, landing)| async move {
            // A landing that never comes: the flight's task panicked, which is in the log.
            land(
                &key.upstream,
                landing.await.unwrap_or(Err(SourceError::Internal)),
            );
        }));
        let reading = self.read_entities(source, led, variant, context, land);
        futures_util::future::join(waiting, reading).await;
    }

    async fn read_entities(
        &self,
        source: &Arc<dyn Source>,
        led: Vec<Flight<EntityKey, Entity>>,
        variant: Variant,
        context: &Context,
        land: &(dyn Fn(&str, Entity) + Send + Sync),
    ) {
        let mut flights = HashMap::with_capacity(led.len());
        for flight in led {
            // Somebody else's read may have landed between our look and our claim.
            match self.entities.get(flight.key()).await {
                Some(kept) => {
                    land(&flight.key().upstream, kept.value.clone());
                    flight.land(kept.value);
                }
                None => {
                    flights.insert(flight.key().upstream.clone(), flight);
                }
            }
        }
        if flights.is_empty() {
            return;
        }
        let ids: Vec<Box<str>> = flights.keys().cloned().collect();
        let context = context.shared();
        let mut read = source.get_many(&ids, variant, &context);
        while let Some((id, entity)) = read.next().await {
            if let Some(flight) = flights.remove(&id) {
                self.keep(flight.key().clone(), entity.clone()).await;
                land(&id, entity.clone());
                flight.land(entity);
            }
        }
        for (id, flight) in flights {
            land(&id, Err(SourceError::NotFound));
            flight.land(Err(SourceError::NotFound));
        }
    }

    /// Keeps an asset, or that there is none; other failures are worth asking again.
    async fn keep(&self, key: EntityKey, entity: Entity) {
        if epochs::is_fleeting(key.epoch) {
            return;
        }
        let life = match &entity {
            Ok(asset) => within(self.config.entity_fresh, url_end(asset)),
            Err(SourceError::NotFound) => self.config.missing_fresh,
            Err(_) => return,
        };
        let bytes = entity.as_ref().map_or(256, |asset| asset.weight());
        let kept = Kept {
            value: entity,
            life,
            bytes,
        };
        self.entities.insert(key, kept).await;
    }

    fn entity_key(&self, source: &Arc<dyn Source>, id: &str, variant: Variant) -> EntityKey {
        let profile = source.profile();
        EntityKey {
            source: profile.name.clone(),
            scope: profile.scope,
            upstream: id.into(),
            variant,
            epoch: self.epochs.of_entity(&profile.name, id),
        }
    }

    /// Says that `ids` of `source` are being written, until the outcome is known. Nothing read
    /// before its end is served after it, in any scope, and nobody shares what is read meanwhile.
    #[must_use = "the write is over when this is dropped"]
    pub fn writing(self: &Arc<Self>, source: &SourceName, ids: Vec<Box<str>>) -> Writing {
        self.epochs.open(source, &ids);
        Writing {
            shelf: Arc::clone(self),
            source: source.clone(),
            ids,
        }
    }
}

/// A write under way; over when dropped.
pub struct Writing {
    shelf: Arc<Shelf>,
    source: SourceName,
    ids: Vec<Box<str>>,
}

impl Writing {
    /// Nobody knows when the write takes effect, if it does: for a while nothing is kept of what
    /// it may change.
    pub fn linger(self) {
        tokio::spawn(async move {
            tokio::time::sleep(LINGER).await;
            drop(self);
        });
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.shelf.epochs.close(&self.source, &self.ids);
    }
}

/// A life cut short by the end of a signed URL, less a minute for whoever is given it.
fn within(life: Duration, end: Option<Timestamp>) -> Duration {
    let Some(end) = end else { return life };
    let left = end.duration_since(Timestamp::now()).as_secs() - 60;
    life.min(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// When the first of an asset's signed URLs ends.
fn url_end(asset: &Asset) -> Option<Timestamp> {
    let media = &asset.media;
    [&media.original, &media.small, &media.large]
        .into_iter()
        .filter_map(|location| match location {
            Some(Location::Direct { expires_at, .. }) => *expires_at,
            _ => None,
        })
        .min()
}
