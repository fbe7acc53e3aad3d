//! Pacing: a process-wide limit on calls per second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Time between two turns: three per second, plus a margin for clock differences.
const INTERVAL: Duration = Duration::from_millis(360);

/// Number of paces above which unused ones are removed.
const PRUNE_ABOVE: usize = 1_024;

/// Grants turns, one after the other.
#[derive(Debug)]
pub struct Pace(Mutex<Turns>);

#[derive(Debug)]
struct Turns {
    /// When the next turn is free.
    next: Instant,
    /// No turn starts before this time.
    held_until: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Turns {
            next: now,
            held_until: now,
        }))
    }
}

impl Pace {
    /// Waits for a turn. Returns false if the turn would come after `deadline`. If
    /// [`Pace::hold_back`] delays the turn meanwhile, waits again.
    pub async fn turn(&self, deadline: Instant) -> bool {
        loop {
            let start = {
                let mut turns = self.turns();
                let start = turns.next.max(turns.held_until).max(Instant::now());
                if start >= deadline {
                    return false;
                }
                turns.next = start + INTERVAL;
                start
            };
            sleep_until(start).await;
            if self.turns().held_until <= Instant::now() {
                return true;
            }
        }
    }

    /// Whether the next turn is in the future.
    fn is_busy(&self) -> bool {
        let turns = self.turns();
        turns.next.max(turns.held_until) > Instant::now()
    }

    /// Delays all calls until `wait` is over.
    pub fn hold_back(&self, wait: Duration) {
        let mut turns = self.turns();
        turns.held_until = turns.held_until.max(Instant::now() + wait);
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        // The times only grow, so a panic elsewhere cannot leave them inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One pace per URL and credential, shared by all sources that use them.
#[derive(Debug, Clone, Default)]
pub struct Paces(Arc<Mutex<HashMap<blake3::Hash, Arc<Pace>>>>);

impl Paces {
    /// Returns the pace of `credential` at `url`.
    #[must_use]
    pub fn of(&self, url: &str, credential: &str) -> Arc<Pace> {
        let key = blake3::hash(format!("{url}\n{credential}").as_bytes());
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= PRUNE_ABOVE {
            // Callers bring their own credentials: remove those without waiting calls.
            paces.retain(|_, pace| Arc::strong_count(pace) > 1 || pace.is_busy());
        }
        Arc::clone(paces.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_held_back_meanwhile_comes_later() {
        let pace = Arc::new(Pace::default());
        let began = Instant::now();
        let far = began + Duration::from_secs(60);
        assert!(pace.turn(far).await);
        let waiting = Arc::clone(&pace);
        let second = tokio::spawn(async move {
            assert!(waiting.turn(far).await);
            Instant::now()
        });
        tokio::task::yield_now().await;
        pace.hold_back(Duration::from_secs(5));
        let second = second.await.expect("a turn");
        assert!(second >= began + Duration::from_secs(5));
        assert!(pace.turn(far).await);
        assert!(Instant::now() >= second + INTERVAL);
        pace.hold_back(Duration::from_secs(90));
        assert!(!pace.turn(far).await, "too late");
    }
}
