//! Uploads with an idempotency key: a repeat of the key returns the first outcome.

use std::sync::Arc;

use super::{
    new_asset::NewAsset,
    outcome::{RecordedUpload, UploadError, UploadOutcome},
};
use crate::{
    asset::AssetId,
    cache::Claim,
    source::{RequestContext, SourceError},
    write::{
        recorded::{RecordedWrite, unknown},
        writer::{Target, Writer},
    },
};

/// Whether the upload certainly left nothing at the source.
fn left_nothing(outcome: &UploadOutcome) -> bool {
    outcome.id.is_none()
        && outcome.progress.is_none()
        && !outcome
            .errors
            .iter()
            .any(|error| matches!(error, UploadError::Source(SourceError::UnknownOutcome)))
}

impl Writer {
    pub(super) async fn make_once(
        &self,
        key: &str,
        new: &NewAsset,
        context: &Arc<RequestContext>,
    ) -> UploadOutcome {
        let name = &new.source.profile().name;
        let key = self.scoped_key(key, std::iter::once(&new.source));
        match self.idempotency.claim(&self.who, &key, new.arguments()) {
            Claim::Conflict => UploadOutcome::failed(name.clone(), UploadError::Conflict),
            Claim::First(ticket) => {
                let made = self.make_audited(new, context).await;
                let outcome = made.outcome.clone();
                let weight = outcome.asset.as_ref().map_or(0, |asset| asset.weight());
                // An incomplete file cannot be compared with the next one.
                let is_kept = made.hash.is_some() && !left_nothing(&outcome);
                let made = Arc::new(RecordedWrite::Upload(made));
                if is_kept {
                    ticket.keep(made, weight as usize);
                } else {
                    ticket.release(made);
                }
                outcome
            }
            Claim::Again(recorded) => {
                let failed = |error: UploadError| UploadOutcome::failed(name.clone(), error);
                // A different file is a different upload.
                let hash = match new.hash_of_file(context).await {
                    Ok(hash) => hash,
                    Err(error) => return failed(error.into()),
                };
                let Some(stored) = recorded.outcome(context.deadline()).await else {
                    return failed(unknown(&recorded).into());
                };
                let RecordedWrite::Upload(first) = &*stored else {
                    return failed(UploadError::Conflict);
                };
                match first.hash {
                    Some(first) if first != hash => return failed(UploadError::Conflict),
                    Some(_) if !left_nothing(&first.outcome) => {}
                    // The first upload was in progress when this request claimed the key.
                    _ => return failed(UploadError::FirstFailed),
                }
                let Some(upload) = first.outcome.pending() else {
                    return self.replay(new, &first.outcome, context).await;
                };
                // One request at a time checks it, so that each step runs once.
                let lock_id = AssetId {
                    source: name.clone(),
                    upstream: upload.into(),
                };
                let Ok(_held) = self.locks.lock(&lock_id, context.deadline()).await else {
                    return first.outcome.clone();
                };
                let Some(stored) = recorded.outcome(context.deadline()).await else {
                    return first.outcome.clone();
                };
                let RecordedWrite::Upload(current) = &*stored else {
                    return first.outcome.clone();
                };
                if current.outcome.pending().is_none() {
                    return self.replay(new, &current.outcome, context).await;
                }
                let state = match new.source.uploader() {
                    Some(uploader) => uploader.upload_state(upload, context).await,
                    None => Err(SourceError::no_uploads().into()),
                };
                let outcome = self.finish(new, state, context).await;
                recorded.amend(Arc::new(RecordedWrite::Upload(RecordedUpload {
                    outcome: outcome.clone(),
                    hash: first.hash,
                })));
                outcome
            }
        }
    }

    /// Returns a recorded outcome, with its asset read again through the asset cache.
    async fn replay(
        &self,
        new: &NewAsset,
        first: &UploadOutcome,
        context: &RequestContext,
    ) -> UploadOutcome {
        let mut outcome = first.clone();
        let target = outcome.id.clone().map(|id| Target {
            source: Arc::clone(&new.source),
            id,
        });
        if let (Some(target), Some(_)) = (target, &first.asset) {
            match self.read(&target, context).await {
                Ok(asset) => outcome.asset = Some(asset),
                Err(error) => {
                    outcome.asset = None;
                    outcome.errors.push(error.into());
                }
            }
        }
        outcome
    }
}
