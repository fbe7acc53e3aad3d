//! What a call to a source may know of the operation that causes it, and what the operation learns
//! from it.

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

/// How long a call may take that several operations wait for, each within its own time.
const SHARED_CALL: Duration = Duration::from_secs(10);

/// Left of an operation's time for telling what came of a write.
const MARGIN: Duration = Duration::from_secs(5);

/// What a call to a source may know of the operation that causes it.
#[derive(Debug)]
pub struct RequestContext {
    /// When the operation began.
    began: Instant,
    /// The time it has: from its beginning, or from the last [`RequestContext::renew`].
    time: Duration,
    /// Milliseconds from its beginning to the last renewal.
    renewed: AtomicU64,
    /// Upstream calls the operation may still cause.
    calls_left: AtomicU32,
    /// Milliseconds from its beginning until something that it read may have changed.
    true_for: AtomicU64,
    /// It read something that is older than it should be, or not whole.
    doubtful: AtomicBool,
    /// Its answer tells of its own making.
    is_unshareable: AtomicBool,
    /// A credential took part in what it read.
    private: AtomicBool,
    /// What it read of.
    sources: Mutex<Vec<SourceName>>,
}

/// How long an operation's answer stays true, for caches between the gateway and its clients.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// `None`: nothing was read that changes by itself.
    pub until: Option<Instant>,
    /// For the caller that asked, and no other.
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
            true_for: AtomicU64::new(u64::MAX),
            doubtful: AtomicBool::new(false),
            is_unshareable: AtomicBool::new(false),
            private: AtomicBool::new(false),
            sources: Mutex::default(),
        }
    }

    /// When the operation's answer must be ready.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.began + Duration::from_millis(self.renewed.load(Ordering::Relaxed)) + self.time
    }

    /// After this nothing new is begun: what was begun must be told.
    #[must_use]
    pub fn last_start(&self) -> Instant {
        self.deadline() - MARGIN.min(self.time / 4)
    }

    /// Bytes of an upload have come: the operation's time begins anew (`design.md` §7).
    pub fn renew(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.renewed.fetch_max(passed, Ordering::Relaxed);
    }

    /// For a call whose answer others may be waiting for too: with time enough for each of them.
    #[must_use]
    pub fn shared(&self) -> Self {
        let left = self.deadline().saturating_duration_since(Instant::now());
        Self::new(left.max(SHARED_CALL), 0)
    }

    /// Takes `calls` from what the operation may cause.
    ///
    /// # Errors
    /// [`SourceError::Exhausted`] when less is left; nothing is taken then.
    pub fn spend(&self, calls: u32) -> Result<(), SourceError> {
        self.calls_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(calls)
            })
            .map(|_| ())
            .map_err(|_| SourceError::Exhausted)
    }

    /// What was read of a source counts as true until then.
    pub fn true_until(&self, end: Instant) {
        let end = end.saturating_duration_since(self.began).as_millis();
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        self.true_for.fetch_min(end, Ordering::Relaxed);
    }

    /// Something of the answer is older than it should be, not whole, or true for a moment only.
    pub fn mark_uncacheable(&self) {
        self.doubtful.store(true, Ordering::Relaxed);
    }

    /// The answer says what this operation caused: it fits no other.
    pub fn mark_unshareable(&self) {
        self.is_unshareable.store(true, Ordering::Relaxed);
        self.mark_uncacheable();
    }

    /// Whether the answer is for this caller alone, at any time.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.is_unshareable.load(Ordering::Relaxed)
    }

    /// A source of this profile is read.
    pub fn reads(&self, profile: &SourceInfo) {
        if profile.authenticated {
            self.private.store(true, Ordering::Relaxed);
        }
        let mut sources = self.sources();
        if !sources.contains(&profile.name) {
            sources.push(profile.name.clone());
        }
    }

    /// The sources that were read so far.
    #[must_use]
    pub fn read(&self) -> Vec<SourceName> {
        self.sources().clone()
    }

    fn sources(&self) -> std::sync::MutexGuard<'_, Vec<SourceName>> {
        // Names are only added.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the answer stays true, by now; `None`: it must not be kept.
    #[must_use]
    pub fn lifetime(&self) -> Option<Lifetime> {
        if self.doubtful.load(Ordering::Relaxed) {
            return None;
        }
        let end = self.true_for.load(Ordering::Relaxed);
        Some(Lifetime {
            until: (end != u64::MAX).then(|| self.began + Duration::from_millis(end)),
            private: self.private.load(Ordering::Relaxed),
        })
    }
}
