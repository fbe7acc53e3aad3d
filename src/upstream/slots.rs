//! Waits for a concurrency slot, and counts the calls that wait.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::error::UpstreamError;

/// Counts one waiting call until it is dropped.
pub struct Waiting<'a> {
    count: &'a AtomicUsize,
    /// Calls that were waiting already.
    pub ahead: usize,
}

impl<'a> Waiting<'a> {
    pub fn new(count: &'a AtomicUsize) -> Self {
        let ahead = count.fetch_add(1, Ordering::Relaxed);
        Self { count, ahead }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until `deadline` for one of `limit` slots.
pub async fn permit(
    slots: &Arc<Semaphore>,
    limit: usize,
    deadline: Instant,
) -> Result<OwnedSemaphorePermit, UpstreamError> {
    match timeout_at(deadline, Arc::clone(slots).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(UpstreamError::Busy { in_flight: limit }),
    }
}
