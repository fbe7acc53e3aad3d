//! A client's file as it arrives: counted, hashed and checked against its limits.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};
use tokio::time::timeout;

use crate::{
    asset::SNIFF_BYTES,
    source::{FileStream, RequestContext},
};

/// A fault of the file itself, or of how it was sent. Safe to show to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("the file is larger than the limit of {limit} bytes (`upload_bytes`)")]
    TooLarge { limit: u64 },
    #[error("the file is empty")]
    Empty,
    #[error("`byteLength` says {declared} bytes; the file has {}", if *.more { "more" } else { "fewer" })]
    WrongLength { declared: u64, more: bool },
    #[error("the file's BLAKE3 hash does not match `contentHash`")]
    WrongHash,
    /// The request's body or the layout of its parts is malformed.
    #[error("{0}")]
    Malformed(String),
    #[error("no piece of the file came for {seconds} seconds: send it again")]
    Silent { seconds: u64 },
    /// Other uploads use the whole disk budget.
    #[error(
        "uploads that wait on disk use their whole budget of {maximum} bytes: try again in a \
         moment, or give `byteLength`, so that the gateway need not store the file"
    )]
    Crowded { maximum: u64 },
    /// The gateway cannot store the file.
    #[error(
        "the gateway has no disk space for the file now: try again later, or give `byteLength`"
    )]
    NoRoom,
}

/// One file of a request.
pub struct UploadFile {
    /// The client's name for the file.
    pub file_name: Option<String>,
    /// An error of this stream holds a [`FileError`] ([`FileError::of`]).
    pub bytes: FileStream,
}

/// The files of a request, in order of arrival.
pub trait UploadFiles: Send + Sync {
    /// Waits for the file's part and returns its bytes. Bytes read before the part renew the
    /// operation's deadline.
    fn take<'a>(
        &'a self,
        name: &'a str,
        context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<UploadFile, FileError>>;
}

/// The origin of an upload's bytes.
#[derive(Clone)]
pub enum FileInput {
    /// A part of the request's body, by its name.
    Part {
        parts: Arc<dyn UploadFiles>,
        name: String,
    },
    Bytes(Bytes),
}

impl FileError {
    /// Wraps this as a stream's error.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// Extracts this from a stream's error.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
            .cloned()
            .unwrap_or_else(|| Self::Malformed("the file's bytes ended early".to_owned()))
    }
}

/// The limits of a file.
#[derive(Debug, Clone, Copy)]
pub struct FileLimits {
    pub limit: u64,
    pub length: Option<u64>,
    pub hash: Option<blake3::Hash>,
}

/// The state of a file that is passing through. Cheap to clone.
#[derive(Clone, Default)]
pub struct FileMeter(Arc<Mutex<MeterTotals>>);

#[derive(Default)]
struct MeterTotals {
    bytes: u64,
    hasher: blake3::Hasher,
    error: Option<FileError>,
    is_whole: bool,
}

impl FileMeter {
    /// Why the file could not be passed on, if it was the file's fault.
    pub fn error(&self) -> Option<FileError> {
        self.passed().error.clone()
    }

    /// The file's hash, once the whole file has passed.
    pub fn hash(&self) -> Option<blake3::Hash> {
        let passed = self.passed();
        passed.is_whole.then(|| passed.hasher.finalize())
    }

    fn passed(&self) -> MutexGuard<'_, MeterTotals> {
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
        if let Some(declared) = bounds.length.filter(|declared| passed.bytes > *declared) {
            return Err(FileError::WrongLength {
                declared,
                more: true,
            });
        }
        passed.hasher.update(piece);
        Ok(())
    }

    fn end(&self, bounds: FileLimits) -> Result<(), FileError> {
        let mut passed = self.passed();
        if passed.bytes == 0 {
            return Err(FileError::Empty);
        }
        if let Some(declared) = bounds.length.filter(|declared| passed.bytes < *declared) {
            return Err(FileError::WrongLength {
                declared,
                more: false,
            });
        }
        if bounds
            .hash
            .is_some_and(|declared| declared != passed.hasher.finalize())
        {
            return Err(FileError::WrongHash);
        }
        passed.is_whole = true;
        Ok(())
    }
}

/// Passes `bytes` on and records them in `meter`. Each piece renews the operation's deadline. The
/// last byte follows only if the whole file keeps its limits. So no source receives all of a file
/// that breaks them.
pub fn metered(
    bytes: FileStream,
    bounds: FileLimits,
    meter: FileMeter,
    context: Arc<RequestContext>,
) -> FileStream {
    struct StreamState {
        bytes: FileStream,
        /// The last byte received, held back.
        held: Bytes,
        is_over: bool,
    }
    let state = StreamState {
        bytes,
        held: Bytes::new(),
        is_over: false,
    };
    stream::unfold(state, move |mut state| {
        let (meter, context) = (meter.clone(), Arc::clone(&context));
        async move {
            loop {
                if state.is_over {
                    return None;
                }
                match state.bytes.next().await {
                    Some(Ok(piece)) if piece.is_empty() => {}
                    Some(Ok(mut piece)) => {
                        context.renew();
                        if let Err(error) = meter.add(&piece, bounds) {
                            state.is_over = true;
                            return Some((Err(meter.fail(error)), state));
                        }
                        let last = piece.split_off(piece.len() - 1);
                        let held = std::mem::replace(&mut state.held, last);
                        let whole = joined(held, piece);
                        if !whole.is_empty() {
                            return Some((Ok(whole), state));
                        }
                    }
                    Some(Err(error)) => {
                        state.is_over = true;
                        return Some((Err(meter.fail(FileError::of(&error))), state));
                    }
                    None => {
                        state.is_over = true;
                        if let Err(error) = meter.end(bounds) {
                            return Some((Err(meter.fail(error)), state));
                        }
                        let held = std::mem::take(&mut state.held);
                        return Some((Ok(held), state));
                    }
                }
            }
        }
    })
    .fuse()
    .boxed()
}

/// Puts the held byte before a piece.
fn joined(held: Bytes, piece: Bytes) -> Bytes {
    if held.is_empty() {
        return piece;
    }
    let mut whole = Vec::with_capacity(held.len() + piece.len());
    whole.extend_from_slice(&held);
    whole.extend_from_slice(&piece);
    whole.into()
}

/// A file's first bytes, read to detect its type.
pub struct FirstBytes {
    pub bytes: Vec<u8>,
    /// The file goes on.
    pub is_cut: bool,
}

/// Reads enough first bytes to detect the file's type, and returns them with the whole stream.
///
/// # Errors
/// [`FileError::Empty`] if the file has no bytes, else the stream's own error.
pub async fn peek(mut bytes: FileStream) -> Result<(FirstBytes, FileStream), FileError> {
    let mut first = Vec::new();
    let mut is_cut = true;
    let mut pieces = Vec::new();
    while first.len() < SNIFF_BYTES {
        // The client may wait for its first bytes to arrive before it sends more.
        let more = if first.len() < USUALLY_ENOUGH {
            bytes.next().await
        } else {
            match timeout(REST_TIMEOUT, bytes.next()).await {
                Ok(more) => more,
                Err(_) => break,
            }
        };
        match more {
            Some(Ok(piece)) => {
                let left = SNIFF_BYTES.saturating_sub(first.len()).min(piece.len());
                first.extend_from_slice(piece.get(..left).unwrap_or_default());
                pieces.push(Ok(piece));
            }
            Some(Err(error)) => return Err(FileError::of(&error)),
            None => {
                is_cut = false;
                break;
            }
        }
    }
    if first.is_empty() {
        return Err(FileError::Empty);
    }
    let first = FirstBytes {
        bytes: first,
        is_cut,
    };
    Ok((first, stream::iter(pieces).chain(bytes).boxed()))
}

/// The number of bytes that nearly always shows the type.
const USUALLY_ENOUGH: usize = 512;
/// How long to wait for the rest of the first bytes.
const REST_TIMEOUT: Duration = Duration::from_millis(100);
