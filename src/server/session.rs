//! Who asks, whose requests are counted, and with which credentials of their own.

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
    state::{CREDENTIAL, Gateway},
};
use crate::{
    access::{Caller, Client, Denied, RequestQuota},
    asset::SourceName,
    cache::ViewerScope,
    config::Secret,
    loader::Loader,
    schema::{Code, Operation, Uploads},
    source::{Registry, RequestContext, Source},
    write::{UploadBudget, UploadFiles},
};

/// The longest credential of a caller, in bytes.
const MAX_CREDENTIAL: usize = 8 * 1024;
/// Says who a proxy speaks for.
const FORWARDED: &str = "x-forwarded-for";

/// Somebody who asks, as long as a request or a WebSocket lasts.
#[derive(Clone)]
pub struct Session {
    pub caller: Caller,
    /// Whose requests are counted.
    pub client: Client,
    /// Where they come from.
    pub address: IpAddr,
    /// The sources as this caller sees them.
    pub registry: Arc<Registry>,
    /// With credentials of the caller's own.
    pub has_credentials: bool,
}

impl Session {
    /// Of these headers, sent from this address.
    ///
    /// # Errors
    /// 401 for a caller who is not known, 503 while that is not known, 400 for a credential that
    /// nothing can be done with.
    pub async fn open(
        gateway: &Gateway,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Self, RequestError> {
        let parts = &gateway.0;
        let caller = match parts.access.caller(headers).await {
            Ok(caller) => caller,
            Err(denied) => {
                // Wrong credentials count too.
                charge(gateway, &Client::at(address), 1)?;
                return Err(refusal(denied));
            }
        };
        let client = if parts.access.is_open() {
            Client::at(address)
        } else {
            Client::Known(Arc::clone(caller.who()))
        };
        let credentials = credentials(headers)?;
        let has_credentials = !credentials.is_empty();
        let registry = if credentials.is_empty() {
            Arc::clone(&parts.registry)
        } else {
            let seen = parts.registry.with(credentials);
            Arc::new(seen.map_err(|wrong| RequestError::bad_request(wrong.to_string()))?)
        };
        Ok(Self {
            caller,
            client,
            address,
            registry,
            has_credentials,
        })
    }

    /// What the gateway does by itself, with its own credentials.
    pub fn of_gateway(gateway: &Gateway) -> Self {
        Self {
            caller: Caller::anonymous(),
            client: Client::at(Ipv4Addr::LOCALHOST.into()),
            address: Ipv4Addr::LOCALHOST.into(),
            registry: Arc::clone(&gateway.0.registry),
            has_credentials: false,
        }
    }

    /// What one operation works with.
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
                    places: state.upload_places.clone(),
                    spools: state.spools.clone(),
                },
            },
            ids: limits.ids,
            bulk_delete_ids: limits.bulk_delete_ids,
            writes_json: false,
        }
    }

    /// What decides what the caller sees.
    pub fn viewer_scope(&self) -> ViewerScope {
        let scope = |source: &Arc<dyn Source>| source.profile().scope;
        ViewerScope {
            permissions: self.caller.permissions(),
            scopes: self
                .has_credentials
                .then(|| self.registry.all().iter().map(scope).collect()),
        }
    }

    /// Refuses somebody whose token has run out since.
    ///
    /// # Errors
    /// 401.
    pub fn check(&self) -> Result<(), RequestError> {
        if self.caller.has_expired() {
            return Err(refusal(Denied::Token("it has expired")));
        }
        Ok(())
    }
}

/// Counts requests of a client's.
///
/// # Errors
/// 429 when there are too many.
pub fn charge(
    gateway: &Gateway,
    client: &Client,
    count: usize,
) -> Result<Option<RequestQuota>, RequestError> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    match gateway.0.rates.take(client, count) {
        Some(standing) if standing.wait.is_some() => Err(RequestError::too_often(standing)),
        standing => Ok(standing),
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

/// The credentials of the caller's own.
fn credentials(headers: &HeaderMap) -> Result<Vec<(SourceName, Secret)>, RequestError> {
    let names = headers.keys().map(axum::http::HeaderName::as_str);
    let mut all = Vec::new();
    for name in names.filter(|name| name.starts_with(CREDENTIAL)) {
        let source = SourceName::parse(&name[CREDENTIAL.len()..]).map_err(|_| {
            RequestError::bad_request(
                "a header `x-asset-source-…` names a source in no way it can have",
            )
        })?;
        let mut values = headers.get_all(name).iter();
        let credential = match (values.next(), values.next()) {
            (Some(one), None) => credential(one),
            _ => None,
        };
        let credential = credential.ok_or_else(|| {
            RequestError::bad_request(format!(
                "`{name}` must have exactly one value: a credential of visible ASCII letters, \
                 without commas"
            ))
        })?;
        all.push((source, credential));
    }
    Ok(all)
}

/// What can be sent on as it is. A comma would make two values of it.
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

/// The client that requests count for where callers are not authenticated.
pub fn client(gateway: &Gateway, request: &Request) -> Client {
    Client::at(address(gateway, request))
}

/// Where a request comes from: the connection's other end, or whom a trusted proxy speaks for.
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
    // From the nearest: the first that is no proxy of ours. What stands before it anybody can write.
    let said: Vec<&str> = request
        .headers()
        .get_all(FORWARDED)
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for text in said.into_iter().rev() {
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

/// An address as proxies write it, some with a port.
fn forwarded(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let own = bare.parse::<IpAddr>().ok();
    own.or_else(|| text.parse::<SocketAddr>().ok().map(|own| own.ip()))
}
