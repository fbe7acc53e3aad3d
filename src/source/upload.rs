//! What a source is given to make an asset of, and what it makes of it.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::SourceError;
use crate::asset::FileType;

/// A file's bytes as they come, no faster than they are taken. An error ends them: whatever was
/// sent so far is not the file.
pub type FileStream = BoxStream<'static, io::Result<Bytes>>;

/// A file's bytes on their way to a source.
pub enum FileContent {
    /// They come from a client: once.
    Once(FileStream),
    /// They are on disk: from any place on, as often as wanted.
    Again(Arc<dyn Fn(u64) -> FileStream + Send + Sync>),
}

impl FileContent {
    /// All of them, from the beginning.
    #[must_use]
    pub fn whole(self) -> FileStream {
        match self {
            Self::Once(bytes) => bytes,
            Self::Again(from) => from(0),
        }
    }
}

/// A file, and what it shall be as an asset.
pub struct NewFile<'a> {
    /// Without folders, with an ending that fits.
    pub name: String,
    pub kind: FileType,
    /// In bytes; known where [`super::Source::needs_length`].
    pub length: Option<u64>,
    /// `blake3:` and 64 digits, where the client gave it.
    pub hash: Option<&'a str>,
    pub tags: &'a [String],
    pub note: Option<&'a str>,
    pub options: &'a UploadOptions,
}

/// What only one provider's uploads know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum UploadOptions {
    #[default]
    None,
    Scenario(ScenarioUpload),
    Comfy(ComfyUpload),
}

/// Scenario's (scenario.md 5.5, 5.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ScenarioUpload {
    pub kind: Option<ScenarioUploadKind>,
    pub collection_ids: Vec<String>,
    pub parent_id: Option<String>,
    pub hide: bool,
}

/// What an upload becomes (5.6 [SDK]): of its words, those that are files of assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScenarioUploadKind {
    Image,
    Video,
    Audio,
    Text,
    Model3d,
}

/// Comfy's: which of its folders (comfy.md 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ComfyUpload {
    pub destination: ComfyDestination,
    /// The folder of models, such as `checkpoints`.
    pub model_type: Option<String>,
}

/// A root tag of Comfy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ComfyDestination {
    #[default]
    Input,
    Output,
    Models,
}

/// What came of a file that was sent whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uploaded {
    Ready {
        id: Arc<str>,
        /// The source's own number for the upload, where it has one.
        upload: Option<Box<str>>,
        /// False where the source knew the bytes.
        created: bool,
    },
    /// The source still works on it: ask [`super::Source::upload_state`].
    Pending { upload: Box<str> },
}

/// Why there is no asset, and what may be left of it at the source.
#[derive(Debug, Clone)]
pub struct UploadFailure {
    pub error: SourceError,
    /// An asset without its bytes that the source may list now.
    pub id: Option<Arc<str>>,
    /// The source's own number for the upload.
    pub upload: Option<Box<str>>,
}

impl UploadFailure {
    /// Of an upload that has a number at the source already.
    pub fn of(upload: &str, error: SourceError) -> Self {
        Self {
            error,
            id: None,
            upload: Some(upload.into()),
        }
    }
}

impl From<SourceError> for UploadFailure {
    fn from(error: SourceError) -> Self {
        Self {
            error,
            id: None,
            upload: None,
        }
    }
}

/// What an answer's failure says of a file: sent whole, a server's own failure does not tell what
/// became of it. Before that, nothing has.
pub fn settled(error: SourceError, is_whole: bool) -> SourceError {
    match error {
        SourceError::Unavailable {
            status: Some(_), ..
        } if is_whole => SourceError::UnknownOutcome,
        error => error,
    }
}

/// Between two looks at an upload that the source still works on.
pub const POLL: Duration = Duration::from_millis(500);
