//! A response as bytes, plain and compressed, with the `ETag` for conditional requests (RFC 9110,
//! 8.8.3 and 13.1.2).

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use brotli::CompressorWriter;
use flate2::{Compression, write::GzEncoder};
use tokio::task::spawn_blocking;

use super::cache_control::CachePolicy;
use crate::{explorer::quality_of, server::media_type::MediaType};

/// Bytes above which a response is compressed. A smaller one fits a packet uncompressed.
const MIN_COMPRESSED: usize = 1_024;

/// Bytes above which compression takes milliseconds. A thread answers dozens of requests in them.
const MAX_INLINE_COMPRESSION: usize = 128 * 1_024;

/// Compression level: favors speed over size.
const QUALITY: u32 = 4;

/// Brotli's window in bytes, as a power of two, and its buffer in bytes.
const WINDOW: u32 = 20;
const BUFFER: usize = 4_096;

/// The content coding of a response.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Brotli,
}

/// A response ready to send: the same bytes for every client.
pub struct EncodedResponse {
    plain: Bytes,
    /// Compressed at first use; `None` if compression saves too little.
    gzip: OnceLock<Option<Bytes>>,
    brotli: OnceLock<Option<Bytes>>,
    tag: Option<HeaderValue>,
    cache_policy: CachePolicy,
}

impl EncodedResponse {
    /// `named`: the request has a document hash or id, or uses GET. Only then can it get an `ETag`.
    pub fn new(plain: Bytes, cache_policy: CachePolicy, named: bool) -> Self {
        let is_tagged = named && cache_policy.until().is_some();
        Self {
            tag: is_tagged.then(|| tag(&plain)).flatten(),
            gzip: OnceLock::new(),
            brotli: OnceLock::new(),
            plain,
            cache_policy,
        }
    }

    pub const fn cache_policy(&self) -> CachePolicy {
        self.cache_policy
    }

    /// Maximum memory in bytes: the plain bytes and both compressed forms, which are smaller.
    pub fn bytes(&self) -> usize {
        self.plain.len() * 3
    }

    /// Builds the HTTP response for these request headers: 304 if the client already has it.
    pub fn respond(
        &self,
        media_type: MediaType,
        status: StatusCode,
        request_headers: &HeaderMap,
    ) -> Response {
        let is_not_modified = self.is_not_modified(request_headers);
        let coding = self.coding(request_headers).filter(|_| !is_not_modified);
        let (body, coding) = match coding.and_then(|selected| self.coded(selected)) {
            // This covers a POST that names its document. RFC 9110 prescribes 412 for methods that
            // change state, and a query changes nothing.
            _ if is_not_modified => (Body::empty(), None),
            Some((bytes, coding)) => (bytes.clone().into(), Some(coding)),
            None => (self.plain.clone().into(), None),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        // Reserves space for the headers that outer layers add.
        headers.reserve(10);
        headers.insert(header::CACHE_CONTROL, self.cache_policy.header());
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if let Some(tag) = &self.tag {
            headers.insert(header::ETAG, tag.clone());
        }
        if is_not_modified {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, media_type.header());
            *response.status_mut() = status;
        }
        response
    }

    fn is_not_modified(&self, request_headers: &HeaderMap) -> bool {
        let tag = self.tag.as_ref().and_then(|etag| etag.to_str().ok());
        let Some(opaque) = tag.map(|etag| etag.trim_start_matches("W/")) else {
            return false;
        };
        request_headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|etag| etag.trim() == "*" || etag.trim().trim_start_matches("W/") == opaque)
    }

    /// Compresses a large response on a blocking thread, if these headers accept a coding.
    pub async fn compress_in_background(self: &Arc<Self>, request_headers: &HeaderMap) {
        if self.plain.len() <= MAX_INLINE_COMPRESSION || self.is_not_modified(request_headers) {
            return;
        }
        let is_to_do = |coding: &Coding| self.slot(*coding).get().is_none();
        let Some(coding) = self.coding(request_headers).filter(is_to_do) else {
            return;
        };
        let response = Arc::clone(self);
        // If the task fails, `respond` compresses the response.
        drop(spawn_blocking(move || response.coded(coding).is_some()).await);
    }

    /// Selects the content coding for these request headers.
    fn coding(&self, request_headers: &HeaderMap) -> Option<Coding> {
        if self.plain.len() <= MIN_COMPRESSED
            || !request_headers.contains_key(header::ACCEPT_ENCODING)
        {
            return None;
        }
        let (gzip, brotli) = (
            quality_of("gzip", request_headers),
            quality_of("br", request_headers),
        );
        if gzip > 0.0 && gzip >= brotli {
            Some(Coding::Gzip)
        } else {
            (brotli > 0.0).then_some(Coding::Brotli)
        }
    }

    /// Returns the compressed bytes and the coding's name, if compression saves enough.
    fn coded(&self, coding: Coding) -> Option<(&Bytes, &'static str)> {
        let (compress, name): (fn(&[u8]) -> Option<Bytes>, _) = match coding {
            Coding::Gzip => (gzip, "gzip"),
            Coding::Brotli => (brotli, "br"),
        };
        let bytes = self.slot(coding).get_or_init(|| compress(&self.plain));
        bytes.as_ref().map(|bytes| (bytes, name))
    }

    const fn slot(&self, coding: Coding) -> &OnceLock<Option<Bytes>> {
        match coding {
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
        }
    }
}

/// Computes a weak `ETag`: it is the same for every content coding.
fn tag(plain: &[u8]) -> Option<HeaderValue> {
    let hash = blake3::hash(plain);
    let (short, _) = hash.as_bytes().split_first_chunk::<18>()?;
    HeaderValue::try_from(format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(short))).ok()
}

/// Returns `None` if the result is hardly smaller.
fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(QUALITY));
    // Writing to memory cannot fail.
    encoder.write_all(plain).ok()?;
    smaller(encoder.finish().ok()?, plain)
}

/// Returns `None` if the result is hardly smaller.
fn brotli(plain: &[u8]) -> Option<Bytes> {
    let mut bytes = Vec::new();
    let mut encoder = CompressorWriter::new(&mut bytes, BUFFER, QUALITY, WINDOW);
    encoder.write_all(plain).ok()?;
    drop(encoder); // writes the end of the stream
    smaller(bytes, plain)
}

fn smaller(bytes: Vec<u8>, plain: &[u8]) -> Option<Bytes> {
    (bytes.len() <= plain.len() / 10 * 9).then(|| bytes.into_boxed_slice().into())
}
