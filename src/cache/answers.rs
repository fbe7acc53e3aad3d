//! Whole answers, ready to send.
//!
//! - Kept under the request as it was written, which says document, operation and variables, and
//!   under the eyes that saw the answer: nobody gets what another was shown.
//! - An answer is true as long as everything inside it is: it ends with the first thing in it that
//!   does, and with the first write to a source that was read for it. A write that is under way
//!   ends it too.
//! - Those who ask the same at the same time get one answer, made once. Only between writes:
//!   whoever asks after one never gets what was begun before it, and while one is under way
//!   each asks alone.
//! - Bounded in bytes.

use std::{
    sync::Arc,
    time::{Duration, Instant as Clock},
};

use bytes::Bytes;
use moka::{Expiry, sync::Cache};
use tokio::time::Instant;

use super::{
    Shelf,
    epochs::Epoch,
    flights::{Flights, Lost},
};
use crate::{access::Permissions, asset::SourceName, source::Scope};

/// What an answer takes beside its own bytes and its request's, about.
const BASE: usize = 512;

/// Whose eyes see an answer: callers of the same eyes are shown the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Eyes {
    pub permissions: Permissions,
    /// The scope at every source, in their order, of those who have credentials of their own.
    pub scopes: Option<Box<[Scope]>>,
}

/// What is asked, and by whose eyes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    pub eyes: Eyes,
    /// It came in the address.
    pub by_address: bool,
    /// The request as it was written.
    pub written: Bytes,
}

/// When an answer was begun.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    epoch: Epoch,
    /// No write was under way.
    is_calm: bool,
}

/// An answer that is kept.
struct Kept<A> {
    answer: Arc<A>,
    /// The last write before it was begun.
    epoch: Epoch,
    sources: Vec<SourceName>,
    until: Instant,
    bytes: u32,
}

/// Process-wide: answers `A`, and what making one comes to, `M`.
pub struct Answers<A, M: Clone> {
    shelf: Arc<Shelf>,
    /// `None`: nothing is kept.
    kept: Option<Cache<Question, Arc<Kept<A>>>>,
    flights: Flights<(Question, Epoch), M>,
}

/// Ends each answer when the first thing in it ends.
struct OwnEnd;

impl<A> Expiry<Question, Arc<Kept<A>>> for OwnEnd {
    fn expire_after_create(&self, _: &Question, kept: &Arc<Kept<A>>, _: Clock) -> Option<Duration> {
        Some(kept.until.saturating_duration_since(Instant::now()))
    }

    fn expire_after_update(
        &self,
        question: &Question,
        kept: &Arc<Kept<A>>,
        now: Clock,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(question, kept, now)
    }
}

impl<A, M> Answers<A, M>
where
    A: Send + Sync + 'static,
    M: Clone + Send + Sync + 'static,
{
    /// Answers of so many bytes together, of what is read through `shelf`; 0: none are kept.
    #[must_use]
    pub fn new(shelf: Arc<Shelf>, capacity: u64) -> Self {
        let kept = (capacity > 0).then(|| {
            Cache::builder()
                .max_capacity(capacity)
                .weigher(|_: &Question, kept: &Arc<Kept<A>>| kept.bytes)
                .expire_after(OwnEnd)
                .build()
        });
        Self {
            shelf,
            kept,
            flights: Flights::default(),
        }
    }

    /// The answer, where it is still true.
    #[must_use]
    pub fn get(&self, question: &Question) -> Option<Arc<A>> {
        let kept = self.kept.as_ref()?.get(question)?;
        let is_true = Instant::now() < kept.until
            && (self.shelf.epochs).are_unwritten(kept.epoch, &kept.sources);
        is_true.then(|| Arc::clone(&kept.answer))
    }

    /// Now: to be noted before an answer is begun.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let (epoch, is_calm) = self.shelf.epochs.moment();
        Moment { epoch, is_calm }
    }

    /// Makes an answer, or waits for the one that is being made for whoever asked the same since
    /// the last write; and whether it was made for this one.
    ///
    /// # Errors
    /// [`Lost`] when it failed in the gateway itself: the panic is in the log.
    pub async fn shared<F>(
        &self,
        question: &Question,
        began: Moment,
        make: impl FnOnce() -> F,
    ) -> (Result<M, Lost>, bool)
    where
        F: Future<Output = M> + Send + 'static,
    {
        if !began.is_calm {
            return (Ok(make().await), true);
        }
        let key = (question.clone(), began.epoch);
        let mut flights = self.flights.board([key], |led| {
            let making = make();
            async move {
                let made = making.await;
                for (_, land) in led {
                    // Nobody may be waiting.
                    let _ = land.send(made.clone());
                }
            }
        });
        // One key, one flight.
        let (flight, is_own) = flights.swap_remove(0);
        (flight.landed().await, is_own)
    }

    /// Keeps an answer of so many bytes that was made of these sources, until then at the latest.
    pub fn keep(
        &self,
        question: Question,
        answer: Arc<A>,
        began: Moment,
        sources: Vec<SourceName>,
        until: Instant,
        bytes: usize,
    ) {
        let Some(kept) = &self.kept else { return };
        let epoch = began.epoch;
        let is_new = self.shelf.epochs.are_unwritten(epoch, &sources)
            && (kept.get(&question)).is_none_or(|older| older.epoch <= epoch);
        if !is_new || until <= Instant::now() {
            return;
        }
        let bytes = bytes + question.written.len() + BASE;
        let value = Kept {
            answer,
            epoch,
            sources,
            until,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        kept.insert(question, Arc::new(value));
    }
}
