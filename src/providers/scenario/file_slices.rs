//! Encodes a file's stream in base64, or splits it into parts, for uploads to Scenario.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::Mutex;

use crate::source::{FileContent, FileStream};

/// Encodes a stream in base64 as it arrives.
pub fn in_base64(bytes: FileStream) -> FileStream {
    // Three bytes make four characters: up to two bytes wait for the next chunk.
    let initial = (bytes, Vec::with_capacity(3), false);
    stream::unfold(
        initial,
        |(mut bytes, mut rest, is_over): (_, Vec<u8>, _)| async move {
            if is_over {
                return None;
            }
            match bytes.next().await {
                Some(Ok(piece)) => {
                    rest.extend_from_slice(&piece);
                    let left = rest.split_off(rest.len() / 3 * 3);
                    let letters = Bytes::from(STANDARD.encode(&rest));
                    Some((Ok(letters), (bytes, left, false)))
                }
                Some(Err(error)) => Some((Err(error), (bytes, Vec::new(), true))),
                None => {
                    let letters = Bytes::from(STANDARD.encode(&rest));
                    Some((Ok(letters), (bytes, Vec::new(), true)))
                }
            }
        },
    )
    .boxed()
}

/// A file split into parts that are sent one after another.
pub enum FileParts {
    Once(Arc<Mutex<Rest>>),
    Again(Arc<dyn Fn(u64) -> FileStream + Send + Sync>),
}

pub struct Rest {
    bytes: FileStream,
    /// The unread rest of the current chunk.
    piece: Bytes,
}

impl FileParts {
    pub fn new(content: FileContent) -> Self {
        match content {
            FileContent::Once(bytes) => Self::Once(Rest::new(bytes)),
            FileContent::Again(from) => Self::Again(from),
        }
    }

    pub const fn may_be_sent_again(&self) -> bool {
        matches!(self, Self::Again(_))
    }

    /// Returns `length` bytes from `at`, where the previous part ended.
    pub fn next(&self, at: u64, length: u64) -> FileStream {
        match self {
            Self::Once(rest) => Rest::next(rest, length),
            Self::Again(from) => Rest::next(&Rest::new(from(at)), length),
        }
    }
}

impl Rest {
    fn new(bytes: FileStream) -> Arc<Mutex<Self>> {
        let piece = Bytes::new();
        Arc::new(Mutex::new(Self { bytes, piece }))
    }

    /// Returns the next `length` bytes as a stream.
    fn next(shared: &Arc<Mutex<Self>>, length: u64) -> FileStream {
        let rest = Arc::clone(shared);
        stream::unfold(Some(length), move |left| {
            let rest = Arc::clone(&rest);
            async move {
                let left = left.filter(|left| *left > 0)?;
                let mut rest = rest.lock().await;
                if rest.piece.is_empty() {
                    match rest.bytes.next().await? {
                        Ok(piece) => rest.piece = piece,
                        Err(error) => return Some((Err(error), None)),
                    }
                }
                let length = rest.piece.len();
                let size = usize::try_from(left).map_or(length, |left| left.min(length));
                let piece = rest.piece.split_to(size);
                Some((Ok(piece), Some(left - size as u64)))
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn base64_is_the_same_however_the_bytes_come() {
        let whole: Vec<u8> = (0..=255).collect();
        for size in 1..9 {
            for length in [0, 1, 2, 3, 4, 255, 256] {
                let pieces = whole[..length].chunks(size).map(Bytes::copy_from_slice);
                let pieces: Vec<_> = pieces.map(Ok).collect();
                let letters: Vec<_> = in_base64(stream::iter(pieces).boxed()).collect().await;
                let letters: Vec<u8> = letters.into_iter().flatten().flatten().collect();
                assert_eq!(letters, STANDARD.encode(&whole[..length]).into_bytes());
                assert_eq!(letters.len(), length.div_ceil(3) * 4);
            }
        }
    }
}
