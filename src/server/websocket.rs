//! `/graphql/ws`: the graph over a WebSocket, with the same limits. Supports graphql-transport-ws
//! and the older graphql-ws.

mod bridge;
mod legacy_ws;
pub mod sockets;
mod transport_ws;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Data, Executor, Request as GraphRequest, Response as GraphResponse,
    futures_util::stream::BoxStream,
};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header},
    response::Response,
};
use futures_util::StreamExt;
use tokio::{sync::Semaphore, time::Instant};

use self::{
    bridge::Protocol,
    legacy_ws::Older,
    transport_ws::{Close, Newer},
};
use super::{
    error::{self, RequestError},
    graphql::{self, GraphqlRequest},
    listener::Peer,
    memory::Memory,
    origin_policy::origin_refusal,
    request_id::RequestId,
    session::{self, Session},
    state::{CREDENTIAL_HEADER_PREFIX, Gateway},
};
use crate::{
    access::Client,
    document::{self, DocumentError},
    schema::Code,
    settings::Limits,
};

/// The supported sub-protocols.
const TRANSPORT_WS: &str = "graphql-transport-ws";
const LEGACY_WS: &str = "graphql-ws";

/// How long a client may take to send `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// `GET /graphql/ws`.
pub async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let id = RequestId::of(&request);
    match upgrade(gateway, request).await {
        Ok(response) => response,
        Err(refusal) => {
            refusal.log(id);
            refusal.into_response(id)
        }
    }
}

async fn upgrade(gateway: Gateway, request: Request) -> Result<Response, RequestError> {
    let address = session::address(&gateway, &request);
    let peer = request.extensions().get::<ConnectInfo<Peer>>().cloned();
    let (mut parts, _) = request.into_parts();
    // Browsers open cross-origin WebSockets without a preflight. Other clients send no `Origin`.
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let is_refused =
        |origin: &&HeaderValue| !gateway.0.origins.allow(origin, &parts.uri, &parts.headers);
    if let Some(origin) = origins.find(is_refused) {
        return Err(origin_refusal(origin));
    }
    session::charge(&gateway, &Client::at(address), 1)?;
    if !parts.headers.contains_key(header::UPGRADE) && parts.version <= Version::HTTP_11 {
        return Err(RequestError::new(
            StatusCode::UPGRADE_REQUIRED,
            Code::BadUserInput,
            "this URL takes WebSockets (graphql-transport-ws): send HTTP requests to /graphql",
        ));
    }
    let name = protocol(&parts.headers).ok_or_else(|| {
        RequestError::bad_request(
            "offer a WebSocket sub-protocol: graphql-transport-ws, or the older graphql-ws",
        )
    })?;
    // The engine takes the first protocol offered, even if the response names another.
    let headers = &mut parts.headers;
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(name),
    );
    let protocol = GraphQLProtocol::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| RequestError::bad_request("the sub-protocol is not supported"))?;
    let limit = gateway.0.limits.body_bytes;
    let init = INIT_TIMEOUT.min(gateway.0.limits.idle);
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| RequestError::bad_request("this URL takes WebSockets only"))?;
    let is_http1 = parts.version < Version::HTTP_2;
    let upgrade_headers = parts.headers;
    let deadline = Instant::now() + init;
    let (open, stopping) = (gateway.0.sockets.open(), gateway.0.sockets.stopping());
    let (idle, client) = (gateway.0.limits.idle, Client::at(address));
    let memory = gateway.0.memory.clone();
    Ok(upgrade
        .protocols([name])
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| async move {
            // The socket counts as a request, and keeps its connection's slot, while it lives.
            let _request = peer.as_ref().map(|peer| peer.0.requests.begin());
            // HTTP/2 shares a connection: its received bytes cannot be assigned to one socket.
            let partial = peer.as_ref().filter(|_| is_http1);
            let partial = partial.map(|peer| Arc::clone(&peer.0.partial));
            let (_peer, _open) = (peer, open);
            let session = Arc::<OnceLock<Session>>::default();
            let guarded = SocketExecutor {
                gateway: gateway.clone(),
                session: Arc::clone(&session),
                slots: Arc::new(Semaphore::new(gateway.0.limits.socket_operations)),
                cost: Arc::default(),
            };
            let refused = Arc::<OnceLock<Close>>::default();
            let reason = Arc::clone(&refused);
            let began = Arc::clone(&session);
            let (ours, sink, stream) = bridge::pair();
            let serving = GraphQLWebSocket::new_with_pair(sink, stream, guarded, protocol)
                .on_connection_init(move |payload| async move {
                    let id = RequestId::new();
                    let opened = match with_payload(upgrade_headers, &payload) {
                        Ok(headers) => Session::open(&gateway, &headers, address).await,
                        Err(refusal) => Err(refusal),
                    };
                    match opened {
                        // The protocol allows only one `connection_init`.
                        Ok(opened_session) => drop(session.set(opened_session)),
                        Err(refusal) => {
                            refusal.log(id);
                            let text = error::excerpt(&refusal.message, 80);
                            let text = format!("{text} (request {id})");
                            // A refused client must not reconnect (4403). Others may retry (1013).
                            let code = if refusal.status.is_client_error()
                                && refusal.status != StatusCode::TOO_MANY_REQUESTS
                            {
                                4403
                            } else {
                                1013
                            };
                            drop(reason.set(Close::new(code, &text)));
                            return Err(text.into());
                        }
                    }
                    Ok(Data::default())
                })
                .serve();
            let pump = bridge::Pump {
                socket,
                ours,
                protocol: if name == TRANSPORT_WS {
                    Protocol::Newer(Newer::new())
                } else {
                    Protocol::Older(Older::default())
                },
                deadline,
                idle,
                stopping,
                memory,
                client,
                partial,
                has_begun: &|| began.get().is_some(),
                refused: &refused,
            };
            // The engine ends with the pump, which closes its input.
            tokio::join!(serving, pump.run());
        }))
}

/// The preferred one of the supported sub-protocols that the client offers.
fn protocol(headers: &HeaderMap) -> Option<&'static str> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered: Vec<&str> = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    [TRANSPORT_WS, LEGACY_WS]
        .into_iter()
        .find(|name| offered.contains(name))
}

/// Adds the headers in the payload of `connection_init` to those of the upgrade: a page in a
/// browser cannot set headers on the upgrade.
///
/// # Errors
/// 400: a value in the payload is not a valid header value.
fn with_payload(
    mut headers: HeaderMap,
    payload: &serde_json::Value,
) -> Result<HeaderMap, RequestError> {
    for (name, value) in payload.as_object().into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        if name != "authorization" && !name.starts_with(CREDENTIAL_HEADER_PREFIX) {
            continue;
        }
        let header = HeaderName::try_from(&name).ok();
        let value = value
            .as_str()
            .and_then(|value| HeaderValue::from_str(value).ok());
        let (Some(header), Some(value)) = (header, value) else {
            return Err(RequestError::bad_request(
                "`authorization` and `x-asset-source-…` in the payload of `connection_init` must \
                 be strings that are valid header values",
            ));
        };
        headers.append(header, value);
    }
    Ok(headers)
}

/// Executes operations with the limits and access checks of HTTP requests.
#[derive(Clone)]
struct SocketExecutor {
    gateway: Gateway,
    /// The session that `connection_init` opened.
    session: Arc<OnceLock<Session>>,
    /// The slots for concurrent operations.
    slots: Arc<Semaphore>,
    /// The total cost of the operations in progress.
    cost: Arc<AtomicU64>,
}

/// The cost of an operation in progress. Dropping it subtracts the cost from the total.
struct ReservedCost<'a> {
    total: &'a AtomicU64,
    cost: u64,
}

impl<'a> ReservedCost<'a> {
    fn new(total: &'a AtomicU64, cost: u64, limits: &Limits) -> Result<Self, RequestError> {
        let charged = Self { total, cost };
        let before = total.fetch_add(cost, Ordering::Relaxed);
        document::check_cost(before.saturating_add(cost), limits)?;
        Ok(charged)
    }
}

impl Drop for ReservedCost<'_> {
    fn drop(&mut self) {
        self.total.fetch_sub(self.cost, Ordering::Relaxed);
    }
}

impl SocketExecutor {
    async fn answer(
        &self,
        request: GraphRequest,
        id: RequestId,
    ) -> Result<GraphResponse, RequestError> {
        let session = self.session.get().ok_or_else(|| {
            RequestError::bad_request("send `connection_init` before the first operation")
        })?;
        session.check()?;
        let maximum = self.gateway.0.limits.socket_operations;
        let _slot = self.slots.try_acquire().map_err(|_| {
            let maximum = maximum as u64;
            RequestError::from(DocumentError::limit(
                "socket_operations",
                "number of operations at once on this socket",
                maximum + 1,
                maximum,
            ))
        })?;
        session::charge(&self.gateway, &session.client, 1)?;
        let mut memory = Memory::of(&self.gateway, &session.client);
        let graphql_request = GraphqlRequest::over_socket(request)?;
        let prepared = graphql::prepare(&self.gateway, graphql_request, None, &mut memory)?;
        let _charged = ReservedCost::new(&self.cost, prepared.cost(), &self.gateway.0.limits)?;
        let prepared = prepared.into_values();
        let done = graphql::run(&self.gateway, session, prepared, None, id).await;
        let mut response = done.response;
        response.errors = graphql::shown(&response, id);
        Ok(response)
    }
}

impl Executor for SocketExecutor {
    async fn execute(&self, request: GraphRequest) -> GraphResponse {
        let id = RequestId::new();
        let refusal = match self.answer(request, id).await {
            Ok(response) => return response,
            Err(refusal) => refusal,
        };
        refusal.log(id);
        GraphResponse::from_errors(refusal.to_errors(id))
    }

    fn execute_stream(
        &self,
        request: GraphRequest,
        _session: Option<Arc<Data>>,
    ) -> BoxStream<'static, GraphResponse> {
        // Queries and mutations yield one response. There are no subscriptions yet.
        let guarded = self.clone();
        futures_util::stream::once(async move { guarded.execute(request).await }).boxed()
    }
}
