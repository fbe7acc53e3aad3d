//! Charges the received bytes of incomplete messages to the memory budget.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::access::Share;

/// Bytes of a WebSocket message that are not charged: small messages still work when memory is
/// short.
const UNCHARGED: u64 = 8 * 1024;
/// The size of a client's ping or pong without its payload, in bytes (RFC 6455 5.2).
const CONTROL_HEAD: usize = 6;

/// An incomplete WebSocket message. Its received bytes are charged to the memory of all requests,
/// as otherwise only the protocol's limits apply to them.
#[derive(Debug, Default)]
pub struct PartialMessage {
    is_counted: AtomicBool,
    received: Mutex<(u64, Option<Share>)>,
    is_refused: AtomicBool,
}

impl PartialMessage {
    /// Begins a message and ends the previous one.
    pub fn begin(&self, share: Share) {
        *self.received() = (0, Some(share));
        self.is_counted.store(true, Ordering::Relaxed);
    }

    /// Subtracts a ping or pong with a payload of `bytes`: it belongs to no message.
    pub fn forget(&self, bytes: usize) {
        let mut received = self.received();
        received.0 = received.0.saturating_sub((bytes + CONTROL_HEAD) as u64);
    }

    /// Whether a message exceeded the memory budget.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    fn received(&self) -> MutexGuard<'_, (u64, Option<Share>)> {
        // Both parts are set together: a panic elsewhere cannot leave them half-changed.
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges received bytes.
    pub(super) fn charge(&self, bytes: usize) -> io::Result<()> {
        if bytes == 0 || !self.is_counted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut received = self.received();
        let (sum, share) = &mut *received;
        *sum += bytes as u64;
        // The receive buffer doubles when it grows.
        let charged = match share.as_ref().filter(|_| *sum > UNCHARGED) {
            Some(share) => share.take(2 * bytes as u64).is_ok(),
            None => !self.is_refused(),
        };
        if charged {
            return Ok(());
        }
        *share = None;
        self.is_refused.store(true, Ordering::Relaxed);
        Err(io::ErrorKind::OutOfMemory.into())
    }
}
