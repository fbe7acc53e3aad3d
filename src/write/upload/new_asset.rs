//! The file of an upload on its way: its name, its length, its bytes.

use std::{future::ready, sync::Arc};

use futures_util::{StreamExt, stream};

use super::{
    metered_file::{FileError, FileInput, FileLimits, MeteredStream, tallied},
    outcome::{Step, StepState},
    spool::Spool,
};
use crate::{
    access::{Budget, Client, ClientSlot, SlotsByClient},
    source::{
        FileContent, FileStream, RequestContext, Source, SourceError, TagChange, UploadOptions,
    },
    write::edit::Change,
};

/// A file to make an asset of.
pub struct NewAsset {
    pub source: Arc<dyn Source>,
    pub file: FileInput,
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
    /// Whose places and disk it takes.
    pub budget: UploadBudget,
}

/// Places for uploads, and disk for those that wait on it, as one client has them.
#[derive(Clone)]
pub struct UploadBudget {
    pub client: Client,
    /// Of all clients.
    pub places: SlotsByClient<Client>,
    pub spools: Budget,
}

impl UploadBudget {
    /// Waits for a place, as long as the operation has time to begin something.
    pub(super) async fn place(&self, context: &RequestContext) -> Result<ClientSlot, SourceError> {
        let place = self.places.place(self.client.clone(), context.last_start());
        place.await.ok_or(SourceError::NotTried)
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
                let all = stream::once(async move { Ok(bytes) }).boxed();
                Ok((UNNAMED.to_owned(), all))
            }
            Self::Part { parts, name } => {
                let part = parts.take(name, context).await?;
                Ok((base_name(part.file_name.as_deref()), part.bytes))
            }
        }
    }
}

/// What happens before a file's last byte is sent.
pub(super) type Begin = Arc<dyn Fn() + Send + Sync>;

/// `bytes`, with `begin` called before the last of them: at `length`, or at their end.
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

/// The name of a file without one.
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
    pub(super) fn steps(&self) -> Vec<(Step, StepState)> {
        let asked = self.changes().into_iter().map(|(step, _)| step);
        std::iter::once(Step::File)
            .chain(self.name.as_ref().map(|_| Step::Name))
            .chain(asked)
            .map(|step| (step, StepState::NotTried))
            .collect()
    }

    pub(super) fn changes(&self) -> Vec<(Step, Change)> {
        let mut changes = Vec::new();
        // Where the source knew the bytes, it may have left out what they were sent with.
        let mut tags = self.source.upload_tags(&self.options);
        tags.extend(self.tags.iter().cloned());
        if !tags.is_empty() {
            changes.push((Step::Tags, Change::Tags(TagChange::Add(tags))));
        }
        if let Some(note) = &self.note {
            changes.push((Step::Note, Change::Note(Some(note.clone()))));
        }
        changes
    }

    /// The bytes with their length, where the source must know it first.
    pub(super) async fn measured(
        &self,
        bytes: FileStream,
        context: &Arc<RequestContext>,
    ) -> Result<Measured, FileError> {
        let known = match &self.file {
            FileInput::Bytes(bytes) => Some(bytes.len() as u64),
            FileInput::Part { .. } => self.length,
        };
        if known.is_some() || !self.source.needs_length() {
            return Ok(Measured::Passing(bytes, known));
        }
        let share = self.budget.spools.share(&self.budget.client);
        let spool = Spool::fill(bytes, self.limit, share, context).await?;
        Ok(Measured::OnDisk(spool))
    }

    /// Reads the file for its hash alone.
    pub(super) async fn hash_of_file(
        &self,
        context: &Arc<RequestContext>,
    ) -> Result<blake3::Hash, FileError> {
        let bounds = FileLimits {
            limit: self.limit,
            length: self.length,
            hash: self.hash,
        };
        let tally = MeteredStream::default();
        let (_, bytes) = self.file.open(context).await?;
        let mut bytes = tallied(bytes, bounds, tally.clone(), Arc::clone(context));
        while let Some(piece) = bytes.next().await {
            piece.map_err(|error| FileError::of(&error))?;
        }
        tally
            .hash()
            .ok_or_else(|| FileError::Malformed("the file did not come whole".to_owned()))
    }

    /// All but the bytes, in one number.
    pub(super) fn arguments(&self) -> [u8; 32] {
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

/// A file that is ready to be sent.
pub(super) enum Measured {
    /// As it comes from its client, of this length, where that is known.
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
                    // On its way to the source it is still on its way.
                    let bytes = spool.read_from(at).inspect(move |_| context.renew());
                    with_end(bytes.boxed(), length.checked_sub(at), &begin)
                }))
            }
        }
    }
}
