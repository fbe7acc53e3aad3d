//! Probes whether each source answers. Requests within a few seconds share the results.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    cache::{AssetCache, PageRead},
    source::{
        Filter, ListKind, ListRequest, ListSelection, Order, Parameters, Position, Registry,
        RequestContext, Source, SourceError,
    },
};

/// How long a probe waits for a source.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long probe results are reused.
const MAX_AGE: Duration = Duration::from_secs(3);

/// The last probe results, and when the probes ended.
#[derive(Default)]
pub struct Readiness(Arc<Mutex<Option<(Instant, Arc<[Probe]>)>>>);

impl Readiness {
    /// The result of the probes of the last three seconds. All callers share them: each source is
    /// asked once. `None`: the gateway itself failed; the log says how.
    pub async fn latest(
        &self,
        registry: &Arc<Registry>,
        asset_cache: &Arc<AssetCache>,
    ) -> Option<Arc<[Probe]>> {
        let (last, registry, asset_cache) = (
            Arc::clone(&self.0),
            Arc::clone(registry),
            Arc::clone(asset_cache),
        );
        // Runs in a task: a caller that disconnects does not cancel the probes for the others.
        let probing = tokio::spawn(async move {
            let mut last = last.lock().await;
            if let Some((at, probes)) = &*last
                && at.elapsed() < MAX_AGE
            {
                return Arc::clone(probes);
            }
            let probes: Arc<[Probe]> = probe_all(&registry, &asset_cache, PATIENCE).await.into();
            *last = Some((Instant::now(), Arc::clone(&probes)));
            probes
        });
        probing
            .await
            .inspect_err(|panic| tracing::error!(%panic, "a health probe panicked"))
            .ok()
    }
}

/// A source's answer to a request for one asset.
pub struct Probe {
    pub source: Arc<dyn Source>,
    /// `None`: the source was not asked, as only its callers have a credential for it.
    pub result: Option<Result<PageRead, SourceError>>,
}

impl Probe {
    /// Whether the probe succeeded. A source that was not asked counts as fine.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.result.as_ref().is_none_or(Result::is_ok)
    }
}

/// The parameters that the merged list sends to a source when nothing is filtered.
fn list_parameters(source: &dyn Source) -> Parameters {
    let selection = ListSelection::Merged(&Filter::default());
    let plan = source.plan(selection, Order::NEWEST.by);
    plan.map(|plan| plan.call.parameters).unwrap_or_default()
}

/// Asks every source for one asset, all at once.
pub async fn probe_all(
    registry: &Registry,
    asset_cache: &Arc<AssetCache>,
    patience: Duration,
) -> Vec<Probe> {
    let deadline = Instant::now() + patience;
    join_all(registry.all().iter().map(|source| async move {
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
            parameters: list_parameters(source.as_ref()),
        };
        let context = Arc::new(RequestContext::new(patience, 1));
        let read = asset_cache.page(source, request, &context, deadline).await;
        Probe {
            // A stale page from the cache does not count as an answer.
            result: Some(read.and_then(|read| match read.stale {
                Some(error) => Err(error),
                None => Ok(read),
            })),
            source: Arc::clone(source),
        }
    }))
    .await
}
