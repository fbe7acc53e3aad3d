//! A resource that requests share, such as memory: the bytes taken, in total and by each client.
//! One client gets at most half, so that the others get some.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ahash::RandomState;

use super::Client;

/// A shared number of bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: u64,
    by_client: HashMap<Client, u64, RandomState>,
}

/// The budget has too few bytes left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// The bytes that would be taken.
    pub value: u64,
    /// The limit that they exceed: for one client, or in total.
    pub maximum: u64,
}

/// The bytes that one request has taken. Dropping it frees them.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    client: Client,
    bytes: Mutex<u64>,
}

impl Budget {
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self(Arc::new(Shared {
            most,
            taken: Mutex::default(),
        }))
    }

    /// An empty share for a client.
    #[must_use]
    pub fn share(&self, client: &Client) -> Share {
        Share {
            budget: self.clone(),
            client: client.clone(),
            bytes: Mutex::new(0),
        }
    }

    /// The bytes taken in total.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.state().total
    }

    fn state(&self) -> MutexGuard<'_, Taken> {
        // Plain numbers: a panic elsewhere cannot leave them half-changed.
        (self.0.taken.lock()).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// [`Exceeded`]: a limit, the client's or the total, would be exceeded. Nothing is taken.
    pub fn take(&self, bytes: u64) -> Result<(), Exceeded> {
        let most = self.budget.0.most;
        let mut taken = self.budget.state();
        let client_bytes = taken.by_client.get(&self.client).copied();
        let client_bytes = client_bytes.unwrap_or(0).saturating_add(bytes);
        let total = taken.total.saturating_add(bytes);
        for (value, maximum) in [(client_bytes, most / 2), (total, most)] {
            if value > maximum {
                return Err(Exceeded { value, maximum });
            }
        }
        taken.total = total;
        taken.by_client.insert(self.client.clone(), client_bytes);
        *self.reserved() += bytes;
        Ok(())
    }

    fn reserved(&self) -> MutexGuard<'_, u64> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let bytes = *self.reserved();
        if bytes == 0 {
            return;
        }
        let mut taken = self.budget.state();
        taken.total = taken.total.saturating_sub(bytes);
        if let Some(client_bytes) = taken.by_client.get_mut(&self.client) {
            *client_bytes = client_bytes.saturating_sub(bytes);
            if *client_bytes == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_gets_half_and_all_get_the_whole() {
        let budget = Budget::new(100);
        let client = |name: &str| Client::Known(name.into());
        let (anna, again) = (budget.share(&client("anna")), budget.share(&client("anna")));
        assert_eq!(anna.take(30), Ok(()));
        assert_eq!(again.take(20), Ok(()));
        let too_much = Err(Exceeded {
            value: 51,
            maximum: 50,
        });
        assert_eq!(anna.take(1), too_much);
        let (ben, carl) = (budget.share(&client("ben")), budget.share(&client("carl")));
        assert_eq!(ben.take(40), Ok(()));
        let full = Err(Exceeded {
            value: 101,
            maximum: 100,
        });
        assert_eq!(carl.take(11), full);
        assert_eq!(carl.take(10), Ok(()));
        drop(again);
        assert_eq!(anna.take(20), Ok(()));
        drop((anna, ben, carl));
        assert_eq!(budget.taken(), 0);
        assert!(budget.state().by_client.is_empty());
    }
}
