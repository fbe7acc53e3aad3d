//! Uploads to a source: the file, its options and the result.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::BoxStream;

use serde::{Serialize, de::DeserializeOwned};

use super::error::SourceError;
use crate::asset::{FileType, Provider};

/// A file's bytes as they arrive, read no faster than they are consumed. An error ends the stream;
/// the bytes before it are not the whole file.
pub type FileStream = BoxStream<'static, io::Result<Bytes>>;

/// The content of a file to upload.
pub enum FileContent {
    /// A client's stream, which can be read once.
    Once(FileStream),
    /// A file on disk, which can be read from any offset, any number of times.
    Again(Arc<dyn Fn(u64) -> FileStream + Send + Sync>),
}

impl FileContent {
    /// Returns all bytes, from the beginning.
    #[must_use]
    pub fn whole(self) -> FileStream {
        match self {
            Self::Once(bytes) => bytes,
            Self::Again(from) => from(0),
        }
    }
}

/// A file to upload, with the properties of its asset.
pub struct NewFile<'a> {
    /// Without folders, with an extension that fits the type.
    pub name: String,
    pub kind: FileType,
    /// In bytes; always set if [`super::Upload::needs_length`].
    pub length: Option<u64>,
    /// `blake3:` and 64 digits, if the client gave it.
    pub hash: Option<&'a str>,
    pub tags: &'a [String],
    pub note: Option<&'a str>,
    pub options: &'a UploadOptions,
}

/// Upload options of one provider, in its own form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UploadOptions(Option<(Provider, Box<str>)>);

impl UploadOptions {
    /// Makes options of a provider.
    #[must_use]
    pub fn of<T: Serialize>(provider: Provider, options: &T) -> Self {
        // A provider's options are a struct of texts and flags, which is always JSON.
        let text = serde_json::to_string(options).unwrap_or_default();
        Self(Some((provider, text.into())))
    }

    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the options for a source of this provider, or their defaults.
    ///
    /// # Errors
    /// [`SourceError::Invalid`]: the options are another provider's.
    pub fn read<T: DeserializeOwned + Default>(
        &self,
        provider: Provider,
    ) -> Result<T, SourceError> {
        match &self.0 {
            None => Ok(T::default()),
            Some((of, text)) if *of == provider => serde_json::from_str(text)
                .map_err(|error| SourceError::Invalid(format!("the upload's options: {error}"))),
            Some(_) => Err(SourceError::Invalid(format!(
                "this is a {0} source: use `options.{0}`",
                provider.word()
            ))),
        }
    }
}

/// The result of an upload that was sent completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uploaded {
    Ready {
        id: Arc<str>,
        /// The source's id of the upload, if it has one.
        upload: Option<Box<str>>,
        /// False if the source already had the bytes.
        created: bool,
    },
    /// The source still processes the file: poll [`super::Upload::upload_state`].
    Pending { upload: Box<str> },
}

/// Why an upload made no asset, and the traces it may have left at the source.
#[derive(Debug, Clone)]
pub struct UploadFailure {
    pub error: SourceError,
    /// An asset without bytes that the source may list now.
    pub id: Option<Arc<str>>,
    /// The source's id of the upload.
    pub upload: Option<Box<str>>,
}

impl UploadFailure {
    /// Makes the failure of an upload that already has an id at the source.
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

/// Maps an upload's error response. After the whole file was sent, a server error leaves the
/// outcome unknown; before that, the upload had no effect.
pub fn error_after_upload(error: SourceError, is_whole: bool) -> SourceError {
    match error {
        SourceError::Unavailable {
            status: Some(_), ..
        } if is_whole => SourceError::UnknownOutcome,
        error => error,
    }
}

/// Interval between two polls of an upload that the source still processes.
pub const POLL: Duration = Duration::from_millis(500);
