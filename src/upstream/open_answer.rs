//! A response with a streamed body.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{error::UpstreamError, policy::Policy};

/// A response whose body is not read yet. Holds its stream slot until dropped.
pub struct OpenAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub(super) response: reqwest::Response,
    pub(super) stream: OwnedSemaphorePermit,
    pub(super) policy: Arc<Policy>,
    /// Slots for bodies that are buffered whole.
    pub(super) whole: Arc<Semaphore>,
}

/// Channel capacity in pieces: for a streamed body, and for one that is buffered whole. Network
/// pieces have 1 KiB or more.
const STREAMED: usize = 2;
const BUFFERED: usize = 1_024;
/// Maximum number of buffered bodies per source, until their clients have read them.
pub(super) const MAX_BUFFERED_BODIES: usize = 128;

/// The pieces of a streamed body.
pub type BodyStream = futures_util::stream::BoxStream<'static, Result<Bytes, UpstreamError>>;

impl OpenAnswer {
    /// Streams the body no faster than the client reads it. Ends with an error if the source
    /// stalls. Stops when the reader is dropped.
    #[must_use]
    pub fn into_body(self) -> BodyStream {
        let Self {
            mut response,
            stream,
            policy,
            whole,
            ..
        } = self;
        let is_small = response
            .content_length()
            .is_some_and(|length| length <= policy.read_whole);
        let whole = is_small.then(|| whole.try_acquire_owned().ok()).flatten();
        // A buffered body fits the channel, however many pieces it has.
        let pieces = if whole.is_some() { BUFFERED } else { STREAMED };
        let (give, take) = tokio::sync::mpsc::channel(pieces);
        tokio::spawn(async move {
            let mut stream = Some(stream);
            let mut is_first = true;
            loop {
                let read = tokio::select! {
                    read = tokio::time::timeout(policy.attempt, response.chunk()) => read,
                    () = give.closed() => return, // its reader is gone
                };
                let piece = match read {
                    Ok(Ok(piece)) => Ok(piece),
                    Ok(Err(error)) => Err(UpstreamError::of(&error)),
                    Err(_) => Err(UpstreamError::Timeout),
                };
                let ends = !matches!(piece, Ok(Some(_)));
                let taken = tokio::time::timeout(policy.stall, give.send(piece)).await;
                if !matches!(taken, Ok(Ok(()))) {
                    return;
                }
                if ends {
                    // The source has sent everything: free the stream slot.
                    stream.take();
                    // Keep the buffer slot until the client has read the body.
                    if whole.is_some() {
                        let _ = tokio::time::timeout(policy.stall, give.closed()).await;
                    }
                    return;
                }
                if std::mem::take(&mut is_first) && whole.is_none() {
                    // The capacity is free again when the client has taken the first piece.
                    let first = give.reserve_many(pieces);
                    let first = tokio::time::timeout(policy.first_stall, first).await;
                    if !matches!(first, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        });
        futures_util::stream::unfold(Some(take), |take| async move {
            let mut take = take?;
            match take.recv().await {
                Some(Ok(Some(piece))) => Some((Ok(piece), Some(take))),
                Some(Ok(None)) => None,
                Some(Err(error)) => Some((Err(error), None)),
                // The task stopped early: an incomplete body must not look complete.
                None => Some((Err(UpstreamError::Timeout), None)),
            }
        })
        .boxed()
    }
}
