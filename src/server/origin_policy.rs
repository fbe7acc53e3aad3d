//! Checks where a request comes from. `Host` must name this gateway, so that no foreign page
//! reaches it under another name (DNS rebinding). `Origin` decides which pages may read responses.
//! [`super::session`] authenticates the caller.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header,
        uri::Authority,
    },
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

use super::error::RequestError;
use crate::schema::Code;

/// Headers that a page of another site can send only after a preflight (`design.md` §6).
const PREFLIGHT_HEADERS: [&str; 3] = [
    "apollo-require-preflight",
    "graphql-require-preflight",
    "x-apollo-operation-name",
];
/// Response headers that pages of allowed origins may read.
const EXPOSED_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    header::RETRY_AFTER,
];
/// How long a browser may cache a preflight response.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// The hosts this gateway answers to: loopback, its bind address, the public URL's host and those
/// of the configuration.
#[derive(Debug)]
pub struct AllowedHosts {
    bind_ip: IpAddr,
    names: Vec<String>,
}

impl AllowedHosts {
    pub fn new(address: SocketAddr, public_url: &Url, others: &[String]) -> Self {
        let names = public_url.host_str().into_iter();
        let names = names.chain(others.iter().map(String::as_str));
        Self {
            bind_ip: address.ip(),
            names: names
                .map(|name| without_brackets(name).to_owned())
                .collect(),
        }
    }

    /// Whether `host`, without its port, names this gateway.
    fn allows(&self, host: &str) -> bool {
        let host = without_brackets(host);
        let is = |name: &str| name.eq_ignore_ascii_case(host);
        if is("localhost") || self.names.iter().any(|name| is(name)) {
            return true;
        }
        // DNS rebinding needs a name, not an address. On all interfaces, any address may be ours.
        host.parse::<IpAddr>().is_ok_and(|address| {
            address.is_loopback() || address == self.bind_ip || self.bind_ip.is_unspecified()
        })
    }

    /// Whether a request names this gateway as its host.
    pub fn names(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        host(uri, headers).is_some_and(|host| self.allows(&host))
    }

    /// Refuses requests for other hosts. Health probes may use any name.
    ///
    /// # Errors
    /// 400: an HTTP/1.1 request has no or several `Host` headers. 421: it names another host.
    pub fn check(&self, request: &Request) -> Result<(), RequestError> {
        let is_probe = matches!(request.uri().path(), "/health" | "/ready");
        if is_probe || self.names(request.uri(), request.headers()) {
            return Ok(());
        }
        let hosts = request.headers().get_all(header::HOST).iter().count();
        if request.version() == Version::HTTP_11 && hosts != 1 {
            // RFC 9112, 3.2.
            return Err(RequestError::bad_request(
                "a request must have exactly one `Host` header",
            ));
        }
        Err(RequestError::new(
            StatusCode::MISDIRECTED_REQUEST,
            Code::Forbidden,
            "this gateway does not answer to that host name: use localhost, its address, the host of \
             `public_url` in its configuration, or one of `allowed_hosts` in [access]",
        ))
    }
}

/// Strips the brackets of an IPv6 host.
fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The origins whose pages may read responses and open WebSockets.
#[derive(Debug)]
pub struct Origins {
    /// The configured origins, as `Origin` writes them.
    others: Vec<String>,
    /// The origin of the public URL.
    public_origin: String,
}

impl Origins {
    pub fn new(others: Vec<String>, public_url: &Url) -> Self {
        Self {
            others,
            public_origin: public_url.origin().ascii_serialization(),
        }
    }

    /// Whether a page of this origin may send requests. It may if its host and port equal those
    /// that the request names (`Host`, or `:authority` of HTTP/2), or if its origin is the public
    /// URL's or a configured one.
    pub fn allow(&self, origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let request_authority = uri.authority().map(Authority::as_str).or_else(|| {
            let host = headers.get(header::HOST)?;
            host.to_str().ok()
        });
        let parsed = origin.parse::<Uri>().ok();
        let authority = parsed.as_ref().and_then(|value| value.authority());
        let is_named = authority.is_some_and(|value| Some(value.as_str()) == request_authority);
        is_named || origin == self.public_origin || self.others.iter().any(|other| other == origin)
    }

    /// Refuses a GET that a browser marks as cross-site, unless it has a preflight header
    /// (`Sec-Fetch-Site`, Fetch Metadata; `Origin`, RFC 6454). Programs send neither.
    ///
    /// # Errors
    /// 403: the request is cross-site and has no preflight header.
    pub fn check_get(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), RequestError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = headers.get(header::ORIGIN);
        let is_foreign = match origin {
            Some(origin) => !self.allow(origin, uri, headers),
            None => !matches!(text("sec-fetch-site"), None | Some("same-origin" | "none")),
        };
        if is_foreign && !has_preflight_header(headers) {
            return Err(RequestError::new(
                StatusCode::FORBIDDEN,
                Code::Forbidden,
                "a cross-site GET needs a preflight: send `graphql-require-preflight: 1`, from an \
                 origin that `cors_origins` in the configuration lists",
            ));
        }
        Ok(())
    }

    /// The CORS layer for the configured origins; `None` without any. It never allows the browser's
    /// credentials (cookies).
    pub fn layer(&self) -> Option<CorsLayer> {
        let others = self.others.iter();
        let origins: Vec<HeaderValue> = others.filter_map(|origin| origin.parse().ok()).collect();
        if origins.is_empty() {
            return None;
        }
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST])
            // Allows any header that such a page wants to send, such as `x-asset-source-…`.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED_HEADERS)
            .max_age(PREFLIGHT_MAX_AGE);
        Some(layer)
    }
}

/// Whether a request has a header that a page of another site can send only after a preflight.
pub fn has_preflight_header(headers: &HeaderMap) -> bool {
    let has = |name: &&str| headers.get(*name).is_some_and(|value| !value.is_empty());
    PREFLIGHT_HEADERS.iter().any(has)
}

/// The host in the request's target, or in its `Host` header. `None`: there are several `Host`s.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut host_headers = headers.get_all(header::HOST).iter();
    let first = host_headers.next();
    if host_headers.next().is_some() {
        return None;
    }
    if let Some(host) = uri.host() {
        return Some(host.to_owned());
    }
    let authority: Authority = first?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}
