//! How one source's calls behave.

use std::time::Duration;

use super::egress::EgressPolicy;

/// How one source's calls behave. The defaults are `design.md` §8.
#[derive(Debug, Clone)]
pub struct Policy {
    pub connect: Duration,
    /// One attempt, from the first byte sent to the last byte read.
    pub attempt: Duration,
    /// Calls in flight.
    pub in_flight: usize,
    /// The largest answer that is read whole.
    pub answer_bytes: usize,
    /// Bodies passed on at once.
    pub streams: usize,
    /// How long a client may take for a piece of a body, and for its first piece.
    pub stall: Duration,
    pub first_stall: Duration,
    /// A body of at most this many bytes is read whole before it is passed on: it holds its place
    /// no longer than the source needs.
    pub read_whole: u64,
    /// Calls that wait for a place; more are refused at once.
    pub queue: usize,
    /// Whether 429 is about speed, so that waiting helps.
    pub waits_out_429: bool,
    /// How long those who ask wait for the source: no attempt begins later.
    pub patience: Duration,
    /// Where files may be sent besides its own address.
    pub elsewhere: EgressPolicy,
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
            waits_out_429: true,
            patience: Duration::from_secs(3),
            elsewhere: EgressPolicy::Public,
        }
    }
}
