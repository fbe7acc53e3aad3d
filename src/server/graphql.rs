//! Handles one GraphQL request: negotiate → read → limit → parse → execute → respond.

mod batch;
mod cache_control;
pub mod encoded_response;
mod execute;
pub mod multipart;
pub mod outcome;
mod prepare;
mod request;
mod response;
mod single;

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::Response,
};
use tracing::Instrument;

use self::request::{RequestBody, read};
use super::{
    content_negotiation,
    error::{self, RequestError},
    memory::Memory,
    request_id::{self, RequestId},
    session::{self, Session},
    state::Gateway,
};
use crate::{cache::ResponseKey, explorer};

pub use execute::run;
pub use prepare::prepare;
pub use request::{GraphqlRequest, RequestVariables, operations_of_body};
pub use response::shown;

/// Handles `GET`, `HEAD` and `POST /graphql`.
pub async fn handle(State(gateway): State<Gateway>, mut request: Request) -> Response {
    if request.method() == Method::HEAD {
        // HEAD is handled as GET. A lower layer removes the body (RFC 9110, 9.3.2).
        *request.method_mut() = Method::GET;
    }
    let id = RequestId::of(&request);
    let is_navigation = request.method() == Method::GET
        && request.headers().get(header::UPGRADE).is_none()
        && content_negotiation::wants_page(request.headers());
    if is_navigation && gateway.0.explorer {
        return explorer::page(request.headers());
    }
    let address = session::address(&gateway, &request);
    let media_type = content_negotiation::for_refusal(request.headers());
    match answer(&gateway, request, address, id).await {
        Ok(response) => response,
        Err(refusal) => {
            request_id::span(address).in_scope(|| refusal.log(id));
            refusal.into_response_as(media_type, id)
        }
    }
}

async fn answer(
    gateway: &Gateway,
    request: Request,
    address: IpAddr,
    id: RequestId,
) -> Result<Response, RequestError> {
    let media_type = content_negotiation::negotiate(request.headers())?;
    if request.method() == Method::GET {
        let (uri, headers) = (request.uri(), request.headers());
        gateway.0.origins.check_get(uri, headers)?;
    }
    let session = Session::open(gateway, request.headers(), address).await?;
    let mut quota = session::charge(gateway, &session.client, 1)?;
    let (head, body) = request.into_parts();
    let span = || request_id::span(address);
    // Holds the request's memory until the response is ready.
    let mut memory = Memory::of(gateway, &session.client);
    let (encoded, status) = match read(gateway, &head, body, &mut memory).await? {
        RequestBody::One(written) => {
            let key = ResponseKey {
                viewer_scope: session.viewer_scope(),
                is_get: head.method == Method::GET,
                written,
            };
            // The fast path for most requests: a cached response. The other paths are boxed, so
            // that this future stays small.
            if let Some(encoded) = gateway.0.answers.get(&key) {
                (encoded, StatusCode::OK)
            } else {
                let outcome = Box::pin(single::answer(gateway, &session, key, id, &mut memory));
                let span = span();
                let outcome = outcome.instrument(span.clone()).await;
                span.in_scope(|| single::encode(outcome, media_type, id))?
            }
        }
        RequestBody::WithFiles(parameters, files) => {
            let outcome = single::with_files(gateway, &session, parameters, files, id, &mut memory);
            let outcome = Box::pin(outcome);
            let span = span();
            let outcome = outcome.instrument(span.clone()).await;
            span.in_scope(|| single::encode(outcome, media_type, id))?
        }
        RequestBody::Batch(operations) => {
            let additional = operations.len() - 1;
            if additional > 0 {
                quota = session::charge(gateway, &session.client, additional)?;
            }
            let outcome = Box::pin(batch::run_batch(
                gateway,
                &session,
                operations,
                id,
                &mut memory,
            ));
            let span = span();
            let outcome = outcome.instrument(span.clone()).await?;
            let encoded = span.in_scope(|| batch::encode_batch(outcome, id))?;
            (Arc::new(encoded), StatusCode::OK)
        }
    };
    encoded.compress_in_background(&head.headers).await;
    let mut response = encoded.respond(media_type, status, &head.headers);
    // Caches need the request headers that the response depends on.
    let vary = gateway.0.vary.clone();
    response.headers_mut().insert(header::VARY, vary);
    if let Some(quota) = quota {
        error::insert_quota_headers(&quota, response.headers_mut());
    }
    Ok(response)
}
