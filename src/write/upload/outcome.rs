//! The outcome of an upload: its asset, its steps, and what failed.

use std::sync::Arc;

use super::metered_file::FileError;
use crate::{
    asset::{Asset, AssetId, SourceName},
    source::SourceError,
    write::audit::word_of,
};

/// What came of an upload.
#[derive(Debug, Clone)]
pub struct UploadOutcome {
    pub source: SourceName,
    /// At the source, as soon as it is known; also of an asset that could not be read back.
    pub id: Option<AssetId>,
    /// As it is now.
    pub asset: Option<Arc<Asset>>,
    /// Whether the bytes were new to the source; none until it says so.
    pub created: Option<bool>,
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
    /// The name that was asked for.
    Name,
    Tags,
    Note,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    Done,
    Failed,
    /// Sent, and its outcome is not known.
    Unknown,
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
    /// An argument breaks a rule of the source; nothing was sent.
    #[error("{error}")]
    Argument {
        /// Of the upload's input.
        field: &'static str,
        error: SourceError,
    },
    #[error(
        "this `idempotencyKey` belongs to another write: with other arguments or another file. \
         Use a new key"
    )]
    Conflict,
    #[error(
        "the upload that held this `idempotencyKey` failed without a trace: send the file again, \
         with the same key"
    )]
    FirstFailed,
}

impl UploadOutcome {
    pub(in crate::write) fn of(source: SourceName) -> Self {
        Self {
            source,
            id: None,
            asset: None,
            created: None,
            progress: None,
            steps: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Nothing was sent.
    pub(in crate::write) fn failed(source: SourceName, error: impl Into<UploadError>) -> Self {
        Self {
            errors: vec![error.into()],
            ..Self::of(source)
        }
    }

    /// What came of it, in a word.
    pub(in crate::write) fn word(&self) -> &'static str {
        let mut sources = self.errors.iter().filter_map(|error| match error {
            UploadError::Source(error) => Some(error),
            _ => None,
        });
        match (&self.id, self.errors.is_empty()) {
            _ if self.pending().is_some() => "pending",
            (Some(_), true) => word_of(None),
            (Some(_), false) => "half done",
            _ if sources.any(|error| *error == SourceError::UnknownOutcome) => {
                word_of(Some(&SourceError::UnknownOutcome))
            }
            _ => "failed",
        }
    }

    /// The source's number of an upload that it still works on.
    pub(in crate::write) fn pending(&self) -> Option<&str> {
        let progress = self.progress.as_ref().filter(|own| own.is_pending)?;
        progress.id.as_deref()
    }

    pub(in crate::write) fn set(&mut self, step: Step, state: StepState) {
        for (own, current) in &mut self.steps {
            if *own == step {
                *current = state;
            }
        }
    }

    pub(in crate::write) fn set_all(&mut self, state: StepState) {
        for (_, current) in &mut self.steps {
            *current = state;
        }
    }
}

/// An upload that was kept under a key.
pub struct KeptUpload {
    pub(super) outcome: UploadOutcome,
    /// Of the bytes; none where they never came whole.
    pub(super) hash: Option<blake3::Hash>,
}
