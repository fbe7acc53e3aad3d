//! Spares a source that fails: after too many failures it is asked by one call at a time, now and
//! then, until one succeeds.
//!
//! A failure counts for what it says of the source. A list that fails says that the source fails; an
//! asset that cannot be read says so of itself, and counts once however often it is asked for. A
//! file, and a write to a busy server, say nothing of the lists. A call that its caller gives up
//! says nothing at all: callers leave for reasons of their own.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ahash::RandomState;
use tokio::{sync::watch, time::Instant};

use super::UpstreamError;

/// How far back failures count.
const WINDOW: Duration = Duration::from_secs(30);
/// Calls within the window before the half of them that failed says anything.
const LEAST: usize = 8;
/// Fewer failures are enough where no call succeeded, and together they took so long: a source that
/// hangs gets few calls.
const LEAST_SLOW: usize = 3;
const SLOW: Duration = Duration::from_secs(20);
/// Outcomes remembered; more within the window push the oldest out, so that a busy source that
/// fails is noticed as soon as an idle one.
const MOST: usize = 40;
/// How long a source is left alone before the next probe.
const PAUSE: Duration = Duration::from_secs(5);
/// Assets that are read, or changes that are made, before a source counts as up without a list.
const TRIALS: u32 = 3;
/// Failures of one asset or file, one after another, before it is left alone by itself.
const ITEM_FAILURES: u32 = 3;
/// Assets and files whose failures are remembered; the ones that failed longest ago go first.
const MOST_ITEMS: usize = 1_024;

/// What a call asks for, and so what its failure is evidence of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The source: its lists, searches and batch reads.
    Source,
    /// One asset, or another single thing of the source's, named by its address.
    Item(u64),
    /// One file's bytes, named by its address.
    File(u64),
    /// A change, or a file that is sent.
    Write,
}

impl Subject {
    /// Whether the end of a call to it tells anything of the source.
    const fn counts(self, is_unreachable: bool) -> bool {
        match self {
            Self::Source | Self::Item(_) => true,
            Self::Write => is_unreachable,
            Self::File(_) => false,
        }
    }
}

/// How a source has done lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub status: Status,
    /// Calls within the last thirty seconds, 40 at most, and those that failed.
    pub calls: usize,
    pub failures: usize,
    /// The last failure; none while the source is up.
    pub last_error: Option<Failure>,
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

/// Why a call failed, as far as that is the source's doing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It answered with a 5xx.
    #[error("it answered {status}")]
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// No complete answer came.
    #[error("{0}")]
    Call(UpstreamError),
}

impl Failure {
    /// No connection could be made: true of every call.
    const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Call(UpstreamError::Connect { .. }))
    }
}

/// One source's breaker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: Arc<Mutex<State>>,
    /// How often it has opened.
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
    items: HashMap<u64, Failing, RandomState>,
}

/// How a call ended.
#[derive(Debug)]
struct Outcome {
    ended: Instant,
    took: Duration,
    has_failed: bool,
    /// The asset or file that it asked for, if it is about one.
    item: Option<u64>,
}

/// The source is down.
#[derive(Debug)]
struct Open {
    /// When the next probe may ask for a list; and whether one does.
    probe_at: Instant,
    is_probing: bool,
    /// The same for calls that say less of the source. They hold up no probe.
    trial_at: Instant,
    is_trying: bool,
    /// Of those, how many have succeeded.
    trials: u32,
}

/// One asset or file that fails.
#[derive(Debug)]
struct Failing {
    times: u32,
    last: Instant,
}

/// The place that a call holds while the source is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeSlot {
    None,
    Probe,
    Trial,
}

/// Leave to make one call. Dropped without a word, the call was given up, which says nothing.
#[derive(Debug)]
pub struct Permit {
    breaker: Breaker,
    subject: Subject,
    began: Instant,
    place: ProbeSlot,
}

/// Tells when the breaker opens.
pub struct Openings(watch::Receiver<u64>);

impl Openings {
    /// Waits until the breaker opens, counted from when this was made.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // No breaker is left that could open.
            std::future::pending::<()>().await;
        }
    }
}

impl Breaker {
    /// Leave to call the source.
    ///
    /// # Errors
    /// [`UpstreamError::CircuitOpen`], with how long to wait, where the source is down;
    /// [`UpstreamError::ItemCircuitOpen`] where the asset or file keeps failing by itself.
    pub fn pass(&self, subject: Subject) -> Result<Permit, UpstreamError> {
        let now = Instant::now();
        let mut state = self.state();
        if let Subject::Item(item) | Subject::File(item) = subject {
            state.check_item(item, now)?;
        }
        let place = match &mut state.open {
            None => ProbeSlot::None,
            Some(open) => open.place(subject, now)?,
        };
        Ok(Permit {
            breaker: self.clone(),
            subject,
            began: now,
            place,
        })
    }

    /// Whether the source is down, and when it is asked again.
    #[must_use]
    pub fn spares(&self) -> Option<Duration> {
        let now = Instant::now();
        let state = self.state();
        let open = state.open.as_ref()?;
        let wait = open.probe_at.saturating_duration_since(now);
        Some(if wait.is_zero() { PAUSE } else { wait })
    }

    /// Openings from now on.
    #[must_use]
    pub fn openings(&self) -> Openings {
        Openings(self.openings.subscribe())
    }

    pub fn health(&self) -> Health {
        let now = Instant::now();
        let mut state = self.state();
        state.forget(now);
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

    fn end(&self, pass: &Permit, failure: Option<Failure>) {
        let now = Instant::now();
        let mut state = self.state();
        if let Subject::Item(item) | Subject::File(item) = pass.subject {
            state.note_item(item, failure.is_some(), now);
        }
        let Some(failure) = failure else {
            if pass.subject.counts(false) {
                state.note(pass, false, now);
            }
            state.succeeded(pass.place, now);
            return;
        };
        if pass.place == ProbeSlot::Trial && !failure.is_unreachable() {
            if let Some(open) = &mut state.open {
                open.trial_at = now + PAUSE;
            }
            return;
        }
        if !pass.subject.counts(failure.is_unreachable()) {
            return;
        }
        state.note(pass, true, now);
        let reason = failure.to_string();
        state.last_error = Some(failure);
        let is_new = state.open.is_none() && state.is_failing();
        if is_new || pass.place != ProbeSlot::None {
            tracing::warn!(
                reason,
                "the source is asked by one call every {} seconds until one succeeds",
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
        let at = match subject {
            Subject::Source => self.probe_at,
            Subject::Item(_) | Subject::File(_) | Subject::Write => self.trial_at,
        };
        if now < at {
            return Err(UpstreamError::CircuitOpen { wait: at - now });
        }
        let (is_taken, place) = match subject {
            Subject::Source => (&mut self.is_probing, ProbeSlot::Probe),
            Subject::Item(_) | Subject::Write => (&mut self.is_trying, ProbeSlot::Trial),
            // A file is no probe: it may fail by itself, or take long.
            Subject::File(_) => return Ok(ProbeSlot::None),
        };
        if std::mem::replace(is_taken, true) {
            return Err(UpstreamError::CircuitOpen { wait: PAUSE });
        }
        Ok(place)
    }
}

impl State {
    /// A list that comes says that the source answers; an asset or a change says that lists may be
    /// tried, and several successes close the breaker where no list is asked for.
    fn succeeded(&mut self, place: ProbeSlot, now: Instant) {
        let Some(open) = &mut self.open else { return };
        match place {
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

    fn note(&mut self, pass: &Permit, has_failed: bool, now: Instant) {
        self.forget(now);
        let item = match pass.subject {
            Subject::Item(item) => Some(item),
            _ => None,
        };
        // One asset counts once, by how it did last.
        if item.is_some() {
            self.outcomes.retain(|own| own.item != item);
        }
        if self.outcomes.len() >= MOST {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(Outcome {
            ended: now,
            took: now.duration_since(pass.began),
            has_failed,
            item,
        });
    }

    fn is_failing(&self) -> bool {
        let (calls, failures) = (self.outcomes.len(), self.failures());
        let took: Duration = self.outcomes.iter().map(|own| own.took).sum();
        let hangs = failures >= LEAST_SLOW && failures == calls && took >= SLOW;
        hangs || (calls >= LEAST && failures * 2 >= calls)
    }

    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.outcomes.front()
            && now.duration_since(oldest.ended) > WINDOW
        {
            self.outcomes.pop_front();
        }
    }

    fn failures(&self) -> usize {
        self.outcomes.iter().filter(|own| own.has_failed).count()
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

    fn note_item(&mut self, item: u64, has_failed: bool, now: Instant) {
        if !has_failed {
            self.items.remove(&item);
            return;
        }
        if self.items.len() >= MOST_ITEMS && !self.items.contains_key(&item) {
            self.items
                .retain(|_, own| now.duration_since(own.last) <= WINDOW);
            let oldest = self.items.iter().min_by_key(|(_, own)| own.last);
            if let Some(oldest) = oldest.map(|(item, _)| *item)
                && self.items.len() >= MOST_ITEMS
            {
                self.items.remove(&oldest);
            }
        }
        let failing = self.items.entry(item).or_insert(Failing {
            times: 0,
            last: now,
        });
        // Failures long apart are no row of failures.
        if now.duration_since(failing.last) > WINDOW {
            failing.times = 0;
        }
        failing.times += 1;
        failing.last = now;
    }
}

impl Permit {
    /// The call ended; `failure`: the source is to blame, and how.
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
        for _ in 0..LEAST {
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
        for _ in 0..MOST {
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
        for _ in 0..LEAST_SLOW {
            assert_eq!(breaker.spares(), None);
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
            for other in 10..10 + 2 * MOST_ITEMS as u64 {
                breaker.state().note_item(other, true, Instant::now());
            }
            assert_eq!(breaker.state().items.len(), MOST_ITEMS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn writes_that_a_busy_server_refuses_open_nothing_and_hold_up_no_probe() {
        let breaker = Breaker::default();
        for _ in 0..MOST {
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
        // Several that succeed close it where no list is asked for; one list that fails opens it again.
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
        opened.await.expect("told");
        assert_eq!(breaker.spares(), Some(PAUSE));
    }
}
