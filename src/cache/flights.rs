//! Reads under way: who asks for the same thing meanwhile waits for the same answer.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, future::Shared};
use tokio::sync::oneshot;

/// Waits for somebody else's read.
pub type Landing<V> = Shared<oneshot::Receiver<V>>;

/// The table of reads under way.
#[derive(Debug)]
pub struct Flights<K, V>(Arc<Mutex<HashMap<K, Landing<V>>>>);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A read that is the holder's to make. Dropped without landing (a panic, a cancelled task), its
/// key is free again and its waiters hear that nothing came.
pub struct Flight<K: Eq + Hash, V: Clone> {
    key: K,
    land: Option<oneshot::Sender<V>>,
    table: Arc<Mutex<HashMap<K, Landing<V>>>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    /// Splits `keys` into those to read and those already being read. A key given twice is led
    /// once and waited for once.
    pub fn claim(&self, keys: Vec<K>) -> (Vec<Flight<K, V>>, Vec<(K, Landing<V>)>) {
        let mut table = lock(&self.0);
        let (mut led, mut joined) = (Vec::new(), Vec::new());
        for key in keys {
            if let Some(landing) = table.get(&key) {
                joined.push((key, landing.clone()));
                continue;
            }
            let (land, landing) = oneshot::channel();
            table.insert(key.clone(), landing.shared());
            led.push(Flight {
                key,
                land: Some(land),
                table: Arc::clone(&self.0),
            });
        }
        (led, joined)
    }
}

impl<K: Eq + Hash, V: Clone> Flight<K, V> {
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Gives the answer to everybody who waits.
    pub fn land(mut self, value: V) {
        if let Some(land) = self.land.take() {
            // Nobody may be waiting.
            let _ = land.send(value);
        }
    }
}

impl<K: Eq + Hash, V: Clone> Drop for Flight<K, V> {
    fn drop(&mut self) {
        lock(&self.table).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Single inserts and removals: a panic elsewhere cannot leave the table half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_for_the_first() {
        let flights = Flights::default();
        let (mut led, _) = flights.claim(vec!["a"]);
        let (none, joined) = flights.claim(vec!["a"]);
        assert!(none.is_empty());
        led.remove(0).land(7);
        for (_, landing) in joined {
            assert_eq!(landing.await, Ok(7));
        }
        assert_eq!(flights.claim(vec!["a"]).0.len(), 1, "landed: free again");
    }

    #[tokio::test]
    async fn a_lost_read_strands_nobody() {
        let flights = Flights::<_, u8>::default();
        let (led, _) = flights.claim(vec!["a"]);
        let (_, joined) = flights.claim(vec!["a"]);
        drop(led);
        for (_, landing) in joined {
            assert!(landing.await.is_err());
        }
        assert_eq!(flights.claim(vec!["a"]).0.len(), 1);
    }
}
