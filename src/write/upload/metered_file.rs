//! A client's file on its way in: counted, hashed and held to its limits as it passes.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};
use tokio::time::timeout;

use crate::{
    asset::TELLING,
    source::{FileStream, RequestContext},
};

/// What is wrong with the file itself, or with how it was sent. Safe to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("the file is larger than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the file is empty")]
    Empty,
    #[error("`byteLength` says {said} bytes; the file has {}", if *.more { "more" } else { "fewer" })]
    WrongLength { said: u64, more: bool },
    #[error("the file's BLAKE3 hash is not the one that `contentHash` says")]
    WrongHash,
    /// The request's body, or the way its parts are laid out.
    #[error("{0}")]
    Malformed(String),
    #[error("no piece of the file came for {seconds} seconds: send it again")]
    Silent { seconds: u64 },
    /// Other uploads take what all of them may take on disk.
    #[error(
        "uploads that wait on disk take all that they may ({maximum} bytes): try again in a moment, \
         or give `byteLength`, with which the file is sent on as it comes"
    )]
    Crowded { maximum: u64 },
    /// Nowhere to keep it meanwhile.
    #[error(
        "the gateway has no room for the file right now: try again later, or give `byteLength`"
    )]
    NoRoom,
}

/// One file of a request.
pub struct UploadFile {
    /// As the client calls it.
    pub file_name: Option<String>,
    /// Ends with an error that holds a [`FileError`] ([`FileError::of`]).
    pub bytes: FileStream,
}

/// The files of a request, in the order they come.
pub trait UploadFiles: Send + Sync {
    /// Waits for the file's part and gives its bytes. What is read past on the way renews the
    /// operation's time.
    fn take<'a>(
        &'a self,
        name: &'a str,
        context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<UploadFile, FileError>>;
}

/// Where an upload's bytes are.
#[derive(Clone)]
pub enum FileInput {
    /// In the request's body, under this name.
    Part {
        parts: Arc<dyn UploadFiles>,
        name: String,
    },
    Bytes(Bytes),
}

impl FileError {
    /// As a stream's error.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// Out of a stream's error.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
            .cloned()
            .unwrap_or_else(|| Self::Malformed("the file's bytes broke off".to_owned()))
    }
}

/// What a file must keep to.
#[derive(Debug, Clone, Copy)]
pub struct FileLimits {
    pub limit: u64,
    pub length: Option<u64>,
    pub hash: Option<blake3::Hash>,
}

/// What has passed so far. Cheap to clone.
#[derive(Clone, Default)]
pub struct MeteredStream(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    bytes: u64,
    hasher: blake3::Hasher,
    error: Option<FileError>,
    is_whole: bool,
}

impl MeteredStream {
    /// Why the file could not be passed on, where it was its own fault.
    pub fn error(&self) -> Option<FileError> {
        self.passed().error.clone()
    }

    /// Of the file, once it has passed whole.
    pub fn hash(&self) -> Option<blake3::Hash> {
        let passed = self.passed();
        passed.is_whole.then(|| passed.hasher.finalize())
    }

    fn passed(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: FileError) -> io::Error {
        self.passed().error = Some(error.clone());
        error.into_io()
    }

    fn add(&self, piece: &Bytes, bounds: FileLimits) -> Result<(), FileError> {
        let mut passed = self.passed();
        passed.bytes += piece.len() as u64;
        if passed.bytes > bounds.limit {
            return Err(FileError::TooLarge {
                limit: bounds.limit,
            });
        }
        if let Some(said) = bounds.length.filter(|said| passed.bytes > *said) {
            return Err(FileError::WrongLength { said, more: true });
        }
        passed.hasher.update(piece);
        Ok(())
    }

    fn end(&self, bounds: FileLimits) -> Result<(), FileError> {
        let mut passed = self.passed();
        if passed.bytes == 0 {
            return Err(FileError::Empty);
        }
        if let Some(said) = bounds.length.filter(|said| passed.bytes < *said) {
            return Err(FileError::WrongLength { said, more: false });
        }
        if bounds
            .hash
            .is_some_and(|said| said != passed.hasher.finalize())
        {
            return Err(FileError::WrongHash);
        }
        passed.is_whole = true;
        Ok(())
    }
}

/// `bytes` on their way, entered in `tally`. Each piece renews the operation's time. The last byte
/// is passed on only when the whole has kept to its bounds, so that no source has all of a file that
/// breaks them.
pub fn tallied(
    bytes: FileStream,
    bounds: FileLimits,
    tally: MeteredStream,
    context: Arc<RequestContext>,
) -> FileStream {
    struct Way {
        bytes: FileStream,
        /// The last byte of what came.
        held: Bytes,
        is_over: bool,
    }
    let way = Way {
        bytes,
        held: Bytes::new(),
        is_over: false,
    };
    stream::unfold(way, move |mut way| {
        let (tally, context) = (tally.clone(), Arc::clone(&context));
        async move {
            loop {
                if way.is_over {
                    return None;
                }
                match way.bytes.next().await {
                    Some(Ok(piece)) if piece.is_empty() => {}
                    Some(Ok(mut piece)) => {
                        context.renew();
                        if let Err(error) = tally.add(&piece, bounds) {
                            way.is_over = true;
                            return Some((Err(tally.fail(error)), way));
                        }
                        let last = piece.split_off(piece.len() - 1);
                        let held = std::mem::replace(&mut way.held, last);
                        let whole = joined(held, piece);
                        if !whole.is_empty() {
                            return Some((Ok(whole), way));
                        }
                    }
                    Some(Err(error)) => {
                        way.is_over = true;
                        return Some((Err(tally.fail(FileError::of(&error))), way));
                    }
                    None => {
                        way.is_over = true;
                        if let Err(error) = tally.end(bounds) {
                            return Some((Err(tally.fail(error)), way));
                        }
                        let held = std::mem::take(&mut way.held);
                        return Some((Ok(held), way));
                    }
                }
            }
        }
    })
    .fuse()
    .boxed()
}

/// A byte before a piece.
fn joined(held: Bytes, piece: Bytes) -> Bytes {
    if held.is_empty() {
        return piece;
    }
    let mut whole = Vec::with_capacity(held.len() + piece.len());
    whole.extend_from_slice(&held);
    whole.extend_from_slice(&piece);
    whole.into()
}

/// Reads a file's first bytes, as many as tell its type, and gives them with the whole stream.
///
/// # Errors
/// Where the file ends before its first byte, or with an error.
pub async fn peek(mut bytes: FileStream) -> Result<(Vec<u8>, FileStream), FileError> {
    let mut first = Vec::new();
    let mut pieces = Vec::new();
    while first.len() < TELLING {
        // A client that waits for its first bytes to arrive is let on.
        let more = if first.len() < ENOUGH {
            bytes.next().await
        } else {
            match timeout(A_MOMENT, bytes.next()).await {
                Ok(more) => more,
                Err(_) => break,
            }
        };
        match more {
            Some(Ok(piece)) => {
                let left = TELLING.saturating_sub(first.len()).min(piece.len());
                first.extend_from_slice(piece.get(..left).unwrap_or_default());
                pieces.push(Ok(piece));
            }
            Some(Err(error)) => return Err(FileError::of(&error)),
            None => break,
        }
    }
    if first.is_empty() {
        return Err(FileError::Empty);
    }
    Ok((first, stream::iter(pieces).chain(bytes).boxed()))
}

/// Bytes that nearly always tell a type…
const ENOUGH: usize = 512;
/// …and how long the rest is waited for.
const A_MOMENT: Duration = Duration::from_millis(100);
