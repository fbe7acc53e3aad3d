//! Slots for long work, such as sending a file. Each client has a fixed number, so that one client
//! cannot block the others.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ahash::RandomState;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// The number of entries from which those without held slots are removed.
const MANY: usize = 1_024;

/// Slots by key, such as a client. Cheap to clone.
#[derive(Debug)]
pub struct SlotsByClient<K> {
    most: usize,
    semaphores: Arc<Mutex<HashMap<K, Weak<Semaphore>, RandomState>>>,
}

impl<K> Clone for SlotsByClient<K> {
    fn clone(&self) -> Self {
        Self {
            most: self.most,
            semaphores: Arc::clone(&self.semaphores),
        }
    }
}

/// A held slot. Dropping it frees the slot.
#[derive(Debug)]
pub struct ClientSlot {
    _permit: OwnedSemaphorePermit,
    /// Keeps the client's semaphore alive, and with it the count of its held slots.
    _semaphore: Arc<Semaphore>,
}

impl<K: Eq + Hash> SlotsByClient<K> {
    /// Makes `most` slots for each key.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            semaphores: Arc::default(),
        }
    }

    /// Waits for a slot of `key`. `None`: none was free before `deadline`.
    pub async fn place(&self, key: K, deadline: Instant) -> Option<ClientSlot> {
        let semaphore = self.of(key);
        let waiting = Arc::clone(&semaphore).acquire_owned();
        let permit = timeout_at(deadline, waiting).await.ok()?.ok()?;
        Some(ClientSlot {
            _permit: permit,
            _semaphore: semaphore,
        })
    }

    fn of(&self, key: K) -> Arc<Semaphore> {
        // Only single insertions: a panic elsewhere cannot leave the table half-changed.
        let mut semaphores = self
            .semaphores
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = semaphores.get(&key).and_then(Weak::upgrade) {
            return semaphore;
        }
        if semaphores.len() >= MANY {
            semaphores.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.most));
        semaphores.insert(key, Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_client_has_a_slot_limit() {
        let places = SlotsByClient::new(2);
        let soon = || Instant::now() + Duration::from_secs(1);
        let first = places.place("anna", soon()).await;
        let second = places.place("anna", soon()).await;
        assert!(first.is_some() && second.is_some());
        assert!(places.place("anna", soon()).await.is_none(), "a third");
        assert!(places.place("ben", soon()).await.is_some());
        drop(first);
        assert!(places.place("anna", soon()).await.is_some(), "again");
    }
}
