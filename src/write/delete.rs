//! Deletes many assets over several sources.

use std::sync::Arc;

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream,
};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    audit::outcome_word,
    recorded::{Deleted, RecordedWrite, unknown},
    writer::{Target, Writer, by_source, id_list},
};
use crate::{
    asset::{AssetId, GlobalId},
    cache::Claim,
    source::{RequestContext, Source, SourceError, Write},
};

/// The maximum concurrent calls at a source that deletes singly, and at one that takes batches.
const ONE_BY_ONE: usize = 16;
const BATCHES: usize = 2;
/// The maximum upstream calls of a batch: a read before, the delete, and reads that verify it. The
/// second is the maximum for a single asset, which may be deleted and checked twice.
const CALLS: u32 = 5;
const CALLS_ALONE: u32 = 4;
/// The memory size of an asset's outcome without its id, in bytes.
const OUTCOME_BYTES: usize = 200;

impl Writer {
    /// Like [`Writer::delete`], but a repeat of the key returns the first outcome. `None`: the key
    /// belongs to another write.
    pub async fn delete_once(
        &self,
        key: &str,
        targets: Vec<Target>,
        context: &Arc<RequestContext>,
    ) -> Option<Deleted> {
        let mut ids: Vec<String> = targets
            .iter()
            .map(|target| GlobalId::Asset(target.id.clone()).to_string())
            .collect();
        ids.sort();
        let arguments = blake3::hash(format!("delete {ids:?}").as_bytes());
        let key = self.scoped_key(key, targets.iter().map(|target| &target.source));
        match self
            .idempotency
            .claim(&self.who, &key, *arguments.as_bytes())
        {
            Claim::Conflict => None,
            Claim::First(ticket) => {
                let (writer, context) = (self.clone(), Arc::clone(context));
                let asset_ids: Vec<AssetId> =
                    targets.iter().map(|target| target.id.clone()).collect();
                // Record the outcome even if the client disconnects: it may retry.
                let work = async move {
                    let report = writer.delete(targets, &context).await;
                    let record = Arc::new(RecordedWrite::Deleted(report.clone()));
                    if report.left_nothing() {
                        ticket.release(record);
                    } else {
                        let bytes = ids.iter().map(|id| id.len() + OUTCOME_BYTES).sum();
                        ticket.keep(record, bytes);
                    }
                    report
                };
                let what = "a delete under a key".to_owned();
                let done = self.spawn(what, work).await;
                Some(done.unwrap_or_else(|| {
                    Deleted::all_failed(asset_ids, &SourceError::UnknownOutcome)
                }))
            }
            Claim::Again(recorded) => match recorded.outcome(context.deadline()).await.as_deref() {
                Some(RecordedWrite::Deleted(report)) => Some(report.clone()),
                Some(RecordedWrite::Upload(_)) => None,
                None => {
                    let ids = targets.into_iter().map(|target| target.id).collect();
                    Some(Deleted::all_failed(ids, &unknown(&recorded)))
                }
            },
        }
    }

    /// Deletes assets and returns the outcome of each. `targets` names each asset once.
    pub async fn delete(&self, targets: Vec<Target>, context: &Arc<RequestContext>) -> Deleted {
        let asset_ids: Vec<AssetId> = targets.iter().map(|target| target.id.clone()).collect();
        let (writer, context) = (self.clone(), Arc::clone(context));
        let work = async move {
            // One task for each source, so that a fault at one loses no outcomes of the others.
            let each = by_source(targets).into_iter().map(|(source, ids)| {
                let (writer, context) = (writer.clone(), Arc::clone(&context));
                async move {
                    let name = source.profile().name.clone();
                    let part = ids.clone();
                    let work =
                        async move { writer.clone().delete_at(&source, &part, &context).await };
                    let done = tokio::spawn(work.in_current_span()).await;
                    done.unwrap_or_else(|panic| {
                        tracing::error!(%panic, "a delete failed in the gateway itself");
                        let asset_id = |upstream| AssetId {
                            source: name.clone(),
                            upstream,
                        };
                        let ids = ids.into_iter().map(asset_id).collect();
                        Deleted::all_failed(ids, &SourceError::UnknownOutcome)
                    })
                }
            });
            let mut report = Deleted::default();
            for part in join_all(each).await {
                report.deleted.extend(part.deleted);
                report.failed.extend(part.failed);
                report.not_tried.extend(part.not_tried);
            }
            report
        };
        self.spawn(format!("a delete of {}", id_list(&asset_ids)), work)
            .await
            .unwrap_or_else(|| Deleted::all_failed(asset_ids, &SourceError::UnknownOutcome))
    }

    async fn delete_at(
        &self,
        source: &Arc<dyn Source>,
        ids: &[Arc<str>],
        context: &Arc<RequestContext>,
    ) -> Deleted {
        let name = &source.profile().name;
        let asset_id = |id: &str| AssetId {
            source: name.clone(),
            upstream: id.into(),
        };
        let mut report = Deleted::default();
        let Some(writer) = source.writer() else {
            let error =
                SourceError::Unsupported("the assets of this source cannot be deleted".to_owned());
            let upstream_ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
            self.audit(
                "delete",
                name,
                &upstream_ids,
                outcome_word(Some(&error)),
                Some(&error),
            );
            report.failed = ids.iter().map(|id| (asset_id(id), error.clone())).collect();
            return report;
        };
        let batch = writer.delete_batch();
        let at_once = if batch == 1 { ONE_BY_ONE } else { BATCHES };
        let mut chunks = Vec::new();
        for chunk in ids.chunks(batch) {
            chunks.push(self.delete_chunk(source, writer, chunk, context));
        }
        let mut done = stream::iter(chunks).buffer_unordered(at_once);
        while let Some(outcomes) = done.next().await {
            for (id, outcome) in outcomes {
                match outcome {
                    Ok(()) => report.deleted.push(asset_id(&id)),
                    Err(SourceError::NotTried) => report.not_tried.push(asset_id(&id)),
                    Err(error) => report.failed.push((asset_id(&id), error)),
                }
            }
        }
        report
    }

    /// Deletes what one call can, and logs it even if the client has disconnected.
    async fn delete_chunk(
        &self,
        source: &Arc<dyn Source>,
        writer: &dyn Write,
        ids: &[Arc<str>],
        context: &RequestContext,
    ) -> DeleteOutcomes {
        let outcomes = self.delete_some(source, writer, ids, context).await;
        let name = &source.profile().name;
        let deleted = outcomes.iter().filter(|(_, outcome)| outcome.is_ok());
        let deleted: Vec<_> = deleted.map(|(id, _)| &**id).collect();
        if !deleted.is_empty() {
            self.audit("delete", name, &deleted, outcome_word(None), None);
        }
        for (id, outcome) in &outcomes {
            if let Err(error) = outcome {
                self.audit(
                    "delete",
                    name,
                    &[id],
                    outcome_word(Some(error)),
                    Some(error),
                );
            }
        }
        outcomes
    }

    /// Makes one call; if the source refuses it whole, splits it, because one id may be at fault.
    fn delete_some<'a>(
        &'a self,
        source: &'a Arc<dyn Source>,
        writer: &'a dyn Write,
        ids: &'a [Arc<str>],
        context: &'a RequestContext,
    ) -> BoxFuture<'a, DeleteOutcomes> {
        async move {
            let fail_each = |error: &SourceError| -> DeleteOutcomes {
                let each = ids.iter().map(|id| (id.clone(), Err(error.clone())));
                each.collect()
            };
            if Instant::now() >= context.last_start() {
                return fail_each(&SourceError::NotTried);
            }
            let calls = if writer.delete_batch() == 1 {
                CALLS_ALONE
            } else {
                CALLS
            };
            if let Err(error) = context.spend(calls) {
                return fail_each(&error);
            }
            let writing = self
                .asset_cache
                .writing(&source.profile().name, ids.to_vec());
            let outcomes = writer.delete(ids, context).await;
            let may_have_taken_effect = outcomes
                .iter()
                .any(|(_, outcome)| *outcome == Err(SourceError::UnknownOutcome));
            if may_have_taken_effect {
                writing.linger();
            } else {
                drop(writing);
            }
            let is_refused = |(_, outcome): &(_, Result<(), SourceError>)| match outcome {
                Err(SourceError::Forbidden(_)) => true,
                // A response with status 200 reports each id separately.
                Err(SourceError::Rejected { status, .. }) => *status >= 400,
                _ => false,
            };
            // The other ids failed before they were sent, for example because they are gone. A
            // deleted id or an unknown outcome shows that the source accepted the call.
            let (refused, mut outcomes): (DeleteOutcomes, DeleteOutcomes) =
                outcomes.into_iter().partition(is_refused);
            let is_taken = |(_, outcome): &(_, Result<(), SourceError>)| {
                matches!(outcome, Ok(()) | Err(SourceError::UnknownOutcome))
            };
            if refused.len() < 2 || outcomes.iter().any(is_taken) {
                outcomes.extend(refused);
                return outcomes;
            }
            let refused: Vec<_> = refused.into_iter().map(|(id, _)| id).collect();
            for part in refused.chunks(refused.len().div_ceil(PARTS)) {
                outcomes.extend(self.delete_some(source, writer, part, context).await);
            }
            outcomes
        }
        .boxed()
    }
}

/// The outcome of each id.
type DeleteOutcomes = Vec<(Arc<str>, Result<(), SourceError>)>;

/// The number of calls into which a refused call is split.
const PARTS: usize = 10;
