//! Spares a source that fails: after too many failures it is asked by one call at a time, now and
//! then, until one succeeds.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::UpstreamError;

/// How far back failures count.
const WINDOW: Duration = Duration::from_secs(30);
/// Calls within the window before their failures say anything.
const LEAST: usize = 8;
/// Outcomes remembered; more within the window push the oldest out, so that a busy source that
/// fails is noticed as soon as an idle one.
const MOST: usize = 40;
/// How long a source is left alone before the next probe.
const PAUSE: Duration = Duration::from_secs(5);
/// A call that was given up after so long says that the source is slow.
const SLOW: Duration = Duration::from_secs(2);

/// How a source has done lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub status: Status,
    /// Calls within the last thirty seconds, 40 at most, and those that failed.
    pub calls: usize,
    pub failures: usize,
    /// The last failure's reason, where the source is not up.
    pub reason: Option<String>,
    /// When it is asked again, where it is down.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Up,
    /// Some calls fail.
    Degraded,
    /// It is asked by one call at a time, now and then.
    Down,
}

/// One source's breaker. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Breaker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When each call ended, and whether it failed.
    outcomes: VecDeque<(Instant, bool)>,
    /// Open until then; one probe at a time after.
    open_until: Option<Instant>,
    is_probing: bool,
    reason: Option<String>,
}

/// Leave to make one call. Dropped without a word, the call was given up.
#[derive(Debug)]
pub struct Pass {
    breaker: Breaker,
    began: Instant,
    is_probe: bool,
    is_told: bool,
}

impl Breaker {
    /// Leave to call the source.
    ///
    /// # Errors
    /// [`UpstreamError::Spared`], with how long to wait.
    pub fn pass(&self) -> Result<Pass, UpstreamError> {
        let now = Instant::now();
        let mut state = self.state();
        let is_probe = match state.open_until {
            None => false,
            Some(until) if now < until => {
                let wait = until - now;
                return Err(UpstreamError::Spared { wait });
            }
            Some(_) if state.is_probing => {
                return Err(UpstreamError::Spared { wait: PAUSE });
            }
            Some(_) => {
                state.is_probing = true;
                true
            }
        };
        Ok(Pass {
            breaker: self.clone(),
            began: now,
            is_probe,
            is_told: false,
        })
    }

    /// Somebody waited as long as they would: a source that hangs is noticed though few calls are
    /// made to it.
    pub fn gave_up(&self) {
        if self.state().open_until.is_none() {
            self.end(false, Some("no answer in time".to_owned()));
        }
    }

    pub fn health(&self) -> Health {
        let now = Instant::now();
        let mut state = self.state();
        state.forget(now);
        let calls = state.outcomes.len();
        let failures = state.failures();
        let status = match state.open_until {
            Some(_) => Status::Down,
            None if failures > 0 => Status::Degraded,
            None => Status::Up,
        };
        Health {
            status,
            calls,
            failures,
            reason: state.reason.clone().filter(|_| status != Status::Up),
            retry_after: state
                .open_until
                .map(|until| until.saturating_duration_since(now)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, is_probe: bool, failure: Option<String>) {
        let now = Instant::now();
        let mut state = self.state();
        state.forget(now);
        if state.outcomes.len() >= MOST {
            state.outcomes.pop_front();
        }
        state.outcomes.push_back((now, failure.is_some()));
        if is_probe {
            state.is_probing = false;
        }
        let Some(reason) = failure else {
            if is_probe {
                tracing::info!("the source answers again");
                state.open_until = None;
                state.outcomes.clear();
            }
            return;
        };
        state.reason = Some(reason);
        let calls = state.outcomes.len();
        let is_failing = calls >= LEAST && state.failures() * 2 >= calls;
        if is_probe || (is_failing && state.open_until.is_none()) {
            let reason = state.reason.as_deref().unwrap_or_default();
            tracing::warn!(
                reason,
                "the source is asked by one call every {} seconds until one succeeds",
                PAUSE.as_secs()
            );
            state.open_until = Some(now + PAUSE);
        }
    }
}

impl State {
    fn forget(&mut self, now: Instant) {
        while let Some((ended, _)) = self.outcomes.front()
            && now.duration_since(*ended) > WINDOW
        {
            self.outcomes.pop_front();
        }
    }

    fn failures(&self) -> usize {
        self.outcomes.iter().filter(|(_, failed)| *failed).count()
    }
}

impl Pass {
    /// The call ended; `failure`: the source is to blame, and how.
    pub fn end(mut self, failure: Option<String>) {
        self.is_told = true;
        self.breaker.end(self.is_probe, failure);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        if self.began.elapsed() >= SLOW {
            let reason = "no answer in time".to_owned();
            self.breaker.end(self.is_probe, Some(reason));
        } else if self.is_probe {
            self.breaker.state().is_probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker) -> bool {
        let pass = breaker.pass();
        let passed = pass.is_ok();
        if let Ok(pass) = pass {
            pass.end(Some("it answered 500".to_owned()));
        }
        passed
    }

    #[tokio::test(start_paused = true)]
    async fn failures_open_it_and_one_success_closes_it() {
        let breaker = Breaker::default();
        assert_eq!(breaker.health().status, Status::Up);
        for _ in 0..LEAST {
            assert!(fail(&breaker));
        }
        assert_eq!(breaker.health().status, Status::Down);
        assert!(breaker.pass().is_err());
        tokio::time::advance(PAUSE).await;
        let probe = breaker.pass().expect("one probe");
        assert!(breaker.pass().is_err(), "and no other");
        probe.end(Some("still".to_owned()));
        assert!(breaker.pass().is_err());
        tokio::time::advance(PAUSE).await;
        breaker.pass().expect("the next probe").end(None);
        assert_eq!(breaker.health().status, Status::Up);
        assert!(breaker.pass().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_makes_room_for_another() {
        let breaker = Breaker::default();
        while fail(&breaker) {}
        tokio::time::advance(PAUSE).await;
        drop(breaker.pass().expect("a probe"));
        let probe = breaker.pass().expect("another");
        tokio::time::advance(SLOW).await;
        drop(probe);
        assert!(
            breaker.pass().is_err(),
            "given up late, it counts as a failure"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn few_failures_among_many_calls_only_degrade() {
        let breaker = Breaker::default();
        for number in 0..30 {
            let failure = (number % 3 == 0).then(|| "now and then".to_owned());
            breaker.pass().expect("closed").end(failure);
        }
        let health = breaker.health();
        assert_eq!(
            (health.status, health.calls, health.failures),
            (Status::Degraded, 30, 10)
        );
        tokio::time::advance(WINDOW * 2).await;
        assert_eq!(breaker.health().status, Status::Up);
    }
}
