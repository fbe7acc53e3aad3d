//! Making an asset of a file, and saying which part of it is done.

mod file;
mod spool;

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{
    Target, Writer,
    change::Change,
    kept::{Kept, unknown},
};
use crate::{
    asset::{Asset, AssetId, FileType, SourceName},
    cache::Turn,
    source::{
        Context, FileStream, NewFile, Source, SourceError, TagChange, UploadFailure, UploadOptions,
        Uploaded,
    },
};

use file::{Bounds, Tally, peek, tallied};

pub use file::{FileError, Incoming, Part, Parts};
pub use spool::Spool;

/// Upstream calls that sending a file causes at most, its parts and looks at it left out.
const CALLS: u32 = 4;

/// A file to make an asset of.
pub struct NewAsset {
    pub source: Arc<dyn Source>,
    pub file: Incoming,
    /// As it shall be called; none: as the client calls the file.
    pub name: Option<String>,
    pub tags: Vec<String>,
    pub note: Option<String>,
    /// In bytes, as the client says.
    pub length: Option<u64>,
    /// BLAKE3, as the client says.
    pub hash: Option<blake3::Hash>,
    pub options: UploadOptions,
    /// The largest file taken.
    pub limit: u64,
    /// Under which the outcome is kept.
    pub key: Option<String>,
}

/// What came of an upload.
#[derive(Debug, Clone)]
pub struct UploadOutcome {
    pub source: SourceName,
    /// At the source, as soon as it is known; also of an asset that could not be read back.
    pub id: Option<AssetId>,
    /// As it is now.
    pub asset: Option<Arc<Asset>>,
    /// False where the source knew the bytes.
    pub created: bool,
    pub progress: Option<Progress>,
    /// What was asked for, in the order it is done.
    pub steps: Vec<(Step, StepState)>,
    pub errors: Vec<UploadError>,
}

/// How far the source is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The source's own number for the upload, where it has one.
    pub id: Option<Box<str>>,
    pub is_pending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    File,
    Tags,
    Note,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    Done,
    Failed,
    /// The source still works on the file.
    Pending,
    /// A step before it failed.
    NotTried,
}

/// What failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UploadError {
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Source(#[from] SourceError),
    #[error(
        "this `idempotencyKey` belongs to another write: with other arguments or another file. \
         Use a new key"
    )]
    Conflict,
}

/// An upload that was kept under a key.
pub struct KeptUpload {
    outcome: UploadOutcome,
    /// Of the bytes; none where they never came whole.
    hash: Option<blake3::Hash>,
}

/// Whether an error tells that nothing at all has come of it.
fn left_nothing(outcome: &UploadOutcome) -> bool {
    outcome.id.is_none()
        && outcome.progress.is_none()
        && !outcome
            .errors
            .iter()
            .any(|error| matches!(error, UploadError::Source(SourceError::UnknownOutcome)))
}

impl Writer {
    /// Makes an asset of a file. The same key gives the first outcome again, and goes on with an
    /// upload that was pending.
    pub async fn upload(&self, new: NewAsset, context: &Arc<Context>) -> UploadOutcome {
        let (writer, context) = (self.clone(), Arc::clone(context));
        let source = new.source.profile().name.clone();
        let work = async move {
            let outcome = match &new.key {
                None => writer.make(&new, &context).await.outcome,
                Some(key) => writer.make_once(key, &new, &context).await,
            };
            // Also for a client that is gone by now.
            let id = outcome.id.as_ref().map(|id| &*id.upstream);
            let upload = outcome.progress.as_ref().and_then(|own| own.id.as_deref());
            tracing::info!(source = %outcome.source, id, upload, steps = ?outcome.steps, "uploaded");
            for error in &outcome.errors {
                tracing::info!(source = %outcome.source, id, %error, "an upload's step failed");
            }
            outcome
        };
        self.spawn(work)
            .await
            .unwrap_or_else(|| UploadOutcome::failed(source, SourceError::UnknownOutcome))
    }

    async fn make_once(&self, key: &str, new: &NewAsset, context: &Arc<Context>) -> UploadOutcome {
        let name = &new.source.profile().name;
        match self.kept.turn(key, new.arguments()).await {
            Turn::Conflict => UploadOutcome::failed(name.clone(), UploadError::Conflict),
            Turn::First(ticket) => {
                let made = self.make(new, context).await;
                let outcome = made.outcome.clone();
                if left_nothing(&outcome) {
                    ticket.release(Arc::new(Kept::Upload(made))).await;
                } else {
                    let bytes = outcome.asset.as_ref().map_or(0, |asset| asset.weight());
                    let kept = Arc::new(Kept::Upload(made));
                    ticket.keep(kept, bytes as usize).await;
                }
                outcome
            }
            Turn::Again(told) => {
                let failed = |error: UploadError| UploadOutcome::failed(name.clone(), error);
                // The same file, or it is another upload.
                let hash = match new.hash_of_file(context).await {
                    Ok(hash) => hash,
                    Err(error) => return failed(error.into()),
                };
                let Some(kept) = told.outcome(context.deadline()).await else {
                    return failed(unknown(&told).into());
                };
                let Kept::Upload(first) = &*kept else {
                    return failed(UploadError::Conflict);
                };
                if first.hash.is_some_and(|first| first != hash) {
                    return failed(UploadError::Conflict);
                }
                let Some(upload) = first.outcome.pending() else {
                    return first.outcome.clone();
                };
                // Looked at by one at a time: steps are done once.
                let turn = AssetId {
                    source: name.clone(),
                    upstream: upload.into(),
                };
                let Ok(_held) = self.held.hold(&turn, context.deadline()).await else {
                    return first.outcome.clone();
                };
                let Some(kept) = told.outcome(context.deadline()).await else {
                    return first.outcome.clone();
                };
                let Kept::Upload(now) = &*kept else {
                    return first.outcome.clone();
                };
                if now.outcome.pending().is_none() {
                    return now.outcome.clone();
                }
                let state = new.source.upload_state(upload, context).await;
                let outcome = self.finish(new, state, context).await;
                told.amend(Arc::new(Kept::Upload(KeptUpload {
                    outcome: outcome.clone(),
                    hash: first.hash,
                })));
                outcome
            }
        }
    }

    async fn make(&self, new: &NewAsset, context: &Arc<Context>) -> KeptUpload {
        let tally = Tally::default();
        let mut outcome = match self.send(new, &tally, context).await {
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
        // Whatever the source made of it: the file was at fault.
        if let Some(error) = tally.error() {
            outcome.errors = vec![error.into()];
        }
        KeptUpload {
            outcome,
            hash: tally.hash(),
        }
    }

    /// Checks, then sends: what is wrong before the first byte is an error, what becomes of the
    /// file is not.
    async fn send(
        &self,
        new: &NewAsset,
        tally: &Tally,
        context: &Arc<Context>,
    ) -> Result<Result<Uploaded, UploadFailure>, UploadError> {
        let source = &new.source;
        if !source.profile().capabilities.can_upload {
            return Err(SourceError::no_uploads().into());
        }
        source.check_tags(&new.tags)?;
        context.spend(CALLS)?;
        let (file_name, bytes) = new.file.open().await?;
        let bounds = Bounds {
            limit: new.limit,
            length: new.length,
            hash: new.hash,
        };
        let bytes = tallied(bytes, bounds, tally.clone(), Arc::clone(context));
        let (first, bytes) = peek(bytes).await?;
        let kind = FileType::sniff(&first);
        source.check_upload(kind, &new.options)?;
        let (bytes, length) = new.measured(bytes).await?;
        let hash = new.hash.map(|hash| format!("blake3:{}", hash.to_hex()));
        let file = NewFile {
            name: kind.fit(new.name.as_ref().unwrap_or(&file_name)),
            kind,
            length,
            hash: hash.as_deref(),
            tags: &new.tags,
            note: new.note.as_deref(),
            options: &new.options,
        };
        let name = &source.profile().name;
        let writing = self.shelf.writing(name, Vec::new());
        let sent = source.upload(&file, bytes, context).await;
        drop(writing);
        Ok(sent)
    }

    /// What follows the file: tags and note, where the source has not taken them with it.
    async fn finish(
        &self,
        new: &NewAsset,
        state: Result<Uploaded, UploadFailure>,
        context: &Arc<Context>,
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
                outcome.created = created;
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
                outcome.set(Step::File, StepState::Failed);
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
        // Pages too: it may have come since the file was sent.
        drop(self.writing(&target));
        match self.read(&target, context).await {
            Ok(asset) => outcome.asset = Some(asset),
            Err(error) => {
                outcome.errors.push(error.into());
                return outcome;
            }
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
            match self.one(&target, &change, context).await {
                Ok(asset) => {
                    outcome.asset = Some(asset);
                    outcome.set(step, StepState::Done);
                }
                Err(error) => {
                    outcome.errors.push(error.into());
                    outcome.set(step, StepState::Failed);
                }
            }
        }
        outcome
    }
}

impl Incoming {
    /// The file's name, without folders, and its bytes.
    async fn open(&self) -> Result<(String, FileStream), FileError> {
        match self {
            Self::Bytes(bytes) => {
                let bytes = bytes.clone();
                let all = stream::once(async move { Ok(bytes) }).boxed();
                Ok((UNNAMED.to_owned(), all))
            }
            Self::Part { parts, name } => {
                let part = parts.take(name).await?;
                Ok((base_name(part.file_name.as_deref()), part.bytes))
            }
        }
    }
}

/// A file that nobody named.
const UNNAMED: &str = "upload";
/// Letters of a name.
const MAX_NAME: usize = 200;

/// The last part of a path of any system, without what does not belong in a name.
fn base_name(name: Option<&str>) -> String {
    let last = name.unwrap_or_default().rsplit(['/', '\\']).next();
    let clean: String = last
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let clean = clean.trim().trim_start_matches('.');
    if clean.is_empty() {
        return UNNAMED.to_owned();
    }
    // The end tells the type.
    let letters = clean.chars().count();
    clean
        .chars()
        .skip(letters.saturating_sub(MAX_NAME))
        .collect()
}

impl NewAsset {
    fn steps(&self) -> Vec<(Step, StepState)> {
        std::iter::once(Step::File)
            .chain(self.changes().into_iter().map(|(step, _)| step))
            .map(|step| (step, StepState::NotTried))
            .collect()
    }

    fn changes(&self) -> Vec<(Step, Change)> {
        let mut changes = Vec::new();
        if !self.tags.is_empty() {
            changes.push((Step::Tags, Change::Tags(TagChange::Add(self.tags.clone()))));
        }
        if let Some(note) = &self.note {
            changes.push((Step::Note, Change::Note(Some(note.clone()))));
        }
        changes
    }

    /// The bytes with their length, where the source must know it first.
    async fn measured(&self, bytes: FileStream) -> Result<(FileStream, Option<u64>), FileError> {
        let known = match &self.file {
            Incoming::Bytes(bytes) => Some(bytes.len() as u64),
            Incoming::Part { .. } => self.length,
        };
        if known.is_some() || !self.source.needs_length() {
            return Ok((bytes, known));
        }
        let spool = Spool::fill(bytes).await?;
        Ok((spool.read(), Some(spool.length())))
    }

    /// Reads the file for its hash alone.
    async fn hash_of_file(&self, context: &Arc<Context>) -> Result<blake3::Hash, FileError> {
        let bounds = Bounds {
            limit: self.limit,
            length: self.length,
            hash: self.hash,
        };
        let tally = Tally::default();
        let (_, bytes) = self.file.open().await?;
        let mut bytes = tallied(bytes, bounds, tally.clone(), Arc::clone(context));
        while let Some(piece) = bytes.next().await {
            piece.map_err(|error| FileError::of(&error))?;
        }
        tally
            .hash()
            .ok_or_else(|| FileError::Malformed("the file did not come whole".to_owned()))
    }

    /// All but the bytes, in one number.
    fn arguments(&self) -> [u8; 32] {
        let said = format!(
            "upload {:?}",
            (
                self.source.profile().name.as_str(),
                &self.name,
                &self.tags,
                &self.note,
                &self.options,
                self.length,
                self.hash,
            )
        );
        *blake3::hash(said.as_bytes()).as_bytes()
    }
}

impl UploadOutcome {
    fn of(source: SourceName) -> Self {
        Self {
            source,
            id: None,
            asset: None,
            created: false,
            progress: None,
            steps: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Nothing was sent.
    fn failed(source: SourceName, error: impl Into<UploadError>) -> Self {
        Self {
            errors: vec![error.into()],
            ..Self::of(source)
        }
    }

    /// The source's number of an upload that it still works on.
    fn pending(&self) -> Option<&str> {
        let progress = self.progress.as_ref().filter(|own| own.is_pending)?;
        progress.id.as_deref()
    }

    fn set(&mut self, step: Step, state: StepState) {
        for (own, current) in &mut self.steps {
            if *own == step {
                *current = state;
            }
        }
    }

    fn set_all(&mut self, state: StepState) {
        for (_, current) in &mut self.steps {
            *current = state;
        }
    }
}
