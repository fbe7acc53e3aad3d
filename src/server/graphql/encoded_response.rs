//! An answer without errors as bytes, plain and compressed, with the tag that clients ask again
//! with (RFC 9110, 8.8.3 and 13.1.2).

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
use crate::{explorer::quality_of, server::content_negotiation::MediaType};

/// Bytes of an answer from which on it is compressed: less fits a packet as it is.
const COMPRESSED: usize = 1_024;

/// Bytes from which on that takes milliseconds, in which a thread answers dozens of others.
const LARGE: usize = 128 * 1_024;

/// How hard: quick rather than small.
const QUALITY: u32 = 4;

/// Bytes that brotli looks back over, as a power of two, and works on at a time.
const WINDOW: u32 = 20;
const BUFFER: usize = 4_096;

/// How an answer is compressed.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Brotli,
}

/// An answer, ready to send: the same bytes for every client.
pub struct EncodedResponse {
    plain: Bytes,
    /// Made when they are first asked for; `None`: not worth it.
    gzip: OnceLock<Option<Bytes>>,
    brotli: OnceLock<Option<Bytes>>,
    tag: Option<HeaderValue>,
    keeping: CachePolicy,
}

impl EncodedResponse {
    /// `named`: it can be asked for by its document's name, or by address.
    pub fn new(plain: Bytes, keeping: CachePolicy, named: bool) -> Self {
        let is_tagged = named && keeping.until().is_some();
        Self {
            tag: is_tagged.then(|| tag(&plain)).flatten(),
            gzip: OnceLock::new(),
            brotli: OnceLock::new(),
            plain,
            keeping,
        }
    }

    pub const fn keeping(&self) -> CachePolicy {
        self.keeping
    }

    /// What it takes in memory, compressed in both ways as well: each is smaller.
    pub fn bytes(&self) -> usize {
        self.plain.len() * 3
    }

    /// For a request with these headers: 304 where its client has the answer.
    pub fn respond(
        &self,
        media_type: MediaType,
        status: StatusCode,
        asked: &HeaderMap,
    ) -> Response {
        let is_known = self.is_known(asked);
        let coding = self.coding(asked).filter(|_| !is_known);
        let (body, coding) = match coding.and_then(|own| self.coded(own)) {
            // Of a POST too where its document has a name: RFC 9110 would have 412 for what changes
            // something, and a query changes nothing.
            _ if is_known => (Body::empty(), None),
            Some((bytes, coding)) => (bytes.clone().into(), Some(coding)),
            None => (self.plain.clone().into(), None),
        };
        let mut answer = Response::new(body);
        let headers = answer.headers_mut();
        // With those that are added on the way out.
        headers.reserve(10);
        headers.insert(header::CACHE_CONTROL, self.keeping.header());
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if let Some(tag) = &self.tag {
            headers.insert(header::ETAG, tag.clone());
        }
        if is_known {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, media_type.header());
            *answer.status_mut() = status;
        }
        answer
    }

    fn is_known(&self, asked: &HeaderMap) -> bool {
        let tag = self.tag.as_ref().and_then(|own| own.to_str().ok());
        let Some(opaque) = tag.map(|own| own.trim_start_matches("W/")) else {
            return false;
        };
        asked
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|own| own.trim() == "*" || own.trim().trim_start_matches("W/") == opaque)
    }

    /// Compresses a large answer, if these headers ask for it, where no other request waits for it.
    pub async fn compress_aside(self: &Arc<Self>, asked: &HeaderMap) {
        if self.plain.len() <= LARGE || self.is_known(asked) {
            return;
        }
        let is_to_do = |coding: &Coding| self.slot(*coding).get().is_none();
        let Some(coding) = self.coding(asked).filter(is_to_do) else {
            return;
        };
        let own = Arc::clone(self);
        // Where that fails, it is done in its turn.
        drop(spawn_blocking(move || own.coded(coding).is_some()).await);
    }

    /// How it is compressed for a request with these headers.
    fn coding(&self, asked: &HeaderMap) -> Option<Coding> {
        if self.plain.len() <= COMPRESSED || !asked.contains_key(header::ACCEPT_ENCODING) {
            return None;
        }
        let (gzip, brotli) = (quality_of("gzip", asked), quality_of("br", asked));
        if gzip > 0.0 && gzip >= brotli {
            Some(Coding::Gzip)
        } else {
            (brotli > 0.0).then_some(Coding::Brotli)
        }
    }

    /// Its compressed bytes, where they are fewer, and their coding's name.
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

/// Weak: compressed or not, it is the same answer.
fn tag(plain: &[u8]) -> Option<HeaderValue> {
    let hash = blake3::hash(plain);
    let (short, _) = hash.as_bytes().split_first_chunk::<18>()?;
    HeaderValue::try_from(format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(short))).ok()
}

/// `None` where it is hardly smaller.
fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(QUALITY));
    // Into memory: it does not fail.
    encoder.write_all(plain).ok()?;
    smaller(encoder.finish().ok()?, plain)
}

/// `None` where it is hardly smaller.
fn brotli(plain: &[u8]) -> Option<Bytes> {
    let mut bytes = Vec::new();
    let mut encoder = CompressorWriter::new(&mut bytes, BUFFER, QUALITY, WINDOW);
    encoder.write_all(plain).ok()?;
    drop(encoder); // which writes the end
    smaller(bytes, plain)
}

fn smaller(bytes: Vec<u8>, plain: &[u8]) -> Option<Bytes> {
    (bytes.len() <= plain.len() / 10 * 9).then(|| bytes.into_boxed_slice().into())
}
