//! Retry policy: which calls are retried, when, and how often.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use jiff::Timestamp;

use super::{Answer, Call, UpstreamError};

/// Maximum number of attempts after the first.
pub const RETRIES: u32 = 2;
/// Maximum wait before the first retry. It doubles for the second.
const BACKOFF: Duration = Duration::from_millis(100);

/// Maximum wait that a source can ask for.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Retry budget in tenths of a retry. Each call earns a tenth; ten retries are there at start.
#[derive(Debug)]
pub struct Budget(AtomicU32);

/// Maximum budget: ten retries.
const MAX_CREDIT: u32 = 100;
const RETRY_COST: u32 = 10;

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(MAX_CREDIT))
    }
}

impl Budget {
    /// Credits one call.
    pub fn earn(&self) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                Some((saved + 1).min(MAX_CREDIT))
            });
    }

    /// Debits one retry. Returns false if the budget is too small.
    pub fn spend(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                saved.checked_sub(RETRY_COST)
            })
            .is_ok()
    }
}

/// Returns the wait before the call is retried after this result. `None`: it is not retried.
/// `attempt` counts from 0.
pub fn wait(
    call: &Call,
    result: &Result<Answer, UpstreamError>,
    attempt: u32,
    is_payment_429: fn(&[u8]) -> bool,
) -> Option<Duration> {
    if attempt >= RETRIES {
        return None;
    }
    match result {
        // Nothing was sent, so any call may be retried.
        Err(UpstreamError::Connect { .. }) => Some(jitter(attempt)),
        Err(UpstreamError::Broken { .. } | UpstreamError::Timeout) if call.is_safe => {
            Some(jitter(attempt))
        }
        Ok(answer) if call.is_safe && is_transient(answer, is_payment_429) => {
            let wait = retry_after(&answer.headers);
            Some(wait.map_or_else(|| jitter(attempt), |wait| wait + jitter(attempt)))
        }
        _ => None,
    }
}

/// Whether a status is transient, not caused by the call.
fn is_transient(answer: &Answer, is_payment_429: fn(&[u8]) -> bool) -> bool {
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => !is_payment_429(&answer.body),
        StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => true,
        _ => false,
    }
}

/// Returns a random wait up to the backoff, so that calls that failed together spread out.
fn jitter(attempt: u32) -> Duration {
    let mut bytes = [0; 4];
    // Without randomness from the operating system, wait the whole backoff.
    let part = match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    };
    (BACKOFF * 2_u32.pow(attempt)).mul_f64(part)
}

/// Parses `Retry-After`: seconds or a date (RFC 9110 10.2.3), up to a day. Also accepts fractions
/// of a second, which some servers send although the RFC has none.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // A date in the past means no wait.
    let date = || {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let left = date.duration_since(Timestamp::now()).as_secs();
        Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    };
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = text.parse::<f64>().ok().filter(|_| is_number);
    let wait = seconds.map(|seconds| Duration::from_secs_f64(seconds.min(MAX_WAIT.as_secs_f64())));
    wait.or_else(|| Some(date()?.min(MAX_WAIT)))
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
        let date = jiff::fmt::rfc2822::to_string(&soon.to_zoned_datetime(jiff::tz::TimeZone::UTC));
        let parsed = after(&date.expect("a date")).expect("a time");
        assert!(parsed > Duration::from_secs(80) && parsed <= Duration::from_secs(90));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-1"), None);
    }
}
