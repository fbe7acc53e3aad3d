//! So many calls a second, for everybody in the process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Between two turns: three a second, and a little more for clocks that disagree.
const INTERVAL: Duration = Duration::from_millis(360);

/// Paces that are kept without a look at whether anybody needs them.
const MANY: usize = 1_024;

/// Turns, one after the other.
#[derive(Debug)]
pub struct Pace(Mutex<Instant>);

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Pace {
    /// Waits for a turn; false, and none is taken, when it would come after `deadline`.
    pub async fn turn(&self, deadline: Instant) -> bool {
        let own = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let own = (*next).max(Instant::now());
            if own >= deadline {
                return false;
            }
            *next = own + INTERVAL;
            own
        };
        sleep_until(own).await;
        true
    }

    /// Whether the next turn is still to come.
    fn is_busy(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) > Instant::now()
    }

    /// Nobody's turn comes before `wait` is over.
    pub fn hold_back(&self, wait: Duration) {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + wait);
    }
}

/// One pace for each credential at each address, however many sources use it.
#[derive(Debug, Clone, Default)]
pub struct Paces(Arc<Mutex<HashMap<blake3::Hash, Arc<Pace>>>>);

impl Paces {
    /// The pace of `credential` at `url`.
    #[must_use]
    pub fn of(&self, url: &str, credential: &str) -> Arc<Pace> {
        let key = blake3::hash(format!("{url}\n{credential}").as_bytes());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY {
            // Callers bring credentials of their own: those that nobody waits for are forgotten.
            all.retain(|_, pace| Arc::strong_count(pace) > 1 || pace.is_busy());
        }
        Arc::clone(all.entry(key).or_default())
    }
}
