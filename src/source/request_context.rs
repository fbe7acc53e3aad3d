//! The state of an operation that its source calls share: deadline, call budget and the freshness
//! of its response.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{error::SourceError, info::SourceInfo};
use crate::asset::SourceName;

/// Minimum time of a shared call, for which several operations wait, each within its own time.
const SHARED_CALL: Duration = Duration::from_secs(10);

/// Time reserved at the end of an operation to report the outcome of a write.
const MARGIN: Duration = Duration::from_secs(5);

/// The state of an operation that its source calls share.
#[derive(Debug)]
pub struct RequestContext {
    /// When the operation began.
    began: Instant,
    /// Its time limit: from its beginning, or from the last [`RequestContext::renew`].
    time: Duration,
    /// Milliseconds from its beginning to the last renewal.
    renewed: AtomicU64,
    /// Upstream calls the operation may still cause.
    calls_left: AtomicU32,
    /// Milliseconds from its beginning until data that it read may be stale.
    fresh_for_ms: AtomicU64,
    /// The operation read stale or incomplete data.
    uncacheable: AtomicBool,
    /// The response describes this operation itself.
    is_unshareable: AtomicBool,
    /// The operation read a source with a credential.
    private: AtomicBool,
    /// The sources read so far.
    sources: Mutex<Vec<SourceName>>,
}

/// How long an operation's response stays fresh, for caches between the gateway and its clients.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// `None` if the operation read nothing that changes by itself.
    pub until: Option<Instant>,
    /// The response is for its caller only.
    pub private: bool,
}

impl RequestContext {
    #[must_use]
    pub fn new(time: Duration, calls: u32) -> Self {
        Self {
            began: Instant::now(),
            time,
            renewed: AtomicU64::new(0),
            calls_left: AtomicU32::new(calls),
            fresh_for_ms: AtomicU64::new(u64::MAX),
            uncacheable: AtomicBool::new(false),
            is_unshareable: AtomicBool::new(false),
            private: AtomicBool::new(false),
            sources: Mutex::default(),
        }
    }

    /// Returns when the operation's response must be ready.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.began + Duration::from_millis(self.renewed.load(Ordering::Relaxed)) + self.time
    }

    /// Returns the last moment to start a call; the time after it is for reporting outcomes.
    #[must_use]
    pub fn last_start(&self) -> Instant {
        self.deadline() - MARGIN.min(self.time / 4)
    }

    /// Restarts the operation's time limit, as upload bytes have arrived.
    pub fn renew(&self) {
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.renewed.fetch_max(milliseconds, Ordering::Relaxed);
    }

    /// Returns a context for a shared call, with enough time for every operation that may wait.
    #[must_use]
    pub fn shared(&self) -> Self {
        let left = self.deadline().saturating_duration_since(Instant::now());
        Self::new(left.max(SHARED_CALL), 0)
    }

    /// Takes `calls` from the operation's budget of upstream calls.
    ///
    /// # Errors
    /// [`SourceError::Exhausted`]: fewer calls are left; then none is taken.
    pub fn spend(&self, calls: u32) -> Result<(), SourceError> {
        self.calls_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(calls)
            })
            .map(|_| ())
            .map_err(|_| SourceError::Exhausted)
    }

    /// Records that data which the operation read is fresh until `end`.
    pub fn limit_freshness(&self, end: Instant) {
        let end = end.saturating_duration_since(self.began).as_millis();
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        self.fresh_for_ms.fetch_min(end, Ordering::Relaxed);
    }

    /// Records that the response is stale, incomplete, or true for a moment only.
    pub fn mark_uncacheable(&self) {
        self.uncacheable.store(true, Ordering::Relaxed);
    }

    /// Records that the response describes this operation, so no other operation may share it.
    pub fn mark_unshareable(&self) {
        self.is_unshareable.store(true, Ordering::Relaxed);
        self.mark_uncacheable();
    }

    /// Whether no other operation may ever share the response.
    #[must_use]
    pub fn is_unshareable(&self) -> bool {
        self.is_unshareable.load(Ordering::Relaxed)
    }

    /// Records that the operation reads this source.
    pub fn record_source(&self, profile: &SourceInfo) {
        if profile.authenticated {
            self.private.store(true, Ordering::Relaxed);
        }
        let mut sources = self.sources();
        if !sources.contains(&profile.name) {
            sources.push(profile.name.clone());
        }
    }

    /// Returns the sources read so far.
    #[must_use]
    pub fn sources_read(&self) -> Vec<SourceName> {
        self.sources().clone()
    }

    fn sources(&self) -> std::sync::MutexGuard<'_, Vec<SourceName>> {
        // Names are only added, so a panic cannot leave them half-changed.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how long the response stays fresh, as of now; `None` if it must not be cached.
    #[must_use]
    pub fn lifetime(&self) -> Option<Lifetime> {
        if self.uncacheable.load(Ordering::Relaxed) {
            return None;
        }
        let end = self.fresh_for_ms.load(Ordering::Relaxed);
        Some(Lifetime {
            until: (end != u64::MAX).then(|| self.began + Duration::from_millis(end)),
            private: self.private.load(Ordering::Relaxed),
        })
    }
}
