//! The file of an upload: its name, length and bytes.

use std::{future::ready, sync::Arc};

use futures_util::{StreamExt, stream};

use super::{
    metered_file::{FileError, FileInput, FileLimits, FileMeter, metered},
    outcome::{Step, StepState},
    spool::Spool,
};
use crate::{
    access::{Budget, Client, ClientSlot, SlotsByClient},
    source::{
        FileContent, FileStream, RequestContext, Source, SourceError, TagChange, Upload,
        UploadOptions,
    },
    write::edit::Change,
};

/// A file to upload as an asset.
pub struct NewAsset {
    pub source: Arc<dyn Source>,
    pub file: FileInput,
    /// The requested name; `None`: the client's file name.
    pub name: Option<String>,
    pub tags: Vec<String>,
    pub note: Option<String>,
    /// The length in bytes that the client declared.
    pub length: Option<u64>,
    /// The BLAKE3 hash that the client declared.
    pub hash: Option<blake3::Hash>,
    pub options: UploadOptions,
    /// The maximum file size in bytes.
    pub limit: u64,
    /// The idempotency key of the outcome.
    pub key: Option<String>,
    /// The budget that its upload slot and disk space come from.
    pub budget: UploadBudget,
}

/// A client's upload slots, and its disk space for uploads that wait there.
#[derive(Clone)]
pub struct UploadBudget {
    pub client: Client,
    /// The slots of all clients.
    pub slots: SlotsByClient<Client>,
    pub spools: Budget,
}

impl UploadBudget {
    /// Waits for an upload slot, as long as the operation has time to start something.
    pub(super) async fn place(&self, context: &RequestContext) -> Result<ClientSlot, SourceError> {
        let waiting = self.slots.place(self.client.clone(), context.last_start());
        waiting.await.ok_or(SourceError::NotTried)
    }
}

impl FileInput {
    /// The file's name, without folders, and its bytes.
    pub(super) async fn open(
        &self,
        context: &RequestContext,
    ) -> Result<(String, FileStream), FileError> {
        match self {
            Self::Bytes(bytes) => {
                let bytes = bytes.clone();
                let content = stream::once(async move { Ok(bytes) }).boxed();
                Ok((UNNAMED.to_owned(), content))
            }
            Self::Part { parts, name } => {
                let part = parts.take(name, context).await?;
                Ok((base_name(part.file_name.as_deref()), part.bytes))
            }
        }
    }
}

/// Called right before a file's last byte is sent.
pub(super) type Begin = Arc<dyn Fn() + Send + Sync>;

/// Passes `bytes` on and calls `begin` before the last of them: at `length`, or at their end.
fn with_end(bytes: FileStream, length: Option<u64>, begin: &Begin) -> FileStream {
    let mut begin = Some(Arc::clone(begin));
    let mut left = length;
    bytes
        .map(Some)
        .chain(stream::once(async { None }))
        .filter_map(move |piece| {
            if let (Some(left), Some(Ok(bytes))) = (&mut left, &piece) {
                *left = left.saturating_sub(bytes.len() as u64);
            }
            let is_last = piece.is_none() || left == Some(0);
            if let Some(begin) = begin.take_if(|_| is_last) {
                begin();
            }
            ready(piece)
        })
        .boxed()
}

/// The default name of a file.
const UNNAMED: &str = "upload";
/// The maximum length of a name in characters.
const MAX_NAME: usize = 200;

/// The last part of a path of any system, without control characters and leading dots.
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
    // Keep the end, because it shows the type.
    let letters = clean.chars().count();
    clean
        .chars()
        .skip(letters.saturating_sub(MAX_NAME))
        .collect()
}

impl NewAsset {
    pub(super) fn steps(&self) -> Vec<(Step, StepState)> {
        let change_steps = self.changes().into_iter().map(|(step, _)| step);
        // A source's own tags belong to the file's step.
        let change_steps = change_steps.filter(|step| *step != Step::Tags || !self.tags.is_empty());
        std::iter::once(Step::File)
            .chain(self.name.as_ref().map(|_| Step::Name))
            .chain(change_steps)
            .map(|step| (step, StepState::NotTried))
            .collect()
    }

    pub(super) fn changes(&self) -> Vec<(Step, Change)> {
        let mut changes = Vec::new();
        // A source that already had the bytes may have ignored the tags and note sent with them.
        let uploader = self.source.uploader();
        let mut tags = uploader.map_or_else(Vec::new, |uploader| uploader.own_tags(&self.options));
        tags.extend(self.tags.iter().cloned());
        if !tags.is_empty() {
            changes.push((Step::Tags, Change::Tags(TagChange::Add(tags))));
        }
        if let Some(note) = &self.note {
            changes.push((Step::Note, Change::Note(Some(note.clone()))));
        }
        changes
    }

    /// The bytes with their length. Stores them if the source needs it and the client gave none.
    pub(super) async fn measured(
        &self,
        bytes: FileStream,
        context: &Arc<RequestContext>,
    ) -> Result<Measured, FileError> {
        let length = match &self.file {
            FileInput::Bytes(bytes) => Some(bytes.len() as u64),
            FileInput::Part { .. } => self.length,
        };
        let needs_length = self.source.uploader().is_some_and(Upload::needs_length);
        if length.is_some() || !needs_length {
            return Ok(Measured::Passing(bytes, length));
        }
        let share = self.budget.spools.share(&self.budget.client);
        let spool = Spool::fill(bytes, self.limit, share, context).await?;
        Ok(Measured::OnDisk(spool))
    }

    /// Reads the file only to hash it.
    pub(super) async fn hash_of_file(
        &self,
        context: &Arc<RequestContext>,
    ) -> Result<blake3::Hash, FileError> {
        let bounds = FileLimits {
            limit: self.limit,
            length: self.length,
            hash: self.hash,
        };
        let meter = FileMeter::default();
        let (_, bytes) = self.file.open(context).await?;
        let mut bytes = metered(bytes, bounds, meter.clone(), Arc::clone(context));
        while let Some(piece) = bytes.next().await {
            piece.map_err(|error| FileError::of(&error))?;
        }
        meter
            .hash()
            .ok_or_else(|| FileError::Malformed("the file did not arrive completely".to_owned()))
    }

    /// A hash of all arguments except the bytes.
    pub(super) fn arguments(&self) -> [u8; 32] {
        let text = format!(
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
        *blake3::hash(text.as_bytes()).as_bytes()
    }
}

/// A file that is ready to be sent.
pub(super) enum Measured {
    /// Passed on as the client sends it, with its length if that is known.
    Passing(FileStream, Option<u64>),
    OnDisk(Spool),
}

impl Measured {
    pub(super) const fn length(&self) -> Option<u64> {
        match self {
            Self::Passing(_, length) => *length,
            Self::OnDisk(spool) => Some(spool.length()),
        }
    }

    pub(super) fn content(self, begin: &Begin, context: &Arc<RequestContext>) -> FileContent {
        match self {
            Self::Passing(bytes, length) => FileContent::Once(with_end(bytes, length, begin)),
            Self::OnDisk(spool) => {
                let (begin, context) = (Arc::clone(begin), Arc::clone(context));
                FileContent::Again(Arc::new(move |at| {
                    let (length, context) = (spool.length(), Arc::clone(&context));
                    // Bytes sent from disk renew the operation's deadline too.
                    let bytes = spool.read_from(at).inspect(move |_| context.renew());
                    with_end(bytes.boxed(), length.checked_sub(at), &begin)
                }))
            }
        }
    }
}
