//! Idempotency keys: the first request with a key runs the write, and repeats with the same key and
//! arguments get its recorded outcome.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long an outcome is kept.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// The maximum bytes of all outcomes together, and of one caller's outcomes. The least recently
/// used ones are evicted first.
const CAPACITY: usize = 32 * 1024 * 1024;
const CALLER_CAPACITY: usize = CAPACITY / 4;
/// The size of an entry without its outcome, in bytes.
const ENTRY_OVERHEAD: usize = 512;

/// Outcomes by idempotency key, of this process only. Cheap to clone.
///
/// Pending calls are never evicted. A caller's outcomes are evicted for another caller only if that
/// caller has fewer.
pub struct IdempotencyStore<T>(Arc<Mutex<Table<T>>>);

impl<T> Clone for IdempotencyStore<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for IdempotencyStore<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Table {
            entries: HashMap::new(),
            callers: HashMap::new(),
            bytes: 0,
            uses: 0,
        })))
    }
}

struct Table<T> {
    entries: HashMap<String, Slot<T>>,
    callers: HashMap<Arc<str>, CallerUsage>,
    bytes: usize,
    /// Counts uses, to order outcomes by their last use.
    uses: u64,
}

struct Slot<T> {
    entry: Arc<Entry<T>>,
    caller: Arc<str>,
    /// Set when it is done: its size in bytes, the number of its last use, and its expiry.
    done: Option<(usize, u64, Instant)>,
}

/// One caller's finished outcomes.
#[derive(Default)]
struct CallerUsage {
    bytes: usize,
    /// Keys by their last use.
    keys: BTreeMap<u64, String>,
}

struct Entry<T> {
    /// A hash of the write's arguments.
    arguments: [u8; 32],
    state: watch::Sender<State<T>>,
}

enum State<T> {
    Pending,
    Done(Arc<T>),
    /// The gateway failed during the write, so its outcome is unknown.
    Aborted,
}

/// The result of claiming a key.
pub enum Claim<T> {
    /// The first request: run the write and give its outcome to the guard.
    First(ClaimGuard<T>),
    /// The write is done or in progress.
    Again(RecordedOutcome<T>),
    /// The key belongs to a write with other arguments.
    Conflict,
}

/// The right to run a write. If it is dropped without an outcome, the key stays taken, because the
/// outcome is unknown.
pub struct ClaimGuard<T> {
    outcomes: IdempotencyStore<T>,
    key: String,
    entry: Arc<Entry<T>>,
}

/// A write that another request runs or has run.
pub struct RecordedOutcome<T>(Arc<Entry<T>>);

impl<T> Table<T> {
    /// Removes a key.
    fn remove(&mut self, key: &str) {
        let Some(slot) = self.entries.remove(key) else {
            return;
        };
        if let Some((bytes, used, _)) = slot.done {
            self.bytes -= bytes;
            if let Some(caller) = self.callers.get_mut(&slot.caller) {
                caller.bytes -= bytes;
                caller.keys.remove(&used);
                if caller.keys.is_empty() {
                    self.callers.remove(&slot.caller);
                }
            }
        }
    }

    /// Records a key's size and expiry, and marks it as the most recently used.
    fn record_use(&mut self, key: &str, bytes: usize, until: Instant) {
        self.uses += 1;
        let uses = self.uses;
        let Some(slot) = self.entries.get_mut(key) else {
            return;
        };
        let caller = self.callers.entry(Arc::clone(&slot.caller)).or_default();
        if let Some((before, used, _)) = slot.done.replace((bytes, uses, until)) {
            self.bytes -= before;
            caller.bytes -= before;
            caller.keys.remove(&used);
        }
        self.bytes += bytes;
        caller.bytes += bytes;
        caller.keys.insert(uses, key.to_owned());
    }

    /// Evicts outcomes until the limits hold: of a caller over its limit, then of the largest one.
    fn evict_excess(&mut self, caller: &Arc<str>) {
        loop {
            let usage = self.callers.get(caller).map_or(0, |usage| usage.bytes);
            let from = if usage > CALLER_CAPACITY {
                Some(caller)
            } else if self.bytes > CAPACITY {
                let callers = self.callers.iter();
                callers
                    .max_by_key(|(_, usage)| usage.bytes)
                    .map(|(name, _)| name)
            } else {
                None
            };
            let oldest = from.and_then(|from| self.callers.get(from)?.keys.values().next());
            let Some(oldest) = oldest.cloned() else {
                return;
            };
            self.remove(&oldest);
        }
    }
}

impl<T: Send + Sync + 'static> IdempotencyStore<T> {
    /// Claims `key` for `caller`, or finds its earlier claim.
    #[must_use]
    pub fn claim(&self, caller: &Arc<str>, key: &str, arguments: [u8; 32]) -> Claim<T> {
        let mut table = self.table();
        let existing = table.entries.get(key);
        let existing = existing.map(|slot| (Arc::clone(&slot.entry), slot.done));
        match existing {
            Some((_, Some((_, _, until)))) if until <= Instant::now() => table.remove(key),
            Some((entry, _)) if entry.arguments != arguments => return Claim::Conflict,
            Some((entry, done)) => {
                if let Some((bytes, _, until)) = done {
                    table.record_use(key, bytes, until);
                }
                return Claim::Again(RecordedOutcome(entry));
            }
            None => {}
        }
        let entry = Arc::new(Entry {
            arguments,
            state: watch::Sender::new(State::Pending),
        });
        let slot = Slot {
            entry: Arc::clone(&entry),
            caller: Arc::clone(caller),
            done: None,
        };
        table.entries.insert(key.to_owned(), slot);
        Claim::First(ClaimGuard {
            outcomes: self.clone(),
            key: key.to_owned(),
            entry,
        })
    }
}

impl<T> IdempotencyStore<T> {
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        // Counts and keys change together, and nothing between the changes can fail.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> ClaimGuard<T> {
    /// Records the outcome for waiting requests, and for repeats within [`LIFE`]. `bytes` is its
    /// approximate size in memory.
    pub fn keep(self, outcome: Arc<T>, bytes: usize) {
        self.entry.state.send_replace(State::Done(outcome));
        self.make_evictable(bytes);
    }

    /// Gives the outcome to waiting requests and frees the key, because nothing was done.
    pub fn release(self, outcome: Arc<T>) {
        self.entry.state.send_replace(State::Done(outcome));
        self.outcomes.table().remove(&self.key);
    }

    /// Makes the outcome evictable.
    fn make_evictable(&self, bytes: usize) {
        let mut table = self.outcomes.table();
        let bytes = bytes
            .saturating_add(ENTRY_OVERHEAD)
            .saturating_add(self.key.len());
        table.record_use(&self.key, bytes, Instant::now() + LIFE);
        let caller = table.entries.get(&self.key);
        if let Some(caller) = caller.map(|slot| Arc::clone(&slot.caller)) {
            table.evict_excess(&caller);
        }
    }
}

impl<T> Drop for ClaimGuard<T> {
    fn drop(&mut self) {
        let was_pending = self.entry.state.send_if_modified(|state| {
            let was_pending = matches!(state, State::Pending);
            if was_pending {
                *state = State::Aborted;
            }
            was_pending
        });
        if was_pending {
            self.make_evictable(0);
        }
    }
}

impl<T: Send + Sync + 'static> RecordedOutcome<T> {
    /// Waits for the outcome until `deadline`; `None` if it is not known by then.
    pub async fn outcome(&self, deadline: Instant) -> Option<Arc<T>> {
        let mut state = self.0.state.subscribe();
        let is_over = |state: &State<T>| !matches!(state, State::Pending);
        match &*timeout_at(deadline, state.wait_for(is_over))
            .await
            .ok()?
            .ok()?
        {
            State::Done(outcome) => Some(Arc::clone(outcome)),
            State::Pending | State::Aborted => None,
        }
    }

    /// Whether the write is still in progress.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(&*self.0.state.borrow(), State::Pending)
    }

    /// Replaces the first outcome, because its pending part is done.
    pub fn amend(&self, outcome: Arc<T>) {
        self.0.state.send_replace(State::Done(outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(outcomes: &IdempotencyStore<u8>, caller: &str, key: &str) -> ClaimGuard<u8> {
        match outcomes.claim(&caller.into(), key, [0; 32]) {
            Claim::First(ticket) => ticket,
            _ => panic!("{key} is known"),
        }
    }

    async fn outcome_of(outcomes: &IdempotencyStore<u8>, caller: &str, key: &str) -> Option<u8> {
        match outcomes.claim(&caller.into(), key, [0; 32]) {
            Claim::Again(recorded) => recorded
                .outcome(Instant::now())
                .await
                .map(|outcome| *outcome),
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_is_told_again_for_a_day() {
        let outcomes = IdempotencyStore::default();
        let ticket = first(&outcomes, "anna", "a");
        let other = outcomes.claim(&"anna".into(), "a", [1; 32]);
        assert!(matches!(other, Claim::Conflict));
        ticket.keep(Arc::new(7), 1);
        assert_eq!(outcome_of(&outcomes, "anna", "a").await, Some(7));
        first(&outcomes, "anna", "b").release(Arc::new(8));
        drop(first(&outcomes, "anna", "b"));
        assert_eq!(
            outcome_of(&outcomes, "anna", "b").await,
            None,
            "it broke off"
        );
        let again = outcomes.claim(&"anna".into(), "b", [0; 32]);
        assert!(matches!(again, Claim::Again(_)), "its key stays taken");
        tokio::time::advance(LIFE).await;
        drop(first(&outcomes, "anna", "a"));
    }

    #[tokio::test]
    async fn one_caller_pushes_out_neither_what_is_under_way_nor_anothers() {
        let outcomes = IdempotencyStore::default();
        let under_way = first(&outcomes, "anna", "under way");
        first(&outcomes, "ben", "b").keep(Arc::new(1), 1);
        for number in 0..100 {
            let large = CALLER_CAPACITY / 10;
            first(&outcomes, "anna", &format!("a{number}")).keep(Arc::new(2), large);
        }
        let again = outcomes.claim(&"anna".into(), "under way", [0; 32]);
        assert!(matches!(again, Claim::Again(_)));
        under_way.keep(Arc::new(3), 1);
        assert_eq!(outcome_of(&outcomes, "anna", "under way").await, Some(3));
        assert_eq!(outcome_of(&outcomes, "anna", "a99").await, Some(2));
        assert_eq!(outcome_of(&outcomes, "ben", "b").await, Some(1));
        // Among many large callers, the largest is evicted first.
        for caller in 0..8 {
            let large = CALLER_CAPACITY / 2;
            first(&outcomes, &format!("c{caller}"), &format!("c{caller}")).keep(Arc::new(4), large);
        }
        assert_eq!(outcome_of(&outcomes, "ben", "b").await, Some(1));
        let table = outcomes.table();
        assert!(table.bytes <= CAPACITY);
        let sum: usize = table.callers.values().map(|usage| usage.bytes).sum();
        assert_eq!(sum, table.bytes);
        drop(table);
        drop(first(&outcomes, "anna", "a0"));
    }
}
