//! Who may come in: requests that name this gateway, so that no page of another site can reach it
//! under a name of its own (DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::Response,
};
use url::Url;

use super::{Gateway, RequestId, refusal::Refusal};

/// Names this gateway answers to: loopback's, its own address's, and the public one.
#[derive(Debug)]
pub struct AllowedHosts {
    own: IpAddr,
    public: Option<String>,
    /// The public address's host, with its port where it is not the scheme's.
    public_authority: String,
}

impl AllowedHosts {
    pub fn new(address: SocketAddr, public_url: &Url) -> Self {
        Self {
            own: address.ip(),
            public: public_url.host_str().map(str::to_ascii_lowercase),
            public_authority: public_url.authority().to_owned(),
        }
    }

    /// `host` without its port.
    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            // An address cannot be rebound; on all interfaces any of ours may have been meant.
            return address.is_loopback() || address == self.own || self.own.is_unspecified();
        }
        host == "localhost" || Some(&host) == self.public.as_ref()
    }

    /// Whether a page of this origin may open a WebSocket: only our own pages, which are at the
    /// host and port that the request itself names, or at the public address.
    pub fn allows_origin(&self, origin: &str, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.parse::<Uri>() else {
            return false;
        };
        let named = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let authority = origin.authority().map(Authority::as_str);
        authority.is_some() && (authority == named || authority == Some(&self.public_authority))
    }
}

/// The host a request names: the target's own, or the `Host` header's.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some(host) = uri.host() {
        return Some(host.to_owned());
    }
    let authority: Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

/// Refuses requests for other hosts. Health probes may use any name.
pub async fn check_host(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let named = host(request.uri(), request.headers());
    let is_probe = matches!(request.uri().path(), "/health" | "/ready");
    if is_probe || named.is_some_and(|host| gateway.0.hosts.allows(&host)) {
        return next.run(request).await;
    }
    let id = request.extensions().get::<RequestId>().cloned();
    Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        "FORBIDDEN",
        "this gateway does not answer to that host name: use localhost, its address, or the host \
         of `public_url` in its configuration",
    )
    .into_response(&id.unwrap_or_else(RequestId::random))
}
