//! The caller of a request, the client it counts for, and the caller's own source credentials.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use async_graphql::parser::types::OperationType;
use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderValue, StatusCode},
};

use super::{
    error::RequestError,
    listener::Peer,
    state::{CREDENTIAL_HEADER_PREFIX, Gateway},
};
use crate::{
    access::{Caller, Client, Denied, RequestQuota},
    asset::SourceName,
    cache::ViewerScope,
    loader::Loader,
    schema::{Code, Operation, Uploads},
    settings::Secret,
    source::{Registry, RequestContext, Source},
    write::{UploadBudget, UploadFiles},
};

/// The longest credential of a caller, in bytes.
const MAX_CREDENTIAL: usize = 8 * 1024;
/// The header in which a proxy sends its client's address.
const FORWARDED: &str = "x-forwarded-for";

/// The caller of a request or a WebSocket, while it lasts.
#[derive(Clone)]
pub struct Session {
    pub caller: Caller,
    /// The client whose requests are counted.
    pub client: Client,
    /// The client's address.
    pub address: IpAddr,
    /// The sources as this caller sees them.
    pub registry: Arc<Registry>,
    /// Whether the caller sent credentials for sources.
    pub has_credentials: bool,
}

impl Session {
    /// Opens the session of a caller that sent these headers from this address.
    ///
    /// # Errors
    /// 401: the caller is unknown. 503: the issuer's keys are unavailable. 400: a source credential
    /// is unusable. 429: an unknown caller sends too many requests.
    pub async fn open(
        gateway: &Gateway,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Self, RequestError> {
        let state = &gateway.0;
        let caller = match state.access.caller(headers).await {
            Ok(caller) => caller,
            Err(denied) => {
                // Failed logins count, too.
                charge(gateway, &Client::at(address), 1)?;
                return Err(refusal(denied));
            }
        };
        let client = if state.access.is_open() {
            Client::at(address)
        } else {
            Client::Known(Arc::clone(caller.who()))
        };
        let credentials = credentials(headers)?;
        let has_credentials = !credentials.is_empty();
        let registry = if credentials.is_empty() {
            Arc::clone(&state.registry)
        } else {
            let scoped = state.registry.with(credentials);
            Arc::new(scoped.map_err(|error| RequestError::bad_request(error.to_string()))?)
        };
        Ok(Self {
            caller,
            client,
            address,
            registry,
            has_credentials,
        })
    }

    /// The gateway's own session, with the configured credentials.
    pub fn of_gateway(gateway: &Gateway) -> Self {
        Self {
            caller: Caller::anonymous(),
            client: Client::at(Ipv4Addr::LOCALHOST.into()),
            address: Ipv4Addr::LOCALHOST.into(),
            registry: Arc::clone(&gateway.0.registry),
            has_credentials: false,
        }
    }

    /// Builds the context of one operation.
    pub fn operation(
        &self,
        gateway: &Gateway,
        kind: OperationType,
        files: Option<Arc<dyn UploadFiles>>,
    ) -> Operation {
        let state = &gateway.0;
        let limits = &state.limits;
        let (time, calls) = match kind {
            OperationType::Mutation => (limits.mutation_deadline, limits.mutation_calls),
            OperationType::Query | OperationType::Subscription => {
                (limits.query_deadline, limits.upstream_calls)
            }
        };
        let context = Arc::new(RequestContext::new(time, calls));
        Operation {
            registry: Arc::clone(&self.registry),
            asset_cache: Arc::clone(&state.asset_cache),
            writer: state.writer.on_behalf_of(self.caller.who()),
            caller: self.caller.clone(),
            loader: Loader::new(
                Arc::clone(&self.registry),
                Arc::clone(&state.asset_cache),
                Arc::clone(&context),
            ),
            context,
            media: state.media.clone(),
            uploads: Uploads {
                parts: files,
                limit: limits.upload_bytes,
                base64_limit: limits.upload_base64_bytes,
                budget: UploadBudget {
                    client: self.client.clone(),
                    slots: state.upload_slots.clone(),
                    spools: state.spools.clone(),
                },
            },
            ids: limits.ids,
            bulk_delete_ids: limits.bulk_delete_ids,
            writes_json: false,
        }
    }

    /// The permissions and credential scopes that decide which data the caller sees.
    pub fn viewer_scope(&self) -> ViewerScope {
        let scope = |source: &Arc<dyn Source>| source.profile().scope;
        ViewerScope {
            permissions: self.caller.permissions(),
            scopes: self
                .has_credentials
                .then(|| self.registry.all().iter().map(scope).collect()),
        }
    }

    /// Refuses a caller whose token has expired since the session began.
    ///
    /// # Errors
    /// 401: the token has expired.
    pub fn check(&self) -> Result<(), RequestError> {
        if self.caller.has_expired() {
            return Err(refusal(Denied::Token("it has expired")));
        }
        Ok(())
    }
}

/// Counts `count` requests of a client.
///
/// # Errors
/// 429: the client has sent too many requests.
pub fn charge(
    gateway: &Gateway,
    client: &Client,
    count: usize,
) -> Result<Option<RequestQuota>, RequestError> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    match gateway.0.rates.take(client, count) {
        Some(quota) if quota.wait.is_some() => Err(RequestError::rate_limited(quota)),
        quota => Ok(quota),
    }
}

fn refusal(denied: Denied) -> RequestError {
    let (status, code) = match denied {
        Denied::Missing | Denied::Malformed | Denied::UnknownKey | Denied::Token(_) => {
            (StatusCode::UNAUTHORIZED, Code::Unauthenticated)
        }
        Denied::NoKeys => (StatusCode::SERVICE_UNAVAILABLE, Code::UpstreamUnavailable),
    };
    RequestError::new(status, code, denied.to_string())
}

/// Reads the caller's own source credentials.
fn credentials(headers: &HeaderMap) -> Result<Vec<(SourceName, Secret)>, RequestError> {
    let names = headers.keys().map(axum::http::HeaderName::as_str);
    let mut found = Vec::new();
    for name in names.filter(|name| name.starts_with(CREDENTIAL_HEADER_PREFIX)) {
        let source = SourceName::parse(&name[CREDENTIAL_HEADER_PREFIX.len()..]).map_err(|_| {
            RequestError::bad_request(
                "a header `x-asset-source-…` does not end in a valid source name",
            )
        })?;
        let mut values = headers.get_all(name).iter();
        let credential = match (values.next(), values.next()) {
            (Some(one), None) => credential(one),
            _ => None,
        };
        let credential = credential.ok_or_else(|| {
            RequestError::bad_request(format!(
                "`{name}` must have exactly one value: a credential of visible ASCII characters, \
                 without commas"
            ))
        })?;
        found.push((source, credential));
    }
    Ok(found)
}

/// Reads a credential that can be passed on unchanged. A comma would split it into two values.
fn credential(value: &HeaderValue) -> Option<Secret> {
    let text = value.to_str().ok()?;
    let fits = !text.trim().is_empty()
        && text.trim() == text
        && text.len() <= MAX_CREDENTIAL
        && text
            .bytes()
            .all(|b| (0x20..=0x7e).contains(&b) && b != b',');
    fits.then(|| Secret::new(text.to_owned()))
}

/// The client that requests count for when callers are not authenticated.
pub fn client(gateway: &Gateway, request: &Request) -> Client {
    Client::at(address(gateway, request))
}

/// The client's address: the connection's peer, or the one that a trusted proxy reports.
pub fn address(gateway: &Gateway, request: &Request) -> IpAddr {
    let peer = request
        .extensions()
        .get::<ConnectInfo<Peer>>()
        .map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.0.address.ip());
    let is_trusted = |address: IpAddr| {
        let address = address.to_canonical();
        gateway.0.proxies.iter().any(|net| net.contains(&address))
    };
    if !is_trusted(peer) {
        return peer;
    }
    // The nearest address that is no trusted proxy. Anyone can forge the entries before it.
    let entries: Vec<&str> = request
        .headers()
        .get_all(FORWARDED)
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for text in entries.into_iter().rev() {
        let Some(address) = forwarded(text.trim()) else {
            break;
        };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// Parses an address as proxies write it, with or without a port.
fn forwarded(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}
