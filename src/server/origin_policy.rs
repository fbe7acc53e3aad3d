//! Checks where a request comes from. `Host` must name this gateway, so that no foreign page
//! reaches it under another name (DNS rebinding). `Origin` decides which pages may read responses.
//! [`super::session`] authenticates the caller.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header,
        request::Parts, uri::Authority,
    },
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

use super::error::{self, RequestError};
use crate::{schema::Code, settings::AllowedOrigin};

/// The rule for `Host`.
const ONE_HOST: &str = "a request must have exactly one `Host` header, with a host, and a port \
                        where it has one";

/// Maximum characters of a host or origin in a message.
const MAX_SHOWN: usize = 100;

/// Headers that a page of another site can send only after a preflight (`docs/http.md`).
const PREFLIGHT_HEADERS: [&str; 3] = [
    "apollo-require-preflight",
    "graphql-require-preflight",
    "x-apollo-operation-name",
];
/// Response headers that pages of allowed origins may read.
const EXPOSED_HEADERS: [HeaderName; 8] = [
    header::ACCEPT_RANGES,
    header::CONTENT_DISPOSITION,
    header::CONTENT_RANGE,
    header::ETAG,
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
                .map(|name| without_brackets(without_final_dot(name)).to_owned())
                .collect(),
        }
    }

    /// Whether `host`, without its port, names this gateway.
    fn allows(&self, host: &str) -> bool {
        let host = without_brackets(without_final_dot(host));
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
        matches!(host(uri, headers, false), Ok(Some(host)) if self.allows(&host))
    }

    /// Refuses requests for other hosts. Health probes may use any name.
    ///
    /// # Errors
    /// 400: an HTTP/1.1 request has no or several `Host` headers, or an invalid one (RFC 9112,
    /// 3.2), or one of HTTP/2 differs from `:authority` (RFC 9113, 8.3.1). 421: it names another
    /// host.
    pub fn check(&self, request: &Request) -> Result<(), RequestError> {
        let is_probe = matches!(request.uri().path(), "/health" | "/ready");
        let (uri, headers) = (request.uri(), request.headers());
        let is_http2 = request.version() >= Version::HTTP_2;
        let host = match host(uri, headers, is_http2) {
            Ok(host) => host,
            Err(_) if is_probe => return Ok(()),
            Err(InvalidHost) => {
                return Err(RequestError::bad_request(ONE_HOST));
            }
        };
        if is_probe || host.as_ref().is_some_and(|host| self.allows(host)) {
            return Ok(());
        }
        let Some(host) = host else {
            return Err(RequestError::bad_request(ONE_HOST));
        };
        let host = error::excerpt(&host, MAX_SHOWN);
        Err(RequestError::new(
            StatusCode::MISDIRECTED_REQUEST,
            Code::Forbidden,
            format!(
                "this gateway does not answer to the host name `{host}`: use localhost, its \
                 address, the host of `public_url` in its configuration, or one of `allowed_hosts` \
                 in [access]"
            ),
        ))
    }
}

/// Strips the dot of an absolute name: `localhost.` is the same host (RFC 1034, 3.1).
fn without_final_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Strips the brackets of an IPv6 host.
fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The origins whose pages may read responses and open WebSockets.
#[derive(Debug)]
pub struct Origins {
    /// The configured origins.
    others: Arc<[AllowedOrigin]>,
    /// The origin of the public URL.
    public_origin: String,
}

impl Origins {
    pub fn new(others: Vec<AllowedOrigin>, public_url: &Url) -> Self {
        Self {
            others: others.into(),
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
        is_named || origin == self.public_origin || is_listed(&self.others, origin)
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
            let origin = origin.map_or_else(|| "another site".to_owned(), shown);
            return Err(RequestError::new(
                StatusCode::FORBIDDEN,
                Code::Forbidden,
                format!(
                    "a GET from a page of {origin} needs a preflight: send \
                     `graphql-require-preflight: 1`, from an origin that `cors_origins` in the \
                     configuration lists"
                ),
            ));
        }
        Ok(())
    }

    /// Refuses the preflight of an origin that is not listed, so that its author learns why.
    ///
    /// # Errors
    /// 403: the origin is not listed. The browser would hide any other answer.
    pub fn check_preflight(&self, request: &Request) -> Result<(), RequestError> {
        let headers = request.headers();
        let origin = headers.get(header::ORIGIN).filter(|_| {
            request.method() == Method::OPTIONS
                && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        });
        match origin {
            Some(origin) if !is_listed(&self.others, origin.to_str().unwrap_or_default()) => {
                Err(origin_refusal(origin))
            }
            _ => Ok(()),
        }
    }

    /// The CORS layer for the configured origins; `None` without any. It never allows the browser's
    /// credentials (cookies).
    pub fn layer(&self) -> Option<CorsLayer> {
        if self.others.is_empty() {
            return None;
        }
        let listed = Arc::clone(&self.others);
        let is_allowed = move |origin: &HeaderValue, _: &Parts| {
            origin
                .to_str()
                .is_ok_and(|origin| is_listed(&listed, origin))
        };
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(is_allowed))
            .allow_methods([Method::GET, Method::POST])
            // Allows any header that such a page wants to send, such as `x-asset-source-…`.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED_HEADERS)
            .max_age(PREFLIGHT_MAX_AGE);
        Some(layer)
    }
}

/// Creates the error for a page of an origin that is not listed.
pub fn origin_refusal(origin: &HeaderValue) -> RequestError {
    RequestError::new(
        StatusCode::FORBIDDEN,
        Code::Forbidden,
        format!(
            "pages of {} may not use this gateway: `cors_origins` in [access] lists the origins \
             that may",
            shown(origin)
        ),
    )
}

fn is_listed(others: &[AllowedOrigin], origin: &str) -> bool {
    others.iter().any(|other| other.matches(origin))
}

/// Shows an origin in messages.
fn shown(origin: &HeaderValue) -> String {
    format!(
        "`{}`",
        error::excerpt(origin.to_str().unwrap_or("?"), MAX_SHOWN)
    )
}

/// Whether a request has a header that a page of another site can send only after a preflight.
pub fn has_preflight_header(headers: &HeaderMap) -> bool {
    let has = |name: &&str| headers.get(*name).is_some_and(|value| !value.is_empty());
    PREFLIGHT_HEADERS.iter().any(has)
}

/// A request's host is not valid.
struct InvalidHost;

/// The host in the request's target, or in its `Host` header. `None`: there is none.
fn host(uri: &Uri, headers: &HeaderMap, is_http2: bool) -> Result<Option<String>, InvalidHost> {
    let mut host_headers = headers.get_all(header::HOST).iter();
    let first = host_headers.next();
    if host_headers.next().is_some() {
        return Err(InvalidHost);
    }
    let in_header = match first {
        None => None,
        Some(value) => Some(valid_host(value).ok_or(InvalidHost)?),
    };
    match (uri.authority(), in_header) {
        // In HTTP/1.1, a target in absolute form makes `Host` meaningless (RFC 9112, 3.2.2).
        (Some(authority), Some(in_header)) if is_http2 => {
            let is_same = authority.as_str().eq_ignore_ascii_case(in_header.as_str());
            is_same
                .then(|| Some(authority.host().to_owned()))
                .ok_or(InvalidHost)
        }
        (Some(authority), _) => Ok(Some(authority.host().to_owned())),
        (None, in_header) => Ok(in_header.map(|authority| authority.host().to_owned())),
    }
}

/// Parses a `Host` header: `uri-host [ ":" port ]` (RFC 9110, 7.2).
fn valid_host(value: &HeaderValue) -> Option<Authority> {
    let authority: Authority = value.to_str().ok()?.parse().ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let port = port.strip_prefix(':').unwrap_or(port);
    let is_valid = !authority.host().is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_valid.then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_authority_of_the_request() {
        for (uri, hosts, expected) in [
            ("/", &["a.example:8000"][..], Some(Some("a.example"))),
            ("/", &[], Some(None)),
            ("http://a.example/", &[], Some(Some("a.example"))),
            ("http://a.example/", &["A.example"], Some(Some("a.example"))),
            ("http://a.example/", &["b.example"], None),
            ("http://a.example/", &["a.example:81"], None),
            ("/", &["a.example", "a.example"], None),
            ("/", &["a b"], None),
            ("/", &[""], None),
        ] {
            let values = hosts.iter().map(|host| {
                let value = HeaderValue::from_static(host);
                (header::HOST, value)
            });
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(name, value);
            }
            let uri: Uri = uri.parse().expect("a target");
            let found = host(&uri, &headers, true).ok();
            assert_eq!(
                found,
                expected.map(|host| host.map(str::to_owned)),
                "{uri} {hosts:?}"
            );
        }
    }
}
