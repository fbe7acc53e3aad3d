//! Reads one file's bytes from the body, with a time limit on waiting for its client.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use axum::body::Bytes;
use futures_util::Stream;
use multer::Field;
use tokio::time::{Instant, timeout};

/// Minimum bytes that a client must send in each `upload_idle_seconds` of waiting.
const MIN_BYTES: usize = 16 * 1024;

/// The part that is being read, shared so that the next part can take it away.
pub type OpenField = Arc<Mutex<Option<Field<'static>>>>;

/// Reads one part of the body.
pub struct FieldReader {
    pub(super) open: OpenField,
    pub(super) idle: Duration,
    /// Time spent waiting for the client since the last [`MIN_BYTES`] bytes. Time that the source
    /// takes does not count.
    pub(super) waited: Duration,
    pub(super) bytes_since_reset: usize,
}

pub enum NextChunk {
    Piece(Bytes),
    End,
    TimedOut,
    /// Another reader closed the part to read the next one.
    ClosedByOther,
    Broken(multer::Error),
}

impl FieldReader {
    pub async fn next(&mut self) -> NextChunk {
        let began = Instant::now();
        let left = self.idle.saturating_sub(self.waited);
        let Ok(chunk) = timeout(left, piece(&self.open)).await else {
            return NextChunk::TimedOut;
        };
        self.waited += began.elapsed();
        match &chunk {
            NextChunk::Piece(piece) => {
                self.bytes_since_reset += piece.len();
                if self.bytes_since_reset >= MIN_BYTES {
                    (self.waited, self.bytes_since_reset) = (Duration::ZERO, 0);
                }
            }
            // multer can read the next part only after this one is dropped.
            NextChunk::End => *lock(&self.open) = None,
            _ => {}
        }
        chunk
    }
}

/// Returns the next chunk of the open part.
async fn piece(open: &OpenField) -> NextChunk {
    std::future::poll_fn(|context| {
        let mut open = lock(open);
        let Some(field) = open.as_mut() else {
            return Poll::Ready(NextChunk::ClosedByOther);
        };
        Pin::new(field).poll_next(context).map(|piece| match piece {
            Some(Ok(piece)) => NextChunk::Piece(piece),
            Some(Err(error)) => NextChunk::Broken(error),
            None => NextChunk::End,
        })
    })
    .await
}

pub fn lock(open: &OpenField) -> MutexGuard<'_, Option<Field<'static>>> {
    // A single value: a panic elsewhere cannot leave it half-changed.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
