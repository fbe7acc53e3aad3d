//! Signed file addresses, and the route that serves them. The route needs no credential, only a
//! signature that has not expired.

use std::collections::HashMap;

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use super::{pictures, shared::Shared};

/// One day: the shortest lifetime that a provider promises.
const URL_LIFETIME_SECONDS: i64 = 86_400;

/// The bytes of an asset.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// The kind of a generated file: `image`, `audio`, `3d`, …
    pub kind: &'static str,
    /// The number of the generated file.
    pub number: usize,
    /// Uploaded media type and bytes; they replace the generated file.
    pub uploaded: Option<(String, Vec<u8>)>,
}

/// An asset with a signed file address.
pub trait HasFile {
    fn id(&self) -> &str;
    fn file(&self) -> &File;
}

impl<A, C> Shared<A, C> {
    /// `http://…/files/<rendition>/<id>?Expires=…&Signature=…`
    pub(super) fn file_url(&self, rendition: &str, id: &str) -> String {
        // The expiry is rounded to the hour, so that two reads of one asset return one address.
        let expires = (Timestamp::now().as_second() / 3600 + 1) * 3600 + URL_LIFETIME_SECONDS;
        format!(
            "http://{}/files/{rendition}/{id}?Expires={expires}&Signature={}",
            self.address,
            self.file_signature(rendition, id, expires)
        )
    }

    fn file_signature(&self, rendition: &str, id: &str, expires: i64) -> String {
        let text = format!("{rendition}\n{id}\n{expires}");
        blake3::keyed_hash(&self.key, text.as_bytes()).to_hex()[..32].to_owned()
    }

    pub(super) fn is_signed(
        &self,
        rendition: &str,
        id: &str,
        query: &HashMap<String, String>,
    ) -> bool {
        let Some(expires) = query.get("Expires").and_then(|e| e.parse().ok()) else {
            return false;
        };
        expires > Timestamp::now().as_second()
            && query.get("Signature") == Some(&self.file_signature(rendition, id, expires))
    }
}

/// `GET /files/{rendition}/{id}`: responds 403 without a valid signature, as a CDN does.
pub async fn serve<A: HasFile, C>(
    State(shared): State<Shared<A, C>>,
    Path((rendition, id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !shared.is_signed(&rendition, &id, &query) {
        return (StatusCode::FORBIDDEN, "Access Denied").into_response();
    }
    let assets = shared.assets();
    match assets.iter().find(|asset| asset.id() == id) {
        Some(asset) => bytes(asset.file(), &rendition, Some(&headers)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Serves a rendition: `original`, `small` or `large`. `request_headers` is set for servers that
/// support ranges.
pub fn bytes(file: &File, rendition: &str, request_headers: Option<&HeaderMap>) -> Response {
    let (content_type, bytes) = match (&file.uploaded, rendition) {
        (Some((content_type, bytes)), _) => (content_type.clone(), bytes.clone()),
        (None, "small") => (
            "image/jpeg".to_owned(),
            pictures::picture(file.number).small.clone(),
        ),
        (None, "large") => (
            "image/jpeg".to_owned(),
            pictures::picture(file.number).large.clone(),
        ),
        (None, _) => {
            let (content_type, bytes) = pictures::file(file.kind, file.number);
            (content_type.to_owned(), bytes)
        }
    };
    let total = bytes.len();
    let range = request_headers.and_then(|headers| {
        let text = headers.get(header::RANGE)?.to_str().ok()?;
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let first: usize = first.parse().ok()?;
        let end = total.checked_sub(1)?;
        let last = last.parse().unwrap_or(end).min(end);
        (first <= last).then_some((first, last))
    });
    let mut response = match range {
        Some((first, last)) => {
            let mut part =
                (StatusCode::PARTIAL_CONTENT, bytes[first..=last].to_vec()).into_response();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{total}")) {
                part.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            part
        }
        None => bytes.into_response(),
    };
    if let Ok(value) = HeaderValue::from_str(&content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    if request_headers.is_some() {
        response
            .headers_mut()
            .insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    response
}
