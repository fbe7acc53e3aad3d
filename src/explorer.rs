//! GraphiQL, bundled from npm by `build.rs` and served from our own origin. The page sends requests
//! only there.

use std::{
    collections::HashMap,
    io::Read,
    sync::{LazyLock, Mutex, PoisonError},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

struct File {
    path: &'static str,
    content_type: &'static str,
    /// Whether the file name contains a hash of the content.
    immutable: bool,
    gzip: &'static [u8],
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/explorer_files.rs"));

/// Monaco injects styles and embeds small pictures; nothing else needs relaxing.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; font-src 'self' \
                      data:; connect-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' \
                      data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The page of a build without GraphiQL.
const WITHOUT: &str = "<!doctype html><title>Asset gateway</title><h1>Asset gateway</h1>\
    <p>The graph is at <code>/graphql</code>.\
    <p>GraphiQL is not in this build: install Node.js with npm and build again \
    (<code>cargo build --release</code>).";

/// Whether GraphiQL is in this build.
#[must_use]
pub fn is_bundled() -> bool {
    FILES.iter().any(|file| file.path == "index.html")
}

/// GraphiQL's page, or one that explains how to get it. The page itself reads deep links
/// (`?query=…&variables=…`).
#[must_use]
pub fn page(headers: &HeaderMap) -> Response {
    let mut response = match FILES.iter().find(|file| file.path == "index.html") {
        Some(file) => serve(file, quality_of("gzip", headers) > 0.0),
        None => (
            [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
            WITHOUT,
        )
            .into_response(),
    };
    guard(response.headers_mut());
    response
}

/// `GET /explorer/{file}`: the files that the page loads, and the licences of its packages.
#[must_use]
pub fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let file = FILES.iter().find(|file| file.path == path)?;
    let mut response = serve(file, quality_of("gzip", headers) > 0.0);
    guard(response.headers_mut());
    Some(response)
}

/// The quality of a coding in `Accept-Encoding`; 0: not accepted (RFC 9110, 12.5.3).
#[must_use]
pub fn quality_of(coding: &str, headers: &HeaderMap) -> f32 {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let accepted = values.filter_map(|value| value.to_str().ok());
    let mut qualities = accepted
        .flat_map(|value| value.split(','))
        .filter_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let is_meant = parts.next()?.eq_ignore_ascii_case(coding);
            let quality = parts.find_map(weight);
            is_meant.then(|| quality.and_then(|text| text.parse().ok()).unwrap_or(1.0))
        });
    qualities.next().unwrap_or(0.0)
}

/// Returns the text of a weight, `q=…`, whose name may be in any case (RFC 9110, 5.6.6).
pub fn weight(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
}

/// The uncompressed file. It is inflated once, so that frequent requests allocate nothing.
fn plain(file: &'static File) -> Bytes {
    static PLAIN: LazyLock<Mutex<HashMap<&'static str, Bytes>>> = LazyLock::new(Mutex::default);
    let mut cache = PLAIN.lock().unwrap_or_else(PoisonError::into_inner);
    let inflated = cache.entry(file.path).or_insert_with(|| {
        let mut plain = Vec::new();
        // Our build script made the data: a fault gives an empty file, which is noticed at once.
        match flate2::read::GzDecoder::new(file.gzip).read_to_end(&mut plain) {
            Ok(_) => plain.into(),
            Err(_) => Bytes::new(),
        }
    });
    inflated.clone()
}

fn serve(file: &'static File, compressed: bool) -> Response {
    let mut response = if compressed {
        let mut response = file.gzip.into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        plain(file).into_response()
    };
    let cache = if file.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(file.content_type),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn guard(headers: &mut HeaderMap) {
    let fixed = [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // URLs contain queries, which other sites must not see.
        ("referrer-policy", "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}
