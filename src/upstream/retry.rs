//! Which calls are made again, when, and how many of them.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use jiff::Timestamp;

use super::{Answer, Call, UpstreamError};

/// Attempts after the first.
pub const RETRIES: u32 = 2;
/// Before the first of them at most; twice as long before the second.
const BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait that a source can ask for.
const A_DAY: Duration = Duration::from_secs(86_400);

/// What retries may cost: a tenth of the calls, and a few to begin with. In tenths of a call.
#[derive(Debug)]
pub struct Budget(AtomicU32);

/// Ten retries saved up at most.
const SAVED: u32 = 100;
const COST: u32 = 10;

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(SAVED))
    }
}

impl Budget {
    /// A call was made.
    pub fn earn(&self) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                Some((saved + 1).min(SAVED))
            });
    }

    /// Takes what one retry costs; false where it is not there.
    pub fn spend(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                saved.checked_sub(COST)
            })
            .is_ok()
    }
}

/// How long to wait before making a call again after this; `None`: it is not made again.
/// `attempt` counts from 0.
pub fn wait(
    call: &Call,
    result: &Result<Answer, UpstreamError>,
    attempt: u32,
    waits_out_429: bool,
) -> Option<Duration> {
    if attempt >= RETRIES {
        return None;
    }
    match result {
        // Nothing was sent, whatever it was.
        Err(UpstreamError::Connect { .. }) => Some(jitter(attempt)),
        Err(UpstreamError::Broken { .. } | UpstreamError::Timeout) if call.is_safe => {
            Some(jitter(attempt))
        }
        Ok(answer) if call.is_safe && may_pass(answer.status, waits_out_429) => {
            let told = retry_after(&answer.headers);
            Some(told.map_or_else(|| jitter(attempt), |told| told + jitter(attempt)))
        }
        _ => None,
    }
}

/// Whether a status is about now rather than about the call.
fn may_pass(status: StatusCode, waits_out_429: bool) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS => waits_out_429,
        StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => true,
        _ => false,
    }
}

/// Anything up to the backoff, so that many who failed together do not come back together.
fn jitter(attempt: u32) -> Duration {
    let mut bytes = [0; 4];
    // Only spreads: the whole backoff does where the operating system has no randomness.
    let part = match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    };
    (BACKOFF * 2_u32.pow(attempt)).mul_f64(part)
}

/// `Retry-After` in seconds or as a date (RFC 9110 10.2.3), up to a day. Some servers send fractions
/// of a second, which the RFC does not have.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // A date that has passed already: at once.
    let date = || {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let left = date.duration_since(Timestamp::now()).as_secs();
        Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    };
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = text.parse::<f64>().ok().filter(|_| is_number);
    let wait = seconds.map(|seconds| Duration::from_secs_f64(seconds.min(A_DAY.as_secs_f64())));
    wait.or_else(|| Some(date()?.min(A_DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_tenth_of_the_calls() {
        let budget = Budget::default();
        let saved = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(saved, 10);
        let retried = (0..1_000).filter(|_| {
            budget.earn();
            budget.spend()
        });
        assert_eq!(retried.count(), 100);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header"));
            retry_after(&headers)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("0.5"), Some(Duration::from_millis(500)));
        for none in ["", ".", "1.2.3", "inf", "nan", "1e9"] {
            assert_eq!(after(none), None, "{none}");
        }
        assert_eq!(after("99999999"), Some(Duration::from_secs(86_400)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = Timestamp::now() + Duration::from_secs(90);
        let date = jiff::fmt::rfc2822::to_string(&soon.to_zoned(jiff::tz::TimeZone::UTC));
        let told = after(&date.expect("a date")).expect("a time");
        assert!(told > Duration::from_secs(80) && told <= Duration::from_secs(90));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-1"), None);
    }
}
