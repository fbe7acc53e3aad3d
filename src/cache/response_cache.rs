//! A cache of whole responses, ready to send.
//!
//! - The key is the request as written, with its document, operation and variables, and the
//!   caller's viewer scope. A response never reaches a caller of another scope.
//! - A response is valid while everything inside it is. It ends with its first part that ends, and
//!   with the first write to a source that was read for it. A write in progress ends it too.
//! - Equal requests in the same second share one response, unless a write begins or ends between
//!   them: a query after a write never joins one begun before it.
//! - The cache stores a response only when its request repeats. It is bounded in bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant as Clock},
};

use ahash::RandomState;
use bytes::Bytes;
use moka::{Expiry, sync::Cache};
use tokio::time::Instant;

use super::{
    asset_cache::AssetCache,
    single_flight::{SingleFlight, TaskFailed},
    write_epochs::Epoch,
};
use crate::{access::Permissions, asset::SourceName, source::CredentialScope};

/// The approximate size of an entry without its response and request, in bytes.
const ENTRY_OVERHEAD: usize = 512;

/// How old a pending response may be when another request joins it.
const JOIN_WINDOW: Duration = Duration::from_secs(1);

/// The approximate number of recent requests that are remembered.
const RECENT_SLOTS: usize = 4_096;

/// The facts that decide what a caller sees: callers of one scope get the same responses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ViewerScope {
    pub permissions: Permissions,
    /// The scope at each source, in source order, of callers with their own credentials.
    pub scopes: Option<Box<[CredentialScope]>>,
}

/// A request, and the viewer scope of its caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResponseKey {
    pub viewer_scope: ViewerScope,
    /// Whether the request came in the URL.
    pub is_get: bool,
    /// The request as the client wrote it.
    pub written: Bytes,
}

/// The point between writes at which a response was begun.
#[derive(Debug, Clone, Copy)]
pub struct ReadVersion {
    epoch: Epoch,
}

/// A response to cache: made from `sources`, valid until `until`, of `bytes` bytes.
pub struct NewResponse<A> {
    pub answer: Arc<A>,
    pub sources: Vec<SourceName>,
    pub until: Instant,
    pub bytes: usize,
}

/// A cached response.
struct CachedResponse<A> {
    answer: Arc<A>,
    /// The last write before it was begun.
    epoch: Epoch,
    sources: Vec<SourceName>,
    until: Instant,
    bytes: u32,
}

/// The process-wide cache of responses `A`; `M` is the result of making one.
pub struct ResponseCache<A, M: Clone> {
    asset_cache: Arc<AssetCache>,
    /// `None`: nothing is cached.
    cached: Option<Cache<ResponseKey, Arc<CachedResponse<A>>, RandomState>>,
    /// The key includes the second in which the response was begun.
    in_flight: SingleFlight<(ResponseKey, Epoch, u64), M>,
    recent: RecentRequests,
    since: Instant,
}

/// Hashes of recent requests; each slot holds its latest one.
struct RecentRequests {
    hasher: RandomState,
    slots: Box<[AtomicU64]>,
}

impl RecentRequests {
    fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: (0..RECENT_SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether this request was made before, as far as remembered. It is remembered from now on.
    fn is_repeat(&self, request: &ResponseKey) -> bool {
        let hash = self.hasher.hash_one(request);
        let slot = self.slots.get(hash as usize % RECENT_SLOTS);
        slot.is_some_and(|slot| slot.swap(hash, Ordering::Relaxed) == hash)
    }
}

/// Expires each response when the first part of it ends.
struct ResponseExpiry;

impl<A> Expiry<ResponseKey, Arc<CachedResponse<A>>> for ResponseExpiry {
    fn expire_after_create(
        &self,
        _: &ResponseKey,
        cached: &Arc<CachedResponse<A>>,
        _: Clock,
    ) -> Option<Duration> {
        Some(cached.until.saturating_duration_since(Instant::now()))
    }

    fn expire_after_update(
        &self,
        request: &ResponseKey,
        cached: &Arc<CachedResponse<A>>,
        now: Clock,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(request, cached, now)
    }
}

impl<A, M> ResponseCache<A, M>
where
    A: Send + Sync + 'static,
    M: Clone + Send + Sync + 'static,
{
    /// Caches responses of at most `capacity` bytes, read through `asset_cache`; 0 caches none.
    #[must_use]
    pub fn new(asset_cache: Arc<AssetCache>, capacity: u64) -> Self {
        let cached = (capacity > 0).then(|| {
            Cache::builder()
                .max_capacity(capacity)
                .weigher(|_: &ResponseKey, cached: &Arc<CachedResponse<A>>| cached.bytes)
                .expire_after(ResponseExpiry)
                .build_with_hasher(RandomState::new())
        });
        Self {
            asset_cache,
            cached,
            in_flight: SingleFlight::default(),
            recent: RecentRequests::new(),
            since: Instant::now(),
        }
    }

    /// The cached response, if it is still valid. It costs one look-up by hash, and one for each
    /// source read for it, for any number of entries.
    #[must_use]
    pub fn get(&self, request: &ResponseKey) -> Option<Arc<A>> {
        let cached = self.cached.as_ref()?.get(request)?;
        let is_true = Instant::now() < cached.until
            && (self.asset_cache.epochs).are_unwritten(cached.epoch, &cached.sources);
        is_true.then(|| Arc::clone(&cached.answer))
    }

    /// The current point between writes, to note before a response is begun.
    #[must_use]
    pub fn read_version(&self) -> ReadVersion {
        ReadVersion {
            epoch: self.asset_cache.epochs.now(),
        }
    }

    /// Makes a response, or waits for that of an equal request in progress since the last write.
    /// Also returns whether it was made for this request.
    ///
    /// # Errors
    /// [`TaskFailed`] when the task that makes it failed in the gateway; the log has the panic.
    pub async fn shared<F>(
        &self,
        request: &ResponseKey,
        began: ReadVersion,
        make: impl FnOnce() -> F,
    ) -> (Result<M, TaskFailed>, bool)
    where
        F: Future<Output = M> + Send + 'static,
    {
        let second = self.since.elapsed().as_secs() / JOIN_WINDOW.as_secs();
        let key = (request.clone(), began.epoch, second);
        let mut in_flight = self.in_flight.join([key], |to_read| {
            // Boxed here, so that even a large future is copied once.
            let making = Box::pin(make());
            async move {
                let output = making.await;
                for (_, sender) in to_read {
                    // The receiver may be gone.
                    let _ = sender.send(output.clone());
                }
            }
        });
        // One key has one waiter.
        let (waiter, is_leader) = in_flight.swap_remove(0);
        (waiter.wait().await, is_leader)
    }

    /// Caches a response, if the request was made before.
    pub fn keep(&self, request: ResponseKey, began: ReadVersion, response: NewResponse<A>) {
        let Some(cached) = &self.cached else { return };
        if !self.recent.is_repeat(&request) {
            return;
        }
        let epoch = began.epoch;
        let is_new = self
            .asset_cache
            .epochs
            .are_unwritten(epoch, &response.sources)
            && (cached.get(&request)).is_none_or(|older| older.epoch <= epoch);
        if !is_new || response.until <= Instant::now() {
            return;
        }
        let bytes = response.bytes + request.written.len() + ENTRY_OVERHEAD;
        let value = CachedResponse {
            answer: response.answer,
            epoch,
            sources: response.sources,
            until: response.until,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        cached.insert(request, Arc::new(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CacheConfig;

    fn question(text: &'static str) -> ResponseKey {
        ResponseKey {
            viewer_scope: ViewerScope {
                permissions: Permissions::ALL,
                scopes: None,
            },
            is_get: false,
            written: Bytes::from_static(text.as_bytes()),
        }
    }

    fn answers() -> (Arc<AssetCache>, ResponseCache<u8, ()>) {
        let asset_cache = AssetCache::new(CacheConfig::default());
        (
            Arc::clone(&asset_cache),
            ResponseCache::new(asset_cache, 1 << 20),
        )
    }

    fn keep(answers: &ResponseCache<u8, ()>, answer: u8, began: ReadVersion, source: &SourceName) {
        let until = Instant::now() + Duration::from_secs(60);
        let answer = Arc::new(answer);
        let response = NewResponse {
            answer,
            sources: vec![source.clone()],
            until,
            bytes: 1,
        };
        answers.keep(question("a"), began, response);
    }

    #[tokio::test]
    async fn what_is_asked_for_again_is_kept_until_one_of_its_sources_is_written() {
        let (asset_cache, answers) = answers();
        let name = |text: &str| SourceName::parse(text).expect("a name");
        let (source, other) = (name("own"), name("other"));
        let get = || answers.get(&question("a")).map(|source| *source);
        keep(&answers, 1, answers.read_version(), &source);
        assert_eq!(get(), None, "requested only once");
        keep(&answers, 1, answers.read_version(), &source);
        assert_eq!(get(), Some(1));
        drop(asset_cache.writing(&other, Vec::new()));
        assert_eq!(get(), Some(1), "it is of another source");
        let before = answers.read_version();
        let writing = asset_cache.writing(&source, Vec::new());
        assert_eq!(get(), None, "a write is in progress");
        keep(&answers, 2, answers.read_version(), &source);
        assert_eq!(get(), None, "nothing is kept meanwhile");
        drop(writing);
        keep(&answers, 3, before, &source);
        assert_eq!(get(), None, "begun before the write");
        keep(&answers, 4, answers.read_version(), &source);
        assert_eq!(get(), Some(4));
    }

    #[tokio::test]
    async fn an_older_answer_never_takes_a_newer_ones_place() {
        let (asset_cache, answers) = answers();
        let name = |text: &str| SourceName::parse(text).expect("a name");
        let (source, other) = (name("own"), name("other"));
        let before = answers.read_version();
        drop(asset_cache.writing(&other, Vec::new()));
        for _ in 0..2 {
            keep(&answers, 2, answers.read_version(), &source);
        }
        keep(&answers, 1, before, &source);
        assert_eq!(answers.get(&question("a")).as_deref(), Some(&2));
    }
}
