//! An answer whose body is passed on as it comes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{error::UpstreamError, policy::Policy};

/// An answer whose body is still to come. Holds its place among the streams until dropped.
pub struct OpenAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub(super) response: reqwest::Response,
    pub(super) stream: OwnedSemaphorePermit,
    /// Of the source's own.
    pub(super) policy: Arc<Policy>,
    /// For bodies that are read whole.
    pub(super) whole: Arc<Semaphore>,
}

/// Pieces of a body that wait for being taken: of one that is passed on, and of one that is read
/// whole. Pieces of the network have a KiB and more.
const PASSED: usize = 2;
const WHOLE: usize = 1_024;
/// Bodies of a source that are read whole at once, or wait for being taken.
pub(super) const READ_WHOLE: usize = 128;

/// A body's pieces as they come.
pub type BodyStream = futures_util::stream::BoxStream<'static, Result<Bytes, UpstreamError>>;

impl OpenAnswer {
    /// The body as it comes, no faster than it is taken. Ends with an error when the source falls
    /// silent, and is given up when its reader is.
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
            .is_some_and(|own| own <= policy.read_whole);
        let whole = is_small.then(|| whole.try_acquire_owned().ok()).flatten();
        // A body read whole fits, however many pieces it comes in.
        let pieces = if whole.is_some() { WHOLE } else { PASSED };
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
                    // The source has no more to do with it.
                    stream.take();
                    // Until it is taken, it is one of those that were read whole.
                    if whole.is_some() {
                        let _ = tokio::time::timeout(policy.stall, give.closed()).await;
                    }
                    return;
                }
                if std::mem::take(&mut is_first) && whole.is_none() {
                    // Free again when the first piece is taken.
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
                // Given up half-way: never to be taken for the whole.
                None => Some((Err(UpstreamError::Timeout), None)),
            }
        })
        .boxed()
    }
}
