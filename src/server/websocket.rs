//! `/graphql/ws`: the same graph, the same limits, over a WebSocket (graphql-transport-ws, and the
//! older graphql-ws).

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
    request_id::RequestId,
    session::{self, Session},
    state::{CREDENTIAL, Gateway},
};
use crate::{
    access::Client,
    config::Limits,
    document::{self, DocumentError},
    schema::Code,
};

/// The sub-protocols.
const NEWER: &str = "graphql-transport-ws";
const OLDER: &str = "graphql-ws";

/// How long a socket may take for its `connection_init`.
const INIT: Duration = Duration::from_secs(10);

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
    // Browsers open WebSockets across origins without asking; others send no Origin.
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    if !origins.all(|origin| gateway.0.origins.allow(origin, &parts.headers)) {
        return Err(RequestError::new(
            StatusCode::FORBIDDEN,
            Code::Forbidden,
            "pages of this origin may not open a WebSocket here: `cors_origins` in the \
             configuration names those that may",
        ));
    }
    session::charge(&gateway, &Client::at(address), 1)?;
    if !parts.headers.contains_key(header::UPGRADE) && parts.version <= Version::HTTP_11 {
        return Err(RequestError::new(
            StatusCode::UPGRADE_REQUIRED,
            Code::BadUserInput,
            "this address takes WebSockets (graphql-transport-ws): the graph is at /graphql too",
        ));
    }
    let name = protocol(&parts.headers).ok_or_else(|| {
        RequestError::bad_request(
            "name a WebSocket sub-protocol: graphql-transport-ws, or the older graphql-ws",
        )
    })?;
    // The engine would take the first that is offered, whichever is answered.
    let headers = &mut parts.headers;
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(name),
    );
    let protocol = GraphQLProtocol::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| RequestError::bad_request("the sub-protocol is not known"))?;
    let limit = gateway.0.limits.body_bytes;
    let init = INIT.min(gateway.0.limits.idle);
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| RequestError::bad_request("this address takes WebSockets only"))?;
    let is_alone = parts.version < Version::HTTP_2;
    let sent = parts.headers;
    let deadline = Instant::now() + init;
    let (open, stopping) = (gateway.0.sockets.open(), gateway.0.sockets.stopping());
    let (idle, client) = (gateway.0.limits.idle, Client::at(address));
    let memory = gateway.0.memory.clone();
    Ok(upgrade
        .protocols([name])
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| async move {
            // As long as the socket lives it has its connection's place.
            let _request = peer.as_ref().map(|peer| peer.0.requests.begin());
            // An HTTP/2 connection has several: which one's bytes they are is not seen there.
            let partial = peer.as_ref().filter(|_| is_alone);
            let partial = partial.map(|peer| Arc::clone(&peer.0.partial));
            let (_peer, _open) = (peer, open);
            let session = Arc::<OnceLock<Session>>::default();
            let guarded = Guarded {
                gateway: gateway.clone(),
                session: Arc::clone(&session),
                places: Arc::new(Semaphore::new(gateway.0.limits.socket_operations)),
                cost: Arc::default(),
            };
            let refused = Arc::<OnceLock<Close>>::default();
            let reason = Arc::clone(&refused);
            let began = Arc::clone(&session);
            let (ours, sink, stream) = bridge::pair();
            let serving = GraphQLWebSocket::new_with_pair(sink, stream, guarded, protocol)
                .on_connection_init(move |payload| async move {
                    let id = RequestId::new();
                    let opened = match with_payload(sent, &payload) {
                        Ok(headers) => Session::open(&gateway, &headers, address).await,
                        Err(refusal) => Err(refusal),
                    };
                    match opened {
                        // The protocol has one `connection_init`.
                        Ok(own) => drop(session.set(own)),
                        Err(refusal) => {
                            refusal.log(id);
                            let text = error::excerpt(&refusal.message, 80);
                            let text = format!("{text} (request {id})");
                            // A client that is refused must stay away; others may come back.
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
                protocol: if name == NEWER {
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
            // The engine ends when the pump does: nothing comes to it any more.
            tokio::join!(serving, pump.run());
        }))
}

/// The better of the sub-protocols that are offered and known.
fn protocol(headers: &HeaderMap) -> Option<&'static str> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offered: Vec<&str> = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    [NEWER, OLDER]
        .into_iter()
        .find(|name| offered.contains(name))
}

/// The upgrade's headers, and those in the payload of `connection_init`: a browser's page cannot
/// send headers of its own with the upgrade.
///
/// # Errors
/// A [`RequestError`] for what cannot be a header, or is sent both ways.
fn with_payload(
    mut headers: HeaderMap,
    payload: &serde_json::Value,
) -> Result<HeaderMap, RequestError> {
    for (name, value) in payload.as_object().into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        if name != "authorization" && !name.starts_with(CREDENTIAL) {
            continue;
        }
        let header = HeaderName::try_from(&name).ok();
        let value = value
            .as_str()
            .and_then(|value| HeaderValue::from_str(value).ok());
        let (Some(header), Some(value)) = (header, value) else {
            return Err(RequestError::bad_request(
                "`authorization` and `x-asset-source-…` in the payload of `connection_init` must \
                 be texts that fit a header",
            ));
        };
        headers.append(header, value);
    }
    Ok(headers)
}

/// The graph behind the limits and the access that HTTP requests have.
#[derive(Clone)]
struct Guarded {
    gateway: Gateway,
    /// The client that sent `connection_init`.
    session: Arc<OnceLock<Session>>,
    /// For operations under way.
    places: Arc<Semaphore>,
    /// What those under way may cost together.
    cost: Arc<AtomicU64>,
}

/// An operation's cost, as long as it is under way.
struct Charged<'a> {
    all: &'a AtomicU64,
    own: u64,
}

impl<'a> Charged<'a> {
    fn new(all: &'a AtomicU64, own: u64, limits: &Limits) -> Result<Self, RequestError> {
        let charged = Self { all, own };
        let before = all.fetch_add(own, Ordering::Relaxed);
        document::check_cost(before.saturating_add(own), limits)?;
        Ok(charged)
    }
}

impl Drop for Charged<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

impl Guarded {
    async fn answer(
        &self,
        request: GraphRequest,
        id: RequestId,
    ) -> Result<GraphResponse, RequestError> {
        let session = self.session.get().ok_or_else(|| {
            RequestError::bad_request("send `connection_init` before the first operation")
        })?;
        session.check()?;
        let most = self.gateway.0.limits.socket_operations;
        let _place = self.places.try_acquire().map_err(|_| {
            let name = "number of operations at once on this socket";
            RequestError::from(DocumentError::limit(name, most + 1, most))
        })?;
        session::charge(&self.gateway, &session.client, 1)?;
        let mut memory = Memory::of(&self.gateway, &session.client);
        let asked = GraphqlRequest::over_socket(request)?;
        let prepared = graphql::prepare(&self.gateway, asked, None, &mut memory)?;
        let _charged = Charged::new(&self.cost, prepared.cost(), &self.gateway.0.limits)?;
        let prepared = prepared.into_values();
        let done = graphql::run(&self.gateway, session, prepared, None, id).await;
        let mut response = done.response;
        response.errors = graphql::shown(&response, id);
        Ok(response)
    }
}

impl Executor for Guarded {
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
        // Queries and mutations have one answer; there are no subscriptions yet.
        let guarded = self.clone();
        futures_util::stream::once(async move { guarded.execute(request).await }).boxed()
    }
}
