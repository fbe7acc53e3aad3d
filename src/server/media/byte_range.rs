//! Byte ranges of files, for sources that only send whole files.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::upstream::{BodyStream, UpstreamError};

/// Passes the source's body on. Cuts it to the range if the source ignored the range.
pub fn respond(
    status: StatusCode,
    source_headers: &HeaderMap,
    body: BodyStream,
    range: Option<&HeaderValue>,
) -> Response {
    let length: Option<u64> = source_headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let requested = range
        .filter(|_| status == StatusCode::OK)
        .zip(length)
        .and_then(|(range, length)| parse_range(range.to_str().ok()?, length));
    let mut response = match requested {
        Some(Ok((first, last))) => {
            let cut = Body::from_stream(cut(body, first, last - first + 1));
            let mut response = (StatusCode::PARTIAL_CONTENT, cut).into_response();
            let total = length.unwrap_or_default();
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes {first}-{last}/{total}"),
            );
            set(
                &mut response,
                header::CONTENT_LENGTH,
                &(last - first + 1).to_string(),
            );
            response
        }
        Some(Err(Unsatisfiable)) => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            let total = length.unwrap_or_default();
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{total}"),
            );
            response
        }
        None => {
            let mut response = (status, Body::from_stream(body)).into_response();
            for name in [header::CONTENT_LENGTH, header::CONTENT_RANGE] {
                if let Some(value) = source_headers.get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response
        }
    };
    if length.is_some() || source_headers.contains_key(header::ACCEPT_RANGES) {
        response
            .headers_mut()
            .insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    response
}

fn set(response: &mut Response, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

/// A range that starts past the end of the file.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// Parses one byte range (RFC 9110 14.1.2) into its first and last byte. `None`: ignore it, as it
/// has several ranges, another unit or a syntax error.
fn parse_range(range: &str, length: u64) -> Option<Result<(u64, u64), Unsatisfiable>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let found = match (first.trim(), last.trim()) {
        ("", suffix) => {
            let suffix: u64 = suffix.parse().ok()?;
            (suffix > 0 && length > 0).then(|| (length.saturating_sub(suffix), length - 1))
        }
        (first, "") => {
            let first: u64 = first.parse().ok()?;
            (first < length).then(|| (first, length - 1))
        }
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            (first < length).then(|| (first, last.min(length - 1)))
        }
    };
    Some(found.ok_or(Unsatisfiable))
}

/// Returns `count` bytes of the body, from offset `skip` on.
fn cut(
    body: BodyStream,
    skip: u64,
    count: u64,
) -> impl Stream<Item = Result<Bytes, UpstreamError>> + Send {
    futures_util::stream::unfold(
        (body, skip, count),
        |(mut body, mut skip, mut left)| async move {
            while left > 0 {
                let mut piece = match body.next().await? {
                    Ok(piece) => piece,
                    Err(error) => return Some((Err(error), (body, 0, 0))),
                };
                let length = piece.len() as u64;
                if skip >= length {
                    skip -= length;
                    continue;
                }
                // `skip` is less than the piece's length, a usize.
                let piece = piece.split_off(skip as usize);
                let piece =
                    piece.slice(..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                skip = 0;
                left -= piece.len() as u64;
                return Some((Ok(piece), (body, skip, left)));
            }
            None
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        assert_eq!(parse_range("bytes=0-9", 100), Some(Ok((0, 9))));
        assert_eq!(parse_range("bytes=90-", 100), Some(Ok((90, 99))));
        assert_eq!(parse_range("bytes=-10", 100), Some(Ok((90, 99))));
        assert_eq!(parse_range("bytes=-1000", 100), Some(Ok((0, 99))));
        assert_eq!(parse_range("bytes=50-1000", 100), Some(Ok((50, 99))));
        assert_eq!(parse_range("bytes=100-", 100), Some(Err(Unsatisfiable)));
        for ignored in ["bytes=9-0", "bytes=0-1,3-4", "rows=0-9", "bytes=x-y"] {
            assert_eq!(parse_range(ignored, 100), None, "{ignored}");
        }
    }

    #[tokio::test]
    async fn a_cut_spans_pieces() {
        let pieces = ["abc", "def", "ghi"].map(|p| Ok(Bytes::from(p)));
        let body: BodyStream = futures_util::stream::iter(pieces).boxed();
        let output: Vec<_> = cut(body, 2, 5).map(Result::unwrap).collect().await;
        assert_eq!(output.concat(), b"cdefg");
    }
}
