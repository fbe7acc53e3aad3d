//! Streams a request's body at a bounded rate per poll, up to a byte limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt, stream};

/// Maximum bytes passed to multer at once. multer buffers all available input before it yields any,
/// so it would hold a fast client's whole file in memory.
const BURST: usize = 64 * 1024;

/// Streams a body's chunks until `left` is used up, about [`BURST`] bytes at a time.
pub fn metered(
    body: Body,
    left: Arc<AtomicU64>,
    is_over_limit: Arc<AtomicBool>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let mut pieces = body.into_data_stream();
    let mut passed_on = 0;
    let paced = stream::poll_fn(move |context| {
        if passed_on >= BURST {
            passed_on = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = pieces.poll_next_unpin(context);
        match &next {
            Poll::Ready(Some(Ok(piece))) => passed_on += piece.len(),
            _ => passed_on = 0,
        }
        next
    });
    paced.map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        let length = piece.len() as u64;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(length)
        })
        .map_err(|_| {
            is_over_limit.store(true, Ordering::Relaxed);
            std::io::Error::other("too large")
        })?;
        Ok(piece)
    })
}
