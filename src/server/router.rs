//! The router: the routes, and the layers before them. A request to the graph goes on in
//! [`super::graphql`].

use std::panic::AssertUnwindSafe;

use axum::{
    Extension, Router,
    body::HttpBody,
    extract::{ConnectInfo, Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::{any, get},
};
use futures_util::FutureExt;
use tracing::Instrument;

use super::{
    content_negotiation,
    drain_body::DrainOnDrop,
    error::{self, RequestError},
    graphql, health,
    listener::{Peer, TrackedBody},
    media,
    media_type::MediaType,
    request_id::{self, RequestId},
    session,
    state::Gateway,
    websocket,
};
use crate::{explorer, schema::Code};

/// The path of the graph.
const GRAPH: &str = "/graphql";

/// The largest response, in bytes, that is sent at once.
const SMALL: u64 = 16 * 1024;

impl Gateway {
    /// Builds the router: the routes and their layers.
    pub fn router(&self) -> Router {
        let pages = Router::new()
            // For people and GraphQL clients.
            .route("/", get(explorer_page))
            .route(GRAPH, any(graphql::handle))
            .route("/graphql/ws", any(websocket::handle))
            // For browsers: the files that responses and the explorer page link to.
            .route("/media/{token}", get(media::handle))
            .route("/explorer/{file}", get(explorer_file))
            // For monitoring.
            .route("/health", get(health::health))
            .route("/ready", get(health::ready))
            .fallback(error::no_such_page)
            .method_not_allowed_fallback(error::no_such_method)
            .with_state(self.clone());
        let pages = match self.0.origins.layer() {
            Some(cors) => pages.layer(cors),
            None => pages,
        };
        pages.layer(middleware::from_fn_with_state(self.clone(), identify))
    }
}

/// Gives the request its id and its span, and sets the id on the response.
async fn identify(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let id = RequestId::new();
    let client = session::address(&gateway, &request);
    // The graph handler makes its own span, and only if the response is not cached.
    let is_graph = request.uri().path() == GRAPH;
    let span = if is_graph {
        tracing::Span::none()
    } else {
        request_id::span(client)
    };
    let media_type = if is_graph {
        content_negotiation::for_refusal(request.headers())
    } else {
        MediaType::Json
    };
    request.extensions_mut().insert(id);
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let active = peer.map(|peer| peer.0.requests.begin());
    let request = request.map(DrainOnDrop::of);
    // A panic fails only this request. The log reports it.
    let run = async {
        match check(&gateway, &request) {
            Ok(()) => next.run(request).await,
            Err(refusal) => {
                request_id::span(client).in_scope(|| refusal.log(id));
                refusal.into_response_as(media_type, id)
            }
        }
    };
    let run = AssertUnwindSafe(run).catch_unwind().instrument(span).await;
    let mut response = run.unwrap_or_else(|_| {
        tracing::error!(request.id = %id, %client, "a request handler panicked");
        RequestError::internal().into_response_as(media_type, id)
    });
    id.add_to(&mut response);
    match active {
        // A small response is sent at once, so the request needs no tracking.
        Some(active)
            if response
                .body()
                .size_hint()
                .exact()
                .is_none_or(|bytes| bytes > SMALL) =>
        {
            response.map(|body| TrackedBody::of(body, active))
        }
        _ => response,
    }
}

/// Checks what no route may see.
fn check(gateway: &Gateway, request: &Request) -> Result<(), RequestError> {
    gateway.0.hosts.check(request)?;
    gateway.0.origins.check_preflight(request)?;
    let codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let codings = codings.filter_map(|value| value.to_str().ok());
    let mut codings = codings.flat_map(|value| value.split(',')).map(str::trim);
    let is_unknown = |coding: &str| !coding.is_empty() && !coding.eq_ignore_ascii_case("chunked");
    if codings.any(is_unknown) {
        // RFC 9112, 6.1.
        return Err(RequestError::new(
            StatusCode::NOT_IMPLEMENTED,
            Code::BadUserInput,
            "send the body with no transfer coding but `chunked`",
        ));
    }
    Ok(())
}

async fn explorer_file(
    State(gateway): State<Gateway>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    id: Option<Extension<RequestId>>,
) -> Response {
    let path = path.ok().filter(|_| gateway.0.explorer);
    match path.and_then(|path| explorer::file(&path, &headers)) {
        Some(response) => response,
        None => error::no_such_page(id).await,
    }
}

async fn explorer_page(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    id: Option<Extension<RequestId>>,
) -> Response {
    if gateway.0.explorer {
        explorer::page(&headers)
    } else {
        error::no_such_page(id).await
    }
}
