//! Single flight: equal concurrent reads are one read, and all wait for its result. A read runs
//! while it has a waiter, and is aborted when it has none.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use ahash::RandomState;
use futures_util::{FutureExt, future::Shared};
use tokio::{sync::oneshot, task::AbortHandle};
use tracing::Instrument;

type Table<K, V> = Arc<Mutex<HashMap<K, Weak<Waiter<K, V>>, RandomState>>>;

/// The table of reads in progress. Cheap to clone.
#[derive(Debug)]
pub struct SingleFlight<K: Eq + Hash, V: Clone>(Table<K, V>);

impl<K: Eq + Hash, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A waiter for a read; dropping it ends the wait.
#[derive(Debug)]
pub struct Waiter<K: Eq + Hash, V: Clone> {
    key: K,
    result: Shared<oneshot::Receiver<V>>,
    /// Shared by all waiters of one task.
    _task_guard: Arc<AbortOnDrop>,
    table: Table<K, V>,
}

/// Aborts the reading task when none of its keys has a waiter.
#[derive(Debug, Default)]
struct AbortOnDrop(Mutex<Option<AbortHandle>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.0).take() {
            task.abort();
        }
    }
}

/// The keys that one task reads, each with the sender of its result.
pub type KeysToRead<K, V> = Vec<(K, oneshot::Sender<V>)>;

/// The reading task failed because of a fault in the gateway; the log has the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskFailed;

impl<K, V> SingleFlight<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Waits for each of `keys`. `read` reads the keys that are not in progress, all in one task.
    /// Returns for each key its waiter, and whether `read` reads it.
    pub fn join<F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        read: impl FnOnce(KeysToRead<K, V>) -> F,
    ) -> Vec<(Arc<Waiter<K, V>>, bool)>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task_guard = Arc::new(AbortOnDrop::default());
        let (mut waiters, mut to_read) = (Vec::new(), Vec::new());
        {
            let mut table = lock(&self.0);
            for key in keys {
                if let Some(waiter) = table.get(&key).and_then(Weak::upgrade) {
                    waiters.push((waiter, false));
                    continue;
                }
                let (complete, result) = oneshot::channel();
                let waiter = Arc::new(Waiter {
                    key: key.clone(),
                    result: result.shared(),
                    _task_guard: Arc::clone(&task_guard),
                    table: Arc::clone(&self.0),
                });
                table.insert(key.clone(), Arc::downgrade(&waiter));
                to_read.push((key, complete));
                waiters.push((waiter, true));
            }
        }
        if !to_read.is_empty() {
            // Boxed once, because spawning moves a future a dozen times.
            let task = tokio::spawn(Box::pin(read(to_read)).in_current_span());
            *lock(&task_guard.0) = Some(task.abort_handle());
        }
        waiters
    }

    /// Whether a read of this key is in progress.
    pub fn is_pending(&self, key: &K) -> bool {
        lock(&self.0)
            .get(key)
            .is_some_and(|waiter| waiter.strong_count() > 0)
    }
}

impl<K, V> Waiter<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The result of the read.
    ///
    /// # Errors
    /// [`TaskFailed`] when the reading task failed; the log has its panic.
    pub async fn wait(&self) -> Result<V, TaskFailed> {
        self.result.clone().await.map_err(|_| TaskFailed)
    }

    /// Lets the read go on although this caller stops waiting: the next request may join it.
    pub fn detach(self: Arc<Self>) {
        tokio::spawn(async move {
            let _ = self.wait().await;
        });
    }
}

impl<K: Eq + Hash, V: Clone> Drop for Waiter<K, V> {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        // A newer waiter may have replaced this one.
        if table
            .get(&self.key)
            .is_some_and(|waiter| waiter.strong_count() == 0)
        {
            table.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Single inserts and removals: a panic elsewhere cannot leave the table inconsistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    type Numbers = SingleFlight<&'static str, u8>;

    #[tokio::test]
    async fn the_second_waits_for_the_first_even_when_it_leaves() {
        let waiters = Numbers::default();
        let (go, mut gone) = mpsc::channel::<u8>(1);
        let first = waiters.join(["a"], |to_read| async move {
            let number = gone.recv().await.unwrap_or(0);
            for (_, complete) in to_read {
                complete.send(number).expect("a waiter is left");
            }
        });
        let second = waiters.join(["a"], |_| async { panic!("it is read already") });
        assert_eq!((first[0].1, second[0].1), (true, false));
        drop(first);
        go.send(7).await.expect("it is still read");
        assert_eq!(second[0].0.wait().await, Ok(7));
        drop(second);
        assert!(!waiters.is_pending(&"a"), "landed: free again");
    }

    #[tokio::test]
    async fn a_read_without_waiters_is_aborted() {
        let waiters = Numbers::default();
        let (alive, mut over) = mpsc::channel::<()>(1);
        let read = waiters.join(["a", "b"], |to_read| async move {
            let _alive = alive;
            std::future::pending::<()>().await;
            drop(to_read);
        });
        let mut read = read.into_iter();
        let (a, b) = (read.next(), read.next());
        drop(a);
        assert!(!waiters.is_pending(&"a") && waiters.is_pending(&"b"));
        assert!(over.try_recv().is_err(), "the other key has a waiter");
        drop(b);
        assert_eq!(over.recv().await, None, "the task is gone");
    }

    #[tokio::test]
    async fn a_lost_read_strands_no_waiter() {
        let waiters = Numbers::default();
        let read = waiters.join(["a"], |to_read| async { drop(to_read) });
        assert_eq!(read[0].0.wait().await, Err(TaskFailed));
    }
}
