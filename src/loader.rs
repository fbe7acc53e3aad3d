//! Batches reads by id within one operation: concurrent sibling fields share one request to the
//! asset cache per source.
//!
//! The `dataloader` crate holds its lock while a batch function runs. So this batch function only
//! starts the reads and returns [`Pending`] handles immediately. Batches overlap, and a cancelled
//! caller does not cancel the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ahash::RandomState;
use dataloader::{BatchFn, cached};
use futures_util::{FutureExt, future::Shared};
use tokio::{sync::oneshot, task::JoinSet, time::timeout_at};
use tracing::Instrument;

use crate::{
    asset::AssetId,
    cache::{AssetCache, AssetResult},
    source::{DetailLevel, Registry, RequestContext, SourceError},
};

/// Maximum ids per batch. The `source` module enforces the limits of each source.
const MAX_BATCH: usize = 1_000;

type Key = (AssetId, DetailLevel);

/// One operation's reads by id. It returns the first result again for an equal read.
pub struct Loader {
    inner: cached::Loader<Key, Pending, Batch>,
    registry: Arc<Registry>,
    asset_cache: Arc<AssetCache>,
    context: Arc<RequestContext>,
    /// Results of all reads, from the cache or from a batch.
    answered: Mutex<Answered>,
}

type Answered = HashMap<Key, AssetResult, RandomState>;

impl Loader {
    #[must_use]
    pub fn new(
        registry: Arc<Registry>,
        asset_cache: Arc<AssetCache>,
        context: Arc<RequestContext>,
    ) -> Self {
        let batch = Batch {
            registry: Arc::clone(&registry),
            asset_cache: Arc::clone(&asset_cache),
            context: Arc::clone(&context),
            reads: JoinSet::new(),
        };
        Self {
            inner: cached::Loader::new(batch).with_max_batch_size(MAX_BATCH),
            registry,
            asset_cache,
            context,
            answered: Mutex::default(),
        }
    }

    /// Clears the stored results after a write.
    pub async fn forget(&self) {
        self.answered().clear();
        self.inner.clear_all().await;
    }

    /// Reads one asset, batched with concurrent reads.
    ///
    /// # Errors
    /// The source's error, [`SourceError::NotFound`] for an unconfigured source, or
    /// [`SourceError::Timeout`] at the operation's deadline. [`SourceError::Internal`] on a panic.
    pub async fn load(&self, id: AssetId, detail_level: DetailLevel) -> AssetResult {
        let key = (id, detail_level);
        if let Some(entity) = self.answered().get(&key) {
            return entity.clone();
        }
        // A fresh asset in the cache needs no batch.
        let entity = match self.fresh(&key).await {
            Some(entity) => entity,
            None => self.batched(key.clone()).await,
        };
        // The first result stays, so that all reads of one operation agree.
        self.answered().entry(key).or_insert(entity).clone()
    }

    async fn fresh(&self, (id, detail_level): &Key) -> Option<AssetResult> {
        let source = self.registry.named(&id.source)?;
        let fresh = (self.asset_cache).fresh(source, &id.upstream, *detail_level, &self.context);
        fresh.await
    }

    async fn batched(&self, key: Key) -> AssetResult {
        let pending = self
            .inner
            .try_load(key)
            .await
            .map_err(|_| SourceError::NotFound)?;
        match timeout_at(self.context.deadline(), pending.answer).await {
            // The log already has the task's panic.
            Ok(answer) => answer.unwrap_or(Err(SourceError::Internal)),
            Err(_) => Err(SourceError::Timeout),
        }
    }

    fn answered(&self) -> MutexGuard<'_, Answered> {
        // Each change is a single call: a panic elsewhere cannot leave the map half-changed.
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read in progress.
#[derive(Clone)]
struct Pending {
    answer: Shared<oneshot::Receiver<AssetResult>>,
}

struct Batch {
    registry: Arc<Registry>,
    asset_cache: Arc<AssetCache>,
    context: Arc<RequestContext>,
    /// The read tasks. They end with the operation, except calls that others wait for.
    reads: JoinSet<()>,
}

impl BatchFn<Key, Pending> for Batch {
    async fn load(&mut self, keys: &[Key]) -> HashMap<Key, Pending> {
        while self.reads.try_join_next().is_some() {}
        let mut groups: HashMap<_, Vec<&Key>> = HashMap::new();
        for key in keys {
            groups
                .entry((key.0.source.clone(), key.1))
                .or_default()
                .push(key);
        }
        let mut handles = HashMap::with_capacity(keys.len());
        for ((name, detail_level), keys) in groups {
            let Some(source) = self.registry.named(&name) else {
                continue; // without a handle, the loader returns "not found"
            };
            let mut senders = HashMap::with_capacity(keys.len());
            for key in keys {
                let (sender, receiver) = oneshot::channel();
                senders.insert(key.0.upstream.clone(), sender);
                let answer = receiver.shared();
                handles.insert(key.clone(), Pending { answer });
            }
            let (source, asset_cache) = (Arc::clone(source), Arc::clone(&self.asset_cache));
            let context = Arc::clone(&self.context);
            self.reads.spawn(
                Box::pin(async move {
                    let ids = senders.keys().cloned().collect();
                    let senders = Mutex::new(senders);
                    let deliver = |id: &str, entity| {
                        let sender = senders
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .remove(id);
                        // The waiter may be gone. The asset cache has stored the result.
                        let _ = sender.map(|sender| sender.send(entity));
                    };
                    asset_cache
                        .entities(&source, ids, detail_level, &context, &deliver)
                        .await;
                })
                .in_current_span(),
            );
        }
        handles
    }
}
