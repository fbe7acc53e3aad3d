//! Deleting many assets over several sources.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    Target, Writer, by_source,
    kept::{Kept, unknown},
};
use crate::{
    asset::{AssetId, GlobalId},
    cache::Turn,
    source::{Context, Source, SourceError},
};

/// Calls under way at once at a source that deletes one by one, and at one that takes many.
const ONE_BY_ONE: usize = 16;
const BATCHES: usize = 2;
/// Upstream calls that a batch causes at most: a read before, the delete, reads that verify it; and
/// that one asset alone causes.
const CALLS: u32 = 5;
const CALLS_ALONE: u32 = 2;
/// Before the deadline nothing new is begun: what was begun must be told.
const MARGIN: Duration = Duration::from_secs(5);

/// What became of them; each asset is in one of the three.
#[derive(Debug, Clone, Default)]
pub struct Deleted {
    pub deleted: Vec<AssetId>,
    pub failed: Vec<(AssetId, SourceError)>,
    /// There was no time left: ask again for these.
    pub not_tried: Vec<AssetId>,
}

/// What an asset's outcome takes in memory, besides its id.
const OUTCOME: usize = 200;

impl Deleted {
    /// The same for all.
    fn all(ids: Vec<AssetId>, error: &SourceError) -> Self {
        Self {
            failed: ids.into_iter().map(|id| (id, error.clone())).collect(),
            ..Self::default()
        }
    }

    /// Whether nothing at all has come of it.
    fn left_nothing(&self) -> bool {
        let is_open = |(_, error): &(_, SourceError)| *error == SourceError::UnknownOutcome;
        self.deleted.is_empty() && !self.failed.iter().any(is_open)
    }
}

impl Writer {
    /// As [`Writer::delete`], but the same key gives the first outcome again; `None`: the key
    /// belongs to another write.
    pub async fn delete_once(
        &self,
        key: &str,
        targets: Vec<Target>,
        context: &Arc<Context>,
    ) -> Option<Deleted> {
        let mut ids: Vec<String> = targets
            .iter()
            .map(|target| GlobalId::Asset(target.id.clone()).to_string())
            .collect();
        ids.sort();
        let arguments = blake3::hash(format!("delete {ids:?}").as_bytes());
        match self.kept.turn(key, *arguments.as_bytes()).await {
            Turn::Conflict => None,
            Turn::First(ticket) => {
                let (writer, context) = (self.clone(), Arc::clone(context));
                let all: Vec<AssetId> = targets.iter().map(|target| target.id.clone()).collect();
                // Kept also for a client that goes away meanwhile, and asks again.
                let work = async move {
                    let report = writer.delete(targets, &context).await;
                    let kept = Arc::new(Kept::Deleted(report.clone()));
                    if report.left_nothing() {
                        ticket.release(kept).await;
                    } else {
                        let bytes = ids.iter().map(|id| id.len() + OUTCOME).sum();
                        ticket.keep(kept, bytes).await;
                    }
                    report
                };
                let done = tokio::spawn(work.in_current_span()).await;
                Some(done.unwrap_or_else(|_| Deleted::all(all, &SourceError::UnknownOutcome)))
            }
            Turn::Again(told) => match told.outcome(context.deadline()).await.as_deref() {
                Some(Kept::Deleted(report)) => Some(report.clone()),
                Some(Kept::Upload(_)) => None,
                None => {
                    let ids = targets.into_iter().map(|target| target.id).collect();
                    Some(Deleted::all(ids, &unknown(&told)))
                }
            },
        }
    }

    /// Deletes assets and says what became of each. `targets` names each once.
    pub async fn delete(&self, targets: Vec<Target>, context: &Arc<Context>) -> Deleted {
        let all: Vec<AssetId> = targets.iter().map(|target| target.id.clone()).collect();
        let (writer, context) = (self.clone(), Arc::clone(context));
        let work = async move {
            let sources = by_source(targets);
            let each = sources
                .iter()
                .map(|(source, ids)| writer.delete_at(source, ids, &context));
            let mut report = Deleted::default();
            for (own, (source, _)) in join_all(each).await.into_iter().zip(&sources) {
                // Also for a client that is gone by now.
                tracing::info!(
                    source = %source.profile().name,
                    deleted = own.deleted.len(),
                    failed = own.failed.len(),
                    not_tried = own.not_tried.len(),
                    "assets deleted"
                );
                for (id, error) in &own.failed {
                    tracing::info!(source = %id.source, id = %id.upstream, %error, "not deleted");
                }
                for id in &own.not_tried {
                    tracing::info!(source = %id.source, id = %id.upstream, "not tried");
                }
                report.deleted.extend(own.deleted);
                report.failed.extend(own.failed);
                report.not_tried.extend(own.not_tried);
            }
            report
        };
        tokio::spawn(work.in_current_span())
            .await
            .unwrap_or_else(|panic| {
                tracing::error!(%panic, "a delete failed in the gateway itself");
                Deleted::all(all, &SourceError::UnknownOutcome)
            })
    }

    async fn delete_at(
        &self,
        source: &Arc<dyn Source>,
        ids: &[Box<str>],
        context: &Arc<Context>,
    ) -> Deleted {
        let name = &source.profile().name;
        let whole = |id: &str| AssetId {
            source: name.clone(),
            upstream: id.into(),
        };
        let mut report = Deleted::default();
        if !source.profile().capabilities.can_delete {
            let error =
                SourceError::Unsupported("the assets of this source cannot be deleted".to_owned());
            report.failed = ids.iter().map(|id| (whole(id), error.clone())).collect();
            return report;
        }
        let batch = source.delete_batch();
        let at_once = if batch == 1 { ONE_BY_ONE } else { BATCHES };
        let left = context.deadline().saturating_duration_since(Instant::now());
        let end = context.deadline() - MARGIN.min(left);
        let mut chunks = Vec::new();
        for chunk in ids.chunks(batch) {
            chunks.push(async move {
                if Instant::now() >= end {
                    return (chunk, None);
                }
                let ids: Vec<&str> = chunk.iter().map(|id| &**id).collect();
                let calls = if batch == 1 { CALLS_ALONE } else { CALLS };
                if let Err(error) = context.spend(calls) {
                    let refused = chunk.iter().map(|id| (id.clone(), Err(error.clone())));
                    return (chunk, Some(refused.collect()));
                }
                self.shelf.written(name, &ids);
                let outcomes = source.delete(chunk, context).await;
                self.shelf.written(name, &ids);
                (chunk, Some(outcomes))
            });
        }
        let mut done = stream::iter(chunks).buffer_unordered(at_once);
        while let Some((chunk, outcomes)) = done.next().await {
            let Some(outcomes) = outcomes else {
                report.not_tried.extend(chunk.iter().map(|id| whole(id)));
                continue;
            };
            for (id, outcome) in outcomes {
                match outcome {
                    Ok(()) => report.deleted.push(whole(&id)),
                    Err(error) => report.failed.push((whole(&id), error)),
                }
            }
        }
        report
    }
}
