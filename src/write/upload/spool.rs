//! Stores an upload in an unnamed temporary file, which is deleted with its last handle. It is for
//! uploads whose length must be known before the first byte is sent.

use std::{fs::File, io, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::task::spawn_blocking;

use super::metered_file::FileError;
use crate::{
    access::{Exceeded, Share},
    source::{FileStream, RequestContext},
};

/// Bytes per read.
const PIECE: usize = 64 * 1024;

/// A file's bytes on disk. Cheap to clone; each reader has its own position.
#[derive(Clone)]
pub struct Spool {
    file: Arc<File>,
    length: u64,
    /// The file's share of `spool_bytes`.
    _share: Arc<Share>,
}

impl Spool {
    /// Writes `bytes` to disk until they end, at most `limit` of them, within the client's `share`.
    ///
    /// # Errors
    /// - [`FileError::Crowded`]: the share is used up. [`FileError::NoRoom`]: writing failed.
    /// - [`FileError::TooLarge`]: more than `limit` bytes. Other errors come from the stream.
    pub async fn fill(
        mut bytes: FileStream,
        limit: u64,
        share: Share,
        context: &RequestContext,
    ) -> Result<Self, FileError> {
        let no_room = |error: io::Error| {
            tracing::error!(%error, "cannot store an upload on disk: is there space in TMPDIR?");
            FileError::NoRoom
        };
        let file = on_disk(tempfile::tempfile).await.map_err(no_room)?;
        let file = Arc::new(file);
        let mut length = 0;
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(|error| FileError::of(&error))?;
            context.renew();
            length += piece.len() as u64;
            if length > limit {
                return Err(FileError::TooLarge { limit });
            }
            let maximum = |exceeded: Exceeded| FileError::Crowded {
                maximum: exceeded.maximum,
            };
            share.take(piece.len() as u64).map_err(maximum)?;
            let file = Arc::clone(&file);
            let written = on_disk(move || {
                io::Write::write_all(&mut &*file, &piece)?;
                Ok(piece)
            });
            // The runtime's threads allocate and free the piece. If a blocking thread freed a piece
            // of another thread, the allocator would retain the memory.
            drop(written.await.map_err(no_room)?);
        }
        Ok(Self {
            file,
            length,
            _share: Arc::new(share),
        })
    }

    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Reads the bytes from the beginning.
    pub fn read(&self) -> FileStream {
        self.read_from(0)
    }

    /// Reads the bytes from position `at` on.
    pub fn read_from(&self, at: u64) -> FileStream {
        let (spool, length) = (self.clone(), self.length);
        stream::unfold(at, move |at| {
            let file = Arc::clone(&spool.file);
            async move {
                let left = length.checked_sub(at).filter(|left| *left > 0)?;
                let size = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
                let mut piece = vec![0; size];
                let read = on_disk(move || {
                    let read = read_at(&file, &mut piece, at)?;
                    piece.truncate(read);
                    Ok(Bytes::from(piece))
                });
                match read.await {
                    Ok(piece) if piece.is_empty() => {
                        Some((Err(io::ErrorKind::UnexpectedEof.into()), length))
                    }
                    Ok(piece) => {
                        let at = at + piece.len() as u64;
                        Some((Ok(piece), at))
                    }
                    Err(error) => Some((Err(error), length)),
                }
            }
        })
        .boxed()
    }
}

#[cfg(unix)]
fn read_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, piece, at)
}

#[cfg(windows)]
fn read_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, piece, at)
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Budget, Client};

    #[tokio::test]
    async fn what_was_kept_is_read_whole_as_often_as_wanted() {
        let context = RequestContext::new(std::time::Duration::from_secs(60), 0);
        let pieces = (0_u8..9).map(|n| Ok(Bytes::from(vec![n; 100_000])));
        let budget = Budget::new(2 * 900_000);
        let client = Client::Known("anna".into());
        let fill = |pieces| Spool::fill(pieces, 900_000, budget.share(&client), &context);
        let spool = fill(stream::iter(pieces.clone()).boxed())
            .await
            .expect("room for a small file");
        assert_eq!(spool.length(), 900_000);
        let crowded = fill(stream::iter(pieces).boxed()).await.err();
        assert_eq!(crowded, Some(FileError::Crowded { maximum: 900_000 }));
        for mut bytes in [spool.read(), spool.read()] {
            let mut whole = Vec::new();
            while let Some(piece) = bytes.next().await {
                whole.extend_from_slice(&piece.expect("readable"));
            }
            assert_eq!(whole.len(), 900_000);
            assert!(
                whole
                    .iter()
                    .enumerate()
                    .all(|(at, byte)| usize::from(*byte) == at / 100_000)
            );
        }
        let rest: Vec<_> = spool.read_from(899_999).collect().await;
        assert!(matches!(rest.as_slice(), [Ok(last)] if **last == [8]));
        drop(spool);
        assert_eq!(budget.taken(), 0);
    }
}
