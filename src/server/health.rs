//! The health probes `/health` and `/ready`, for monitoring.

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    session::{self, Session},
    state::Gateway,
};
use crate::{access::Permission, schema::code_of, source::Status};

pub use super::readiness::Probe;
use super::readiness::probe_all;

/// Reports that the process is up.
pub async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// Answers 200 if a source answered its probe in the last three seconds or takes only callers'
/// credentials, else 503. Callers with read permission also get the state of each source.
pub async fn ready(State(gateway): State<Gateway>, request: Request) -> Response {
    let address = session::address(&gateway, &request);
    let (parts, _) = request.into_parts();
    let state = &gateway.0;
    let probes = state.readiness.latest(&state.registry, &state.asset_cache);
    let probes = probes.await.unwrap_or_default();
    let usable = probes.iter().any(Probe::is_fine);
    let (status, word) = if usable {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no source answers")
    };
    // Only callers with read permission see the sources and their state.
    let session = Session::open(&gateway, &parts.headers, address).await;
    let is_named = state.hosts.names(&parts.uri, &parts.headers);
    if !(is_named && session.is_ok_and(|session| session.caller.may(Permission::Read))) {
        return (status, Json(json!({ "status": word }))).into_response();
    }
    let sources: serde_json::Map<String, serde_json::Value> = probes
        .iter()
        .map(|probe| {
            let word = match &probe.result {
                None => "not asked: callers bring their credential",
                Some(Ok(_)) => "ok",
                Some(Err(error)) => code_of(error).as_str(),
            };
            (probe.source.profile().name.to_string(), word.into())
        })
        .collect();
    let health: serde_json::Map<String, serde_json::Value> = probes
        .iter()
        .map(|probe| {
            let word = match probe.source.breaker().health().status {
                Status::Up => "UP",
                Status::Degraded => "DEGRADED",
                Status::Down => "DOWN",
            };
            (probe.source.profile().name.to_string(), word.into())
        })
        .collect();
    let body = json!({ "status": word, "sources": sources, "health": health });
    (status, Json(body)).into_response()
}

/// Asks all sources for one asset concurrently, and waits at most `patience`.
pub async fn probe(gateway: &Gateway, patience: Duration) -> Vec<Probe> {
    probe_all(&gateway.0.registry, &gateway.0.asset_cache, patience).await
}
