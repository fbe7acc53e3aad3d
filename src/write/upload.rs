//! Makes an asset from a file, and reports which steps are done.

mod idempotency;
mod metered_file;
mod new_asset;
pub mod outcome;
mod spool;

use std::sync::{Arc, Mutex, PoisonError};

use super::writer::{Target, Writer};
use crate::{
    asset::{Asset, AssetId, FileType, composed},
    source::{NewFile, RequestContext, SourceError, UploadFailure, Uploaded},
};

use metered_file::{FileLimits, FileMeter, metered, peek};
use new_asset::Begin;
use outcome::RecordedUpload;

pub use metered_file::{FileError, FileInput, UploadFile, UploadFiles};
pub use new_asset::{NewAsset, UploadBudget};
pub use outcome::{Progress, Step, StepState, UploadError, UploadOutcome};
pub use spool::Spool;

/// The maximum upstream calls to send a file, excluding its parts and status checks.
const CALLS: u32 = 4;

impl Writer {
    /// Makes an asset from a file. A repeat of the key returns the first outcome, and resumes an
    /// upload that was pending.
    pub async fn upload(&self, new: NewAsset, context: &Arc<RequestContext>) -> UploadOutcome {
        let (writer, context) = (self.clone(), Arc::clone(context));
        let source = new.source.profile().name.clone();
        let work = async move {
            let outcome = match &new.key {
                None => writer.make_audited(&new, &context).await.outcome,
                Some(key) => writer.make_once(key, &new, &context).await,
            };
            // Log it also for a client that has disconnected.
            let id = outcome.id.as_ref().map(|id| &*id.upstream);
            let upload = outcome
                .progress
                .as_ref()
                .and_then(|progress| progress.id.as_deref());
            tracing::info!(source = %outcome.source, id, upload, steps = ?outcome.steps, "uploaded");
            for error in &outcome.errors {
                tracing::info!(source = %outcome.source, id, error = error.to_string(), "an upload's step failed");
            }
            outcome
        };
        self.spawn(format!("an upload to {source}"), work)
            .await
            .unwrap_or_else(|| UploadOutcome::failed(source, SourceError::UnknownOutcome))
    }

    /// Makes the asset and logs the audit line.
    async fn make_audited(&self, new: &NewAsset, context: &Arc<RequestContext>) -> RecordedUpload {
        let made = self.make(new, context).await;
        let outcome = &made.outcome;
        let id: Vec<&str> = outcome.id.iter().map(|id| &*id.upstream).collect();
        self.audit("upload", &outcome.source, &id, outcome.audit_word(), None);
        made
    }

    async fn make(&self, new: &NewAsset, context: &Arc<RequestContext>) -> RecordedUpload {
        let meter = FileMeter::default();
        let mut outcome = match self.send(new, &meter, context).await {
            Ok(state) => self.finish(new, state, context).await,
            Err(error) => {
                let name = new.source.profile().name.clone();
                let mut outcome = UploadOutcome {
                    steps: new.steps(),
                    ..UploadOutcome::failed(name, error)
                };
                outcome.set(Step::File, StepState::Failed);
                outcome
            }
        };
        // The file was at fault, not the source.
        if let Some(error) = meter.error() {
            outcome.errors = vec![error.into()];
        }
        RecordedUpload {
            outcome,
            hash: meter.hash(),
        }
    }

    /// Checks an upload, then sends it. A failure before the first byte is the outer error; the
    /// source's result for the file is the inner result.
    async fn send(
        &self,
        new: &NewAsset,
        meter: &FileMeter,
        context: &Arc<RequestContext>,
    ) -> Result<Result<Uploaded, UploadFailure>, UploadError> {
        let source = &new.source;
        let uploader = source.uploader().ok_or_else(SourceError::no_uploads)?;
        let refused = |field| move |error| UploadError::Argument { field, error };
        source.check_tags(&new.tags).map_err(refused("tags"))?;
        context.spend(CALLS)?;
        // Wait for a slot before reading any of the file.
        let _slot = new.budget.place(context).await?;
        let (file_name, bytes) = new.file.open(context).await?;
        let bounds = FileLimits {
            limit: new.limit,
            length: new.length,
            hash: new.hash,
        };
        let bytes = metered(bytes, bounds, meter.clone(), Arc::clone(context));
        let (first, bytes) = peek(bytes).await?;
        let name = new.name.as_ref().unwrap_or(&file_name);
        let kind = FileType::sniff(&first.bytes, first.is_cut);
        let kind = uploader.file_type(kind, name, &new.options);
        uploader
            .check(kind, &new.options)
            .map_err(refused("options"))?;
        let measured = new.measured(bytes, context).await?;
        let hash = new.hash.map(|hash| format!("blake3:{}", hash.to_hex()));
        let file = NewFile {
            name: composed(&kind.fit(name)).into_owned(),
            kind,
            length: measured.length(),
            hash: hash.as_deref(),
            tags: &new.tags,
            note: new.note.as_deref(),
            options: &new.options,
        };
        // From its last byte on, the asset may exist.
        let (asset_cache, name) = (Arc::clone(&self.asset_cache), source.profile().name.clone());
        let writing = Arc::new(Mutex::new(None));
        let begin: Begin = {
            let writing = Arc::clone(&writing);
            Arc::new(move || {
                let guard = asset_cache.writing(&name, Vec::new());
                let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
                writing.get_or_insert(guard);
            })
        };
        let sent = uploader
            .upload(&file, measured.content(&begin, context), context)
            .await;
        let writing = (writing.lock())
            .map_or_else(|guard| guard.into_inner().take(), |mut guard| guard.take());
        let may_have_taken_effect = (sent.as_ref().err())
            .is_some_and(|failure| failure.error == SourceError::UnknownOutcome);
        match writing {
            // The asset may appear at any moment, or never.
            writing if may_have_taken_effect => writing
                .unwrap_or_else(|| self.asset_cache.writing(&source.profile().name, Vec::new()))
                .linger(),
            writing => drop(writing),
        }
        // An asset without its bytes may also be listed.
        drop(self.asset_cache.writing(&source.profile().name, Vec::new()));
        Ok(sent)
    }

    /// Runs the steps after the file: tags and note, unless the source took them with the file.
    async fn finish(
        &self,
        new: &NewAsset,
        state: Result<Uploaded, UploadFailure>,
        context: &Arc<RequestContext>,
    ) -> UploadOutcome {
        let name = new.source.profile().name.clone();
        let mut outcome = UploadOutcome {
            steps: new.steps(),
            ..UploadOutcome::of(name.clone())
        };
        let (upstream, upload) = match state {
            Ok(Uploaded::Ready {
                id,
                upload,
                created,
            }) => {
                outcome.created = Some(created);
                (id, upload)
            }
            Ok(Uploaded::Pending { upload }) => {
                outcome.set_all(StepState::Pending);
                outcome.progress = Some(Progress {
                    id: Some(upload),
                    is_pending: true,
                });
                return outcome;
            }
            Err(failure) => {
                let state = match failure.error {
                    SourceError::UnknownOutcome => StepState::Unknown,
                    _ => StepState::Failed,
                };
                outcome.set(Step::File, state);
                outcome.id = failure.id.map(|upstream| AssetId {
                    source: name,
                    upstream,
                });
                outcome.progress = failure.upload.map(|id| Progress {
                    id: Some(id),
                    is_pending: false,
                });
                outcome.errors.push(failure.error.into());
                return outcome;
            }
        };
        let target = Target {
            source: Arc::clone(&new.source),
            id: AssetId {
                source: name.clone(),
                upstream,
            },
        };
        outcome.set(Step::File, StepState::Done);
        outcome.id = Some(target.id.clone());
        outcome.progress = Some(Progress {
            id: upload,
            is_pending: false,
        });
        // Invalidate pages too: the asset may have appeared since the file was sent.
        drop(self.writing(&target));
        let mut read_error = None;
        match self.read_until_visible(&target, context).await {
            Ok(asset) => outcome.asset = Some(asset),
            // Tags and note may still succeed.
            Err(error) => read_error = Some(error),
        }
        let asset = outcome.asset.as_ref();
        if let Some(asset) = asset.filter(|_| outcome.created == Some(false))
            && let Some(uploader) = new.source.uploader()
        {
            let check = uploader.check_known_bytes(asset, &new.options, context);
            if let Err(error) = check.await {
                outcome.set(Step::File, StepState::Failed);
                outcome.errors.push(error.into());
            }
        }
        if let (Some(name), Some(asset)) = (&new.name, &outcome.asset) {
            let state = if has_name(asset, name) {
                StepState::Done
            } else {
                outcome.errors.push(renamed(asset).into());
                StepState::Failed
            };
            outcome.set(Step::Name, state);
        }
        for (step, change) in new.changes() {
            let holds = outcome
                .asset
                .as_ref()
                .is_some_and(|asset| change.holds_in(asset));
            if holds {
                outcome.set(step, StepState::Done);
                continue;
            }
            match self.change_asset(&target, &change, context).await {
                Ok(asset) => {
                    outcome.asset = Some(asset);
                    outcome.set(step, StepState::Done);
                }
                Err(error) => {
                    let state = match error {
                        SourceError::UnknownOutcome => StepState::Unknown,
                        _ => StepState::Failed,
                    };
                    outcome.errors.push(error.into());
                    outcome.set(step, state);
                }
            }
        }
        if let Some(error) = read_error.filter(|_| outcome.asset.is_none()) {
            outcome.errors.push(error.into());
        }
        outcome
    }
}

/// Whether the asset has this name; the source may keep or add a file extension.
fn has_name(asset: &Asset, name: &str) -> bool {
    let stem = |name: &str| {
        let (stem, _) = name.rsplit_once('.').unwrap_or((name, ""));
        stem.to_owned()
    };
    let asset_name = asset.shown_name();
    asset_name == name || stem(asset_name) == name || stem(asset_name) == stem(name)
}

fn renamed(asset: &Asset) -> SourceError {
    SourceError::Unsupported(format!(
        "the source already had these bytes as `{}` and did not rename the asset",
        asset.shown_name().chars().take(80).collect::<String>()
    ))
}
