//! Whole answers, ready to send.
//!
//! - Kept under the request as it was written, which says document, operation and variables, and
//!   under the viewer scope of the caller: an answer never reaches a caller of another scope.
//! - An answer is true as long as everything inside it is: it ends with the first thing in it that
//!   does, and with the first write to a source that was read for it. A write that is under way
//!   ends it too.
//! - Those who ask the same within the same second get one answer, made once, as long as no write
//!   begins or ends between them: a query after a write never joins one begun before it.
//! - What is asked once is made and given; what is asked again is kept too. Bounded in bytes.

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
    AssetCache,
    single_flight::{SingleFlight, TaskFailed},
    write_epochs::Epoch,
};
use crate::{access::Permissions, asset::SourceName, source::CredentialScope};

/// What an answer takes beside its own bytes and its request's, about.
const BASE: usize = 512;

/// How old an answer in the making may be when another request joins.
const TOGETHER: Duration = Duration::from_secs(1);

/// Questions that are remembered to have been asked, about.
const REMEMBERED: usize = 4_096;

/// What decides what a caller sees: callers of one scope get the same answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ViewerScope {
    pub permissions: Permissions,
    /// The scope at every source, in their order, of those who have credentials of their own.
    pub scopes: Option<Box<[CredentialScope]>>,
}

/// A request, and the scope of its caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResponseKey {
    pub viewer_scope: ViewerScope,
    /// It came in the address.
    pub by_address: bool,
    /// The request as it was written.
    pub written: Bytes,
}

/// When an answer was begun.
#[derive(Debug, Clone, Copy)]
pub struct ReadVersion {
    epoch: Epoch,
}

/// An answer that is kept.
struct CachedResponse<A> {
    answer: Arc<A>,
    /// The last write before it was begun.
    epoch: Epoch,
    sources: Vec<SourceName>,
    until: Instant,
    bytes: u32,
}

/// Process-wide: answers `A`, and what making one comes to, `M`.
pub struct ResponseCache<A, M: Clone> {
    asset_cache: Arc<AssetCache>,
    /// `None`: nothing is kept.
    kept: Option<Cache<ResponseKey, Arc<CachedResponse<A>>, RandomState>>,
    /// By the second they were begun in, too.
    in_flight: SingleFlight<(ResponseKey, Epoch, u64), M>,
    asked: Asked,
    since: Instant,
}

/// Questions that were asked lately, by their hashes: one in each place, the latest.
struct Asked {
    hasher: RandomState,
    places: Box<[AtomicU64]>,
}

impl Asked {
    fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            places: (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether it was asked before, as far as that is remembered; from now on it is.
    fn again(&self, question: &ResponseKey) -> bool {
        let hash = self.hasher.hash_one(question);
        let place = self.places.get(hash as usize % REMEMBERED);
        place.is_some_and(|place| place.swap(hash, Ordering::Relaxed) == hash)
    }
}

/// Ends each answer when the first thing in it ends.
struct OwnEnd;

impl<A> Expiry<ResponseKey, Arc<CachedResponse<A>>> for OwnEnd {
    fn expire_after_create(
        &self,
        _: &ResponseKey,
        kept: &Arc<CachedResponse<A>>,
        _: Clock,
    ) -> Option<Duration> {
        Some(kept.until.saturating_duration_since(Instant::now()))
    }

    fn expire_after_update(
        &self,
        question: &ResponseKey,
        kept: &Arc<CachedResponse<A>>,
        now: Clock,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(question, kept, now)
    }
}

impl<A, M> ResponseCache<A, M>
where
    A: Send + Sync + 'static,
    M: Clone + Send + Sync + 'static,
{
    /// Keeps answers of at most `capacity` bytes together, read through `asset_cache`; 0 keeps none.
    #[must_use]
    pub fn new(asset_cache: Arc<AssetCache>, capacity: u64) -> Self {
        let kept = (capacity > 0).then(|| {
            Cache::builder()
                .max_capacity(capacity)
                .weigher(|_: &ResponseKey, kept: &Arc<CachedResponse<A>>| kept.bytes)
                .expire_after(OwnEnd)
                .build_with_hasher(RandomState::new())
        });
        Self {
            asset_cache,
            kept,
            in_flight: SingleFlight::default(),
            asked: Asked::new(),
            since: Instant::now(),
        }
    }

    /// The answer, where it is still true: one look-up by hash, and one for each source that was read
    /// for it, whatever else is kept.
    #[must_use]
    pub fn get(&self, question: &ResponseKey) -> Option<Arc<A>> {
        let kept = self.kept.as_ref()?.get(question)?;
        let is_true = Instant::now() < kept.until
            && (self.asset_cache.epochs).are_unwritten(kept.epoch, &kept.sources);
        is_true.then(|| Arc::clone(&kept.answer))
    }

    /// Now: to be noted before an answer is begun.
    #[must_use]
    pub fn moment(&self) -> ReadVersion {
        ReadVersion {
            epoch: self.asset_cache.epochs.now(),
        }
    }

    /// Makes an answer, or waits for the one being made for an equal request since the last write;
    /// and whether it was made for this request.
    ///
    /// # Errors
    /// [`TaskFailed`] when it failed in the gateway itself: the panic is in the log.
    pub async fn shared<F>(
        &self,
        question: &ResponseKey,
        began: ReadVersion,
        make: impl FnOnce() -> F,
    ) -> (Result<M, TaskFailed>, bool)
    where
        F: Future<Output = M> + Send + 'static,
    {
        let second = self.since.elapsed().as_secs() / TOGETHER.as_secs();
        let key = (question.clone(), began.epoch, second);
        let mut in_flight = self.in_flight.join([key], |led| {
            // Boxed here, it is copied once, however large.
            let making = Box::pin(make());
            async move {
                let made = making.await;
                for (_, land) in led {
                    // No one may be waiting.
                    let _ = land.send(made.clone());
                }
            }
        });
        // One key, one waiter.
        let (waiter, is_own) = in_flight.swap_remove(0);
        (waiter.wait().await, is_own)
    }

    /// Keeps an answer of this size that was made of these sources, until then at the latest, if it
    /// was asked for before.
    pub fn keep(
        &self,
        question: ResponseKey,
        answer: Arc<A>,
        began: ReadVersion,
        sources: Vec<SourceName>,
        until: Instant,
        bytes: usize,
    ) {
        let Some(kept) = &self.kept else { return };
        if !self.asked.again(&question) {
            return;
        }
        let epoch = began.epoch;
        let is_new = self.asset_cache.epochs.are_unwritten(epoch, &sources)
            && (kept.get(&question)).is_none_or(|older| older.epoch <= epoch);
        if !is_new || until <= Instant::now() {
            return;
        }
        let bytes = bytes + question.written.len() + BASE;
        let value = CachedResponse {
            answer,
            epoch,
            sources,
            until,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        kept.insert(question, Arc::new(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CacheConfig;

    fn question(text: &'static str) -> ResponseKey {
        ResponseKey {
            viewer_scope: ViewerScope {
                permissions: Permissions::ALL,
                scopes: None,
            },
            by_address: false,
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
        answers.keep(question("a"), answer, began, vec![source.clone()], until, 1);
    }

    #[tokio::test]
    async fn what_is_asked_for_again_is_kept_until_one_of_its_sources_is_written() {
        let (asset_cache, answers) = answers();
        let name = |text: &str| SourceName::parse(text).expect("a name");
        let (own, other) = (name("own"), name("other"));
        let get = || answers.get(&question("a")).map(|own| *own);
        keep(&answers, 1, answers.moment(), &own);
        assert_eq!(get(), None, "asked for once");
        keep(&answers, 1, answers.moment(), &own);
        assert_eq!(get(), Some(1));
        drop(asset_cache.writing(&other, Vec::new()));
        assert_eq!(get(), Some(1), "it is of another source");
        let before = answers.moment();
        let writing = asset_cache.writing(&own, Vec::new());
        assert_eq!(get(), None, "a write is under way");
        keep(&answers, 2, answers.moment(), &own);
        assert_eq!(get(), None, "nothing is kept meanwhile");
        drop(writing);
        keep(&answers, 3, before, &own);
        assert_eq!(get(), None, "begun before the write");
        keep(&answers, 4, answers.moment(), &own);
        assert_eq!(get(), Some(4));
    }

    #[tokio::test]
    async fn an_older_answer_never_takes_a_newer_ones_place() {
        let (asset_cache, answers) = answers();
        let name = |text: &str| SourceName::parse(text).expect("a name");
        let (own, other) = (name("own"), name("other"));
        let before = answers.moment();
        drop(asset_cache.writing(&other, Vec::new()));
        for _ in 0..2 {
            keep(&answers, 2, answers.moment(), &own);
        }
        keep(&answers, 1, before, &own);
        assert_eq!(answers.get(&question("a")).as_deref(), Some(&2));
    }
}
