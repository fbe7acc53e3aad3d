//! What came of a write, kept by the key its caller gave: asked again, it is told again, not done
//! again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use moka::{future::Cache, policy::EvictionPolicy};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long an outcome is kept.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// Bytes that all of them take at most; the least recently asked for go first.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// An entry without its outcome.
const BASE: u32 = 512;

/// Outcomes by key, of this process alone. Cheap to clone.
pub struct Outcomes<T>(Cache<String, Arc<Entry<T>>>);

impl<T> Clone for Outcomes<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Entry<T> {
    /// What the write was asked to do.
    arguments: [u8; 32],
    weight: AtomicU32,
    state: watch::Sender<State<T>>,
}

enum State<T> {
    UnderWay,
    Done(Arc<T>),
    /// By a fault of our own: nobody knows what was done.
    BrokenOff,
}

/// What a key means now.
pub enum Turn<T> {
    /// Nobody did this yet: do it, and tell the ticket.
    First(Ticket<T>),
    /// It is done, or under way.
    Again(Told<T>),
    /// The key belongs to a write with other arguments.
    Conflict,
}

/// Whoever does a write. Dropped without an outcome, the key stays taken: nobody knows what was
/// done.
pub struct Ticket<T> {
    outcomes: Outcomes<T>,
    key: String,
    entry: Arc<Entry<T>>,
}

/// A write that somebody else does, or did.
pub struct Told<T>(Arc<Entry<T>>);

impl<T: Send + Sync + 'static> Default for Outcomes<T> {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|key: &String, entry: &Arc<Entry<T>>| {
                let key = u32::try_from(key.len()).unwrap_or(u32::MAX);
                key.saturating_add(entry.weight.load(Ordering::Relaxed))
            })
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(LIFE)
            .build();
        Self(cache)
    }
}

impl<T: Send + Sync + 'static> Outcomes<T> {
    /// Whose turn it is under `key`.
    pub async fn turn(&self, key: &str, arguments: [u8; 32]) -> Turn<T> {
        let fresh = Arc::new(Entry {
            arguments,
            weight: AtomicU32::new(BASE),
            state: watch::Sender::new(State::UnderWay),
        });
        let found = self.0.entry_by_ref(key).or_insert(fresh).await;
        let is_fresh = found.is_fresh();
        let entry = found.into_value();
        if is_fresh {
            Turn::First(Ticket {
                outcomes: self.clone(),
                key: key.to_owned(),
                entry,
            })
        } else if entry.arguments == arguments {
            Turn::Again(Told(entry))
        } else {
            Turn::Conflict
        }
    }
}

impl<T: Send + Sync + 'static> Ticket<T> {
    /// Tells those who wait, and whoever asks again within [`LIFE`]. `bytes`: about what it takes
    /// in memory.
    pub async fn keep(self, outcome: Arc<T>, bytes: usize) {
        let weight = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .saturating_add(BASE);
        self.entry.weight.store(weight, Ordering::Relaxed);
        self.entry.state.send_replace(State::Done(outcome));
        // Weighed anew, unless another has the key by now.
        if self.is_own().await {
            let entry = Arc::clone(&self.entry);
            self.outcomes.0.insert(self.key.clone(), entry).await;
        }
    }

    /// Tells those who wait; the key is free again, as nothing was done.
    pub async fn release(self, outcome: Arc<T>) {
        self.entry.state.send_replace(State::Done(outcome));
        if self.is_own().await {
            self.outcomes.0.invalidate(&self.key).await;
        }
    }

    async fn is_own(&self) -> bool {
        let current = self.outcomes.0.get(&self.key).await;
        current.is_none_or(|current| Arc::ptr_eq(&current, &self.entry))
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        self.entry.state.send_if_modified(|state| {
            let broke_off = matches!(state, State::UnderWay);
            if broke_off {
                *state = State::BrokenOff;
            }
            broke_off
        });
    }
}

impl<T: Send + Sync + 'static> Told<T> {
    /// The outcome, waited for until `deadline`; `None` where nobody knows it by then.
    pub async fn outcome(&self, deadline: Instant) -> Option<Arc<T>> {
        let mut state = self.0.state.subscribe();
        let is_over = |state: &State<T>| !matches!(state, State::UnderWay);
        match &*timeout_at(deadline, state.wait_for(is_over))
            .await
            .ok()?
            .ok()?
        {
            State::Done(outcome) => Some(Arc::clone(outcome)),
            State::UnderWay | State::BrokenOff => None,
        }
    }

    /// Whether it is still being done.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(&*self.0.state.borrow(), State::UnderWay)
    }

    /// Another outcome than the first: what was pending is done.
    pub fn amend(&self, outcome: Arc<T>) {
        self.0.state.send_replace(State::Done(outcome));
    }
}
