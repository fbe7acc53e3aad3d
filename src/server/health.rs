//! Probes for machines that watch over this one.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use super::Gateway;
use crate::{
    cache::Read,
    schema::code_of,
    source::{
        Context, Filter, ListRequest, Listing, Narrowed, Order, Parameters, Position, Source,
        SourceError, Status,
    },
};

/// How long a probe waits for a source.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process is up.
pub async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// 200 while at least one source answers; names the state of each.
pub async fn ready(State(gateway): State<Gateway>) -> Response {
    let probes = probe(&gateway, PATIENCE).await;
    let usable = probes.iter().any(|probe| probe.result.is_ok());
    let sources: serde_json::Map<String, serde_json::Value> = probes
        .iter()
        .map(|probe| {
            let word = match &probe.result {
                Ok(_) => "ok",
                Err(error) => code_of(error).word(),
            };
            (probe.source.profile().name.to_string(), word.into())
        })
        .collect();
    let (status, word) = if usable {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no source answers")
    };
    let health: serde_json::Map<String, serde_json::Value> = probes
        .iter()
        .map(|probe| {
            let word = match probe.source.health().status {
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

/// What the merged list asks a source for when nothing is filtered.
fn listed(source: &dyn Source) -> Parameters {
    match source.narrow(&Filter::default(), Order::NEWEST.by) {
        Narrowed::Ask { parameters, .. } => parameters,
        Narrowed::Skip(_) | Narrowed::Unsupported(_) => Parameters::default(),
    }
}

/// How a source answered when asked for one asset.
pub struct Probe {
    pub source: Arc<dyn Source>,
    pub result: Result<Read, SourceError>,
}

/// Asks every source for one asset, all at once.
pub async fn probe(gateway: &Gateway, patience: Duration) -> Vec<Probe> {
    let deadline = Instant::now() + patience;
    join_all(gateway.registry().all().iter().map(|source| async move {
        let request = ListRequest {
            listing: Listing::Own,
            order: Order::NEWEST,
            after: None,
            before: None,
            position: Position::Start,
            length: 1,
            parameters: listed(source.as_ref()),
        };
        let context = Arc::new(Context::new(patience, 1));
        let shelf = &gateway.0.shelf;
        Probe {
            result: shelf
                .page(source, request, &context, deadline)
                .await
                // What it said before is no answer.
                .and_then(|read| match read.stale {
                    Some(error) => Err(error),
                    None => Ok(read),
                }),
            source: Arc::clone(source),
        }
    }))
    .await
}
