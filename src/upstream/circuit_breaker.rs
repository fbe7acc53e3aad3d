//! Circuit breaker: after too many failures it lets one probe through at intervals, until one
//! succeeds.
//!
//! A failed list counts against the source. A failed read of an asset counts once, however often it
//! is repeated: the asset may be at fault. Failed file reads do not count, nor do writes that a
//! reachable server refuses. Calls that their caller cancels do not count: the reason may have
//! nothing to do with the source.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ahash::RandomState;
use tokio::{sync::watch, time::Instant};

use super::UpstreamError;

/// How long an outcome counts.
const WINDOW: Duration = Duration::from_secs(30);
/// Minimum number of calls in the window before a failure rate of one half counts.
const MIN_CALLS: usize = 8;
/// Failures that open the breaker if no call succeeded and they took `SLOW` in total. So a source
/// that hangs gets few calls.
const MIN_SLOW_FAILURES: usize = 3;
const SLOW: Duration = Duration::from_secs(20);
/// Maximum number of outcomes kept. A new one evicts the oldest, so failures of a busy source show
/// as soon as those of an idle one.
const MAX_OUTCOMES: usize = 40;
/// Wait before the next probe.
const PAUSE: Duration = Duration::from_secs(5);
/// Successful trials (asset reads or writes) that close the breaker without a list.
const TRIALS: u32 = 3;
/// Consecutive failures of one asset or file before calls for it are paused.
const ITEM_FAILURES: u32 = 3;
/// Maximum number of failing assets and files kept. The oldest failure is evicted first.
const MAX_ITEMS: usize = 1_024;

/// The target of a call. It decides what a failure counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The source: its lists, searches and batch reads.
    Source,
    /// One asset or another single resource, by the hash of its URL.
    Item(u64),
    /// One file's bytes, by the hash of its URL.
    File(u64),
    /// A write or an upload.
    Write,
}

impl Subject {
    /// Whether the result of a call counts for the source's health.
    const fn affects_health(self, is_unreachable: bool) -> bool {
        match self {
            Self::Source | Self::Item(_) => true,
            Self::Write => is_unreachable,
            Self::File(_) => false,
        }
    }
}

/// The recent health of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub status: Status,
    /// Calls in the last thirty seconds, at most 40. `failures` of them failed.
    pub calls: usize,
    pub failures: usize,
    /// The last failure. `None` while the source is up.
    pub last_error: Option<Failure>,
    /// Time until the next probe, while the breaker is open.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Up,
    /// Some recent calls failed.
    Degraded,
    /// The breaker is open: one probe at a time goes through.
    Down,
}

/// A failure that counts against the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The source responded with a 5xx status.
    #[error("it answered {status}")]
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// No complete response arrived.
    #[error("{0}")]
    Call(UpstreamError),
}

impl Failure {
    /// Whether no connection could be made, which affects every call.
    const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Call(UpstreamError::Connect { .. }))
    }
}

/// The circuit breaker of one source. Cheap to clone: clones share the state.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: Arc<Mutex<State>>,
    /// How often the breaker has opened.
    openings: watch::Sender<u64>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            openings: watch::Sender::new(0),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    outcomes: VecDeque<Outcome>,
    open: Option<Open>,
    last_error: Option<Failure>,
    items: HashMap<u64, ItemFailures, RandomState>,
}

/// The result of one call.
#[derive(Debug)]
struct Outcome {
    ended: Instant,
    took: Duration,
    has_failed: bool,
    /// The asset that the call read, if it read a single one.
    item: Option<u64>,
}

/// State of an open breaker.
#[derive(Debug)]
struct Open {
    /// When the next list may probe the source. `is_probing`: a probe is in progress.
    probe_at: Instant,
    is_probing: bool,
    /// The same for trials: asset reads and writes. They do not delay probes.
    trial_at: Instant,
    is_trying: bool,
    /// Number of trials that succeeded.
    trials: u32,
}

/// Consecutive failures of one asset or file.
#[derive(Debug)]
struct ItemFailures {
    times: u32,
    last: Instant,
}

/// The slot that a call holds while the breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeSlot {
    None,
    Probe,
    Trial,
}

/// Permission for one call. Dropping it without [`Permit::end`] records no outcome.
#[derive(Debug)]
pub struct Permit {
    breaker: Breaker,
    subject: Subject,
    began: Instant,
    place: ProbeSlot,
}

/// Notifies when the breaker opens.
pub struct Openings(watch::Receiver<u64>);

impl Openings {
    /// Waits until the breaker opens, at any time since this receiver was created.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // The breaker is gone, so it cannot open.
            std::future::pending::<()>().await;
        }
    }
}

impl Breaker {
    /// Grants permission for one call.
    ///
    /// # Errors
    /// - [`UpstreamError::CircuitOpen`], with the time to wait: the breaker is open.
    /// - [`UpstreamError::ItemCircuitOpen`], with the time to wait: the item keeps failing.
    pub fn pass(&self, subject: Subject) -> Result<Permit, UpstreamError> {
        let now = Instant::now();
        let mut state = self.state();
        if let Subject::Item(item) | Subject::File(item) = subject {
            state.check_item(item, now)?;
        }
        let slot = match &mut state.open {
            None => ProbeSlot::None,
            Some(open) => open.place(subject, now)?,
        };
        Ok(Permit {
            breaker: self.clone(),
            subject,
            began: now,
            place: slot,
        })
    }

    /// Returns the time until the next probe while the breaker is open, else `None`.
    #[must_use]
    pub fn time_to_probe(&self) -> Option<Duration> {
        let now = Instant::now();
        let state = self.state();
        let open = state.open.as_ref()?;
        let wait = open.probe_at.saturating_duration_since(now);
        Some(if wait.is_zero() { PAUSE } else { wait })
    }

    /// Subscribes to openings from now on.
    #[must_use]
    pub fn openings(&self) -> Openings {
        Openings(self.openings.subscribe())
    }

    pub fn health(&self) -> Health {
        let now = Instant::now();
        let mut state = self.state();
        state.drop_expired(now);
        let calls = state.outcomes.len();
        let failures = state.failures();
        let status = match state.open {
            Some(_) => Status::Down,
            None if failures > 0 => Status::Degraded,
            None => Status::Up,
        };
        Health {
            status,
            calls,
            failures,
            last_error: state.last_error.clone().filter(|_| status != Status::Up),
            retry_after: (state.open.as_ref())
                .map(|open| open.probe_at.saturating_duration_since(now)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, permit: &Permit, failure: Option<Failure>) {
        let now = Instant::now();
        let mut state = self.state();
        if let Subject::Item(item) | Subject::File(item) = permit.subject {
            state.record_item(item, failure.is_some(), now);
        }
        let Some(failure) = failure else {
            if permit.subject.affects_health(false) {
                state.record_outcome(permit, false, now);
            }
            state.succeeded(permit.place, now);
            return;
        };
        if permit.place == ProbeSlot::Trial && !failure.is_unreachable() {
            if let Some(open) = &mut state.open {
                open.trial_at = now + PAUSE;
            }
            return;
        }
        if !permit.subject.affects_health(failure.is_unreachable()) {
            return;
        }
        state.record_outcome(permit, true, now);
        let reason = failure.to_string();
        state.last_error = Some(failure);
        let is_new = state.open.is_none() && state.is_failing();
        if is_new || permit.place != ProbeSlot::None {
            tracing::warn!(
                reason,
                "circuit open: the source gets one call every {} seconds until one succeeds",
                PAUSE.as_secs()
            );
            state.open = Some(Open {
                probe_at: now + PAUSE,
                is_probing: false,
                trial_at: now + PAUSE,
                is_trying: false,
                trials: 0,
            });
            drop(state);
            self.openings.send_modify(|openings| *openings += 1);
        }
    }
}

impl Open {
    fn place(&mut self, subject: Subject, now: Instant) -> Result<ProbeSlot, UpstreamError> {
        let due = match subject {
            Subject::Source => self.probe_at,
            Subject::Item(_) | Subject::File(_) | Subject::Write => self.trial_at,
        };
        if now < due {
            return Err(UpstreamError::CircuitOpen { wait: due - now });
        }
        let (is_taken, slot) = match subject {
            Subject::Source => (&mut self.is_probing, ProbeSlot::Probe),
            Subject::Item(_) | Subject::Write => (&mut self.is_trying, ProbeSlot::Trial),
            // A file read is no probe: it may fail for its own reasons or take long.
            Subject::File(_) => return Ok(ProbeSlot::None),
        };
        if std::mem::replace(is_taken, true) {
            return Err(UpstreamError::CircuitOpen { wait: PAUSE });
        }
        Ok(slot)
    }
}

impl State {
    /// Handles a success. A probe closes the breaker. A trial allows a probe at once, and
    /// [`TRIALS`] trials also close the breaker.
    fn succeeded(&mut self, slot: ProbeSlot, now: Instant) {
        let Some(open) = &mut self.open else { return };
        match slot {
            ProbeSlot::None => return,
            ProbeSlot::Probe => self.outcomes.clear(),
            ProbeSlot::Trial => {
                open.probe_at = open.probe_at.min(now);
                open.trials += 1;
                if open.trials < TRIALS {
                    return;
                }
            }
        }
        tracing::info!("the source answers again");
        self.open = None;
    }

    fn record_outcome(&mut self, permit: &Permit, has_failed: bool, now: Instant) {
        self.drop_expired(now);
        let item = match permit.subject {
            Subject::Item(item) => Some(item),
            _ => None,
        };
        // Each asset counts once, by its last outcome.
        if item.is_some() {
            self.outcomes.retain(|outcome| outcome.item != item);
        }
        if self.outcomes.len() >= MAX_OUTCOMES {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(Outcome {
            ended: now,
            took: now.duration_since(permit.began),
            has_failed,
            item,
        });
    }

    fn is_failing(&self) -> bool {
        let (calls, failures) = (self.outcomes.len(), self.failures());
        let took: Duration = self.outcomes.iter().map(|outcome| outcome.took).sum();
        let hangs = failures >= MIN_SLOW_FAILURES && failures == calls && took >= SLOW;
        hangs || (calls >= MIN_CALLS && failures * 2 >= calls)
    }

    fn drop_expired(&mut self, now: Instant) {
        while let Some(oldest) = self.outcomes.front()
            && now.duration_since(oldest.ended) > WINDOW
        {
            self.outcomes.pop_front();
        }
    }

    fn failures(&self) -> usize {
        self.outcomes.iter().filter(|call| call.has_failed).count()
    }

    fn check_item(&self, item: u64, now: Instant) -> Result<(), UpstreamError> {
        let Some(failing) = self.items.get(&item) else {
            return Ok(());
        };
        let until = failing.last + PAUSE;
        if failing.times >= ITEM_FAILURES && now < until {
            return Err(UpstreamError::ItemCircuitOpen { wait: until - now });
        }
        Ok(())
    }

    fn record_item(&mut self, item: u64, has_failed: bool, now: Instant) {
        if !has_failed {
            self.items.remove(&item);
            return;
        }
        if self.items.len() >= MAX_ITEMS && !self.items.contains_key(&item) {
            self.items
                .retain(|_, record| now.duration_since(record.last) <= WINDOW);
            let oldest = self.items.iter().min_by_key(|(_, record)| record.last);
            if let Some(oldest) = oldest.map(|(item, _)| *item)
                && self.items.len() >= MAX_ITEMS
            {
                self.items.remove(&oldest);
            }
        }
        let failing = self.items.entry(item).or_insert(ItemFailures {
            times: 0,
            last: now,
        });
        // Failures further apart than the window are not consecutive.
        if now.duration_since(failing.last) > WINDOW {
            failing.times = 0;
        }
        failing.times += 1;
        failing.last = now;
    }
}

impl Permit {
    /// Records the end of the call. `failure` is set if it counts against the source.
    pub fn end(self, failure: Option<Failure>) {
        self.breaker.end(&self, failure);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.place == ProbeSlot::None {
            return;
        }
        if let Some(open) = &mut self.breaker.state().open {
            match self.place {
                ProbeSlot::Probe => open.is_probing = false,
                ProbeSlot::Trial => open.is_trying = false,
                ProbeSlot::None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16) -> Failure {
        Failure::Status {
            status,
            retry_after: None,
        }
    }

    fn fail(breaker: &Breaker, subject: Subject) -> bool {
        let pass = breaker.pass(subject);
        let passed = pass.is_ok();
        if let Ok(pass) = pass {
            pass.end(Some(failure(500)));
        }
        passed
    }

    fn status(breaker: &Breaker) -> Status {
        breaker.health().status
    }

    #[tokio::test(start_paused = true)]
    async fn failures_open_it_and_one_success_closes_it() {
        let breaker = Breaker::default();
        assert_eq!(status(&breaker), Status::Up);
        for _ in 0..MIN_CALLS {
            assert!(fail(&breaker, Subject::Source));
        }
        assert_eq!(status(&breaker), Status::Down);
        assert!(breaker.pass(Subject::Source).is_err());
        tokio::time::advance(PAUSE).await;
        let probe = breaker.pass(Subject::Source).expect("one probe");
        assert!(breaker.pass(Subject::Source).is_err(), "and no other");
        probe.end(Some(failure(503)));
        assert!(breaker.pass(Subject::Source).is_err());
        tokio::time::advance(PAUSE).await;
        breaker
            .pass(Subject::Source)
            .expect("the next probe")
            .end(None);
        assert_eq!(status(&breaker), Status::Up);
        assert!(breaker.pass(Subject::Source).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_says_nothing_however_long_it_took() {
        let breaker = Breaker::default();
        for _ in 0..MAX_OUTCOMES {
            let pass = breaker.pass(Subject::Source).expect("closed");
            tokio::time::advance(PAUSE).await;
            drop(pass);
        }
        assert_eq!(breaker.health(), Health::default());
        while fail(&breaker, Subject::Source) {}
        tokio::time::advance(PAUSE).await;
        drop(breaker.pass(Subject::Source).expect("a probe"));
        assert!(breaker.pass(Subject::Source).is_ok(), "another");
    }

    #[tokio::test(start_paused = true)]
    async fn few_failures_among_many_calls_only_degrade() {
        let breaker = Breaker::default();
        for number in 0..30 {
            let failure = (number % 3 == 0).then(|| failure(502));
            breaker.pass(Subject::Source).expect("closed").end(failure);
        }
        let health = breaker.health();
        assert_eq!(
            (health.status, health.calls, health.failures),
            (Status::Degraded, 30, 10)
        );
        tokio::time::advance(WINDOW * 2).await;
        assert_eq!(status(&breaker), Status::Up);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_is_noticed_by_few_calls() {
        let breaker = Breaker::default();
        for _ in 0..MIN_SLOW_FAILURES {
            assert_eq!(breaker.time_to_probe(), None);
            let pass = breaker.pass(Subject::Source).expect("closed");
            tokio::time::advance(Duration::from_secs(10)).await;
            pass.end(Some(Failure::Call(UpstreamError::Timeout)));
        }
        assert_eq!(status(&breaker), Status::Down);
    }

    #[tokio::test(start_paused = true)]
    async fn one_file_or_asset_is_left_alone_by_itself() {
        for subject in [Subject::File as fn(u64) -> Subject, Subject::Item] {
            let breaker = Breaker::default();
            for _ in 0..ITEM_FAILURES {
                assert!(fail(&breaker, subject(7)));
            }
            assert!(!fail(&breaker, subject(7)), "it failed too often");
            assert!(breaker.pass(subject(8)).is_ok(), "another");
            tokio::time::advance(PAUSE).await;
            assert!(fail(&breaker, subject(7)), "once more");
            assert!(!fail(&breaker, subject(7)));
            assert!(breaker.pass(Subject::Source).is_ok());
            assert!(breaker.health().failures <= 1, "an asset counts once");
            for other in 10..10 + 2 * MAX_ITEMS as u64 {
                breaker.state().record_item(other, true, Instant::now());
            }
            assert_eq!(breaker.state().items.len(), MAX_ITEMS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn writes_that_a_busy_server_refuses_open_nothing_and_hold_up_no_probe() {
        let breaker = Breaker::default();
        for _ in 0..MAX_OUTCOMES {
            assert!(fail(&breaker, Subject::Write));
        }
        assert_eq!(breaker.health(), Health::default());
        while fail(&breaker, Subject::Source) {}
        assert!(breaker.pass(Subject::Write).is_err());
        tokio::time::advance(PAUSE).await;
        let trial = breaker.pass(Subject::Write).expect("a trial");
        assert!(breaker.pass(Subject::Write).is_err(), "one at a time");
        let probe = breaker.pass(Subject::Source).expect("a probe beside it");
        trial.end(Some(failure(500)));
        assert!(breaker.pass(Subject::Write).is_err(), "after a while");
        drop(probe);
        assert!(breaker.pass(Subject::Source).is_ok(), "at once");
        // Several successful trials close the breaker without a list. One failed list reopens it.
        tokio::time::advance(PAUSE).await;
        for _ in 0..TRIALS {
            assert_eq!(status(&breaker), Status::Down);
            breaker.pass(Subject::Item(7)).expect("a trial").end(None);
        }
        assert_eq!(status(&breaker), Status::Degraded);
        assert!(fail(&breaker, Subject::Source));
        assert_eq!(status(&breaker), Status::Down);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_callers_learn_that_it_opens() {
        let breaker = Breaker::default();
        let mut openings = breaker.openings();
        let opened = tokio::spawn(async move { openings.next().await });
        while fail(&breaker, Subject::Source) {}
        opened.await.expect("notified");
        assert_eq!(breaker.time_to_probe(), Some(PAUSE));
    }
}
