//! Probes for machines that watch over this one.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use super::{
    Gateway, origin_policy,
    session::{self, Session},
};
use crate::{
    access::Permission,
    cache::PageRead,
    schema::code_of,
    source::{
        Filter, ListKind, ListRequest, Order, Parameters, Position, Pushdown, RequestContext,
        Source, SourceError, Status,
    },
};

/// How long a probe waits for a source.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the result of the probes is given again.
const AGE: Duration = Duration::from_secs(3);

/// The result of the last probes, and when they ended.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Arc<[Probe]>)>>);

/// The result of the probes of the last seconds. All callers share them: the sources are asked once.
/// `None`: the gateway itself failed; the log says how.
async fn latest(gateway: &Gateway) -> Option<Arc<[Probe]>> {
    let gateway = gateway.clone();
    // In a task: a caller that leaves does not cancel the probes for the others.
    let probing = tokio::spawn(async move {
        let mut last = gateway.0.readiness.0.lock().await;
        if let Some((at, probes)) = &*last
            && at.elapsed() < AGE
        {
            return Arc::clone(probes);
        }
        let probes: Arc<[Probe]> = probe(&gateway, PATIENCE).await.into();
        *last = Some((Instant::now(), Arc::clone(&probes)));
        probes
    });
    probing
        .await
        .inspect_err(|panic| tracing::error!(%panic, "a probe failed in the gateway itself"))
        .ok()
}

/// The process is up.
pub async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// 200 while at least one source answers, as far as was seen in the last three seconds; names the
/// state of each.
pub async fn ready(State(gateway): State<Gateway>, request: Request) -> Response {
    let address = session::address(&gateway, &request);
    let (parts, _) = request.into_parts();
    let probes = latest(&gateway).await.unwrap_or_default();
    let usable = probes.iter().any(Probe::is_fine);
    let (status, word) = if usable {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no source answers")
    };
    // Which sources there are, and how they do, is for those who are let in.
    let session = Session::open(&gateway, &parts.headers, address).await;
    let is_named = origin_policy::is_named(&gateway, &parts.uri, &parts.headers);
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

/// What the merged list asks a source for when nothing is filtered.
fn listed(source: &dyn Source) -> Parameters {
    match source.push_down(&Filter::default(), Order::NEWEST.by) {
        Pushdown::Ask { parameters, .. } => parameters,
        Pushdown::Skip(_) | Pushdown::Unsupported(_) => Parameters::default(),
    }
}

/// How a source answered when asked for one asset.
pub struct Probe {
    pub source: Arc<dyn Source>,
    /// `None`: it was not asked, as only its callers have a credential for it.
    pub result: Option<Result<PageRead, SourceError>>,
}

impl Probe {
    /// Nothing is known against it.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.result.as_ref().is_none_or(Result::is_ok)
    }
}

/// Asks every source for one asset, all at once.
pub async fn probe(gateway: &Gateway, patience: Duration) -> Vec<Probe> {
    let deadline = Instant::now() + patience;
    join_all(gateway.registry().all().iter().map(|source| async move {
        if source.profile().passthrough {
            return Probe {
                source: Arc::clone(source),
                result: None,
            };
        }
        let request = ListRequest {
            listing: ListKind::Own,
            order: Order::NEWEST,
            after: None,
            before: None,
            position: Position::Start,
            length: 1,
            parameters: listed(source.as_ref()),
        };
        let context = Arc::new(RequestContext::new(patience, 1));
        let asset_cache = &gateway.0.asset_cache;
        let read = asset_cache.page(source, request, &context, deadline).await;
        Probe {
            // What it said before is no answer.
            result: Some(read.and_then(|read| match read.stale {
                Some(error) => Err(error),
                None => Ok(read),
            })),
            source: Arc::clone(source),
        }
    }))
    .await
}
