//! Timeouts, limits and the egress policy of one source's calls.

use std::time::Duration;

use super::egress::EgressPolicy;

/// Timeouts and limits for one source's calls. `docs/configuration.md` has the defaults.
#[derive(Debug, Clone)]
pub struct Policy {
    pub connect: Duration,
    /// Timeout of one attempt, from the first byte sent to the last byte read.
    pub attempt: Duration,
    /// Maximum number of concurrent calls.
    pub in_flight: usize,
    /// Maximum size in bytes of a response that is read whole.
    pub answer_bytes: usize,
    /// Maximum number of concurrent response streams, and of concurrent uploads.
    pub streams: usize,
    /// How long a client may take to read a piece of a body. `first_stall`: its first piece.
    pub stall: Duration,
    pub first_stall: Duration,
    /// Bodies up to this many bytes are buffered without waiting for the client, so that a slow
    /// client does not hold the stream slot.
    pub read_whole: u64,
    /// Maximum number of calls that wait for a slot. Further calls are refused at once.
    pub queue: usize,
    /// Whether a 429 with this body is about payment, so that waiting does not help.
    pub is_payment_429: fn(&[u8]) -> bool,
    /// How long callers wait for the source. No retry starts later.
    pub patience: Duration,
    /// Which hosts besides the source's own may hold its files.
    pub egress: EgressPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(10),
            in_flight: 16,
            answer_bytes: 16 * 1024 * 1024,
            streams: 128,
            stall: Duration::from_secs(30),
            first_stall: Duration::from_secs(5),
            read_whole: 256 * 1024,
            queue: 256,
            is_payment_429: |_| false,
            patience: Duration::from_secs(3),
            egress: EgressPolicy::Public,
        }
    }
}
