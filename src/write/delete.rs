//! Deleting many assets over several sources.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use tokio::time::Instant;
use tracing::Instrument;

use super::{Target, Writer, by_source};
use crate::{
    asset::AssetId,
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
#[derive(Default)]
pub struct Deleted {
    pub deleted: Vec<AssetId>,
    pub failed: Vec<(AssetId, SourceError)>,
    /// There was no time left: ask again for these.
    pub not_tried: Vec<AssetId>,
}

impl Writer {
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
                let unknown = |id| (id, SourceError::UnknownOutcome);
                Deleted {
                    failed: all.into_iter().map(unknown).collect(),
                    ..Deleted::default()
                }
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
        let end = context.deadline - MARGIN.min(context.deadline - Instant::now());
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
