//! `/graphql/ws`: the same graph, the same limits, over a WebSocket (graphql-transport-ws, and the
//! older graphql-ws).

use async_graphql::{
    Data, Executor, Request as GraphRequest, Response as GraphResponse, ServerError,
    futures_util::stream::BoxStream,
};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    http::{StatusCode, header},
    response::Response,
};
use futures_util::StreamExt;
use std::sync::Arc;

use super::{Gateway, RequestId, document, graphql, refusal::Refusal};

/// `GET /graphql/ws`.
pub async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let id = request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .unwrap_or_else(RequestId::random);
    match upgrade(gateway, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&id),
    }
}

async fn upgrade(gateway: Gateway, request: Request) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    // Browsers open WebSockets across origins without asking; others send no Origin.
    let is_ours = parts.headers.get(header::ORIGIN).is_none_or(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| gateway.0.hosts.allows_origin(origin, &parts.headers))
    });
    if !is_ours {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            "pages of this origin may not open a WebSocket here",
        ));
    }
    let protocol = GraphQLProtocol::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| {
            Refusal::bad_request(
                "name a WebSocket sub-protocol: graphql-transport-ws, or the older graphql-ws",
            )
        })?;
    let limit = gateway.0.limits.body_bytes;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| Refusal::bad_request("this address takes WebSockets only"))?;
    Ok(upgrade
        .protocols(["graphql-transport-ws", "graphql-ws"])
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| {
            GraphQLWebSocket::new(socket, Guarded(gateway), protocol).serve()
        }))
}

/// The graph behind the limits that HTTP requests have.
#[derive(Clone)]
struct Guarded(Gateway);

impl Executor for Guarded {
    async fn execute(&self, mut request: GraphRequest) -> GraphResponse {
        let id = RequestId::random();
        let read = document::read(&request.query, &self.0.0.limits).and_then(|document| {
            let name = request.operation_name.as_deref();
            let kind = document::operation_type(&document, name)?;
            document::check_variables(&request.variables)?;
            Ok((document, kind))
        });
        match read {
            Ok((document, kind)) => {
                request.query.clear();
                request.set_parsed_query(document);
                graphql::run(&self.0, kind, request, None, &id).await
            }
            Err(refusal) => {
                tracing::info!(request.id = %id.0, code = refusal.code, reason = %refusal, "refused");
                let mut error = ServerError::new(refusal.message, None);
                let extensions = error.extensions.get_or_insert_default();
                extensions.set("code", refusal.code);
                extensions.set("requestId", &*id.0);
                GraphResponse::from_errors(vec![error])
            }
        }
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
