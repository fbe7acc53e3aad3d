//! Tracks the active requests of a connection. It is idle when there are none.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use tokio::time::{Instant, sleep_until};

/// The active requests of a connection, and when the last one ended.
#[derive(Debug)]
pub struct Requests {
    since: Instant,
    open: AtomicUsize,
    /// Milliseconds from `since` to the end of the last request.
    ended: AtomicU64,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            open: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Begins a request, which ends when the returned guard is dropped.
    pub fn begin(self: &Arc<Self>) -> ActiveRequest {
        self.open.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(Arc::clone(self))
    }

    /// Waits until no request has been active for `idle`.
    pub(super) async fn idle_for(&self, idle: Duration) {
        loop {
            let now = Instant::now();
            let ended = self.since + Duration::from_millis(self.ended.load(Ordering::Relaxed));
            let until = if self.open.load(Ordering::Relaxed) > 0 {
                now + idle
            } else {
                ended + idle
            };
            if until <= now {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// The guard of an active request.
#[derive(Debug)]
pub struct ActiveRequest(Arc<Requests>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let requests = &self.0;
        let ended = u64::try_from(requests.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        requests.ended.fetch_max(ended, Ordering::Relaxed);
        requests.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response body: its request is active until the body is sent or dropped.
pub struct TrackedBody {
    body: Body,
    _active: ActiveRequest,
}

impl TrackedBody {
    pub fn of(body: Body, active: ActiveRequest) -> Body {
        Body::new(Self {
            body,
            _active: active,
        })
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
