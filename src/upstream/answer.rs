//! Reads a response whole.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::error::UpstreamError;

/// A response that was read whole, with any status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Reads a response whole, up to `limit` bytes.
pub async fn read_answer(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Answer, UpstreamError> {
    let mut body = Bytes::new();
    // A body of one chunk is used as it is, without a copy.
    let mut joined = BytesMut::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| UpstreamError::of(&error))?
    {
        if joined.len() + body.len() + piece.len() > limit {
            return Err(UpstreamError::TooLarge { limit });
        }
        joined.extend_from_slice(&std::mem::replace(&mut body, piece));
    }
    if !joined.is_empty() {
        joined.extend_from_slice(&body);
        body = joined.freeze();
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}
