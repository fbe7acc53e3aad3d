//! The outcome of an upload: its asset, its steps, and what failed.

use std::sync::Arc;

use super::metered_file::FileError;
use crate::{
    asset::{Asset, AssetId, SourceName},
    source::SourceError,
    write::audit::outcome_word,
};

/// The outcome of an upload.
#[derive(Debug, Clone)]
pub struct UploadOutcome {
    pub source: SourceName,
    /// The asset's id, as soon as it is known; also if the asset could not be read back.
    pub id: Option<AssetId>,
    /// The asset as it is now.
    pub asset: Option<Arc<Asset>>,
    /// Whether the bytes were new to the source; `None` until the source reports it.
    pub created: Option<bool>,
    pub progress: Option<Progress>,
    /// The requested steps, in the order they run.
    pub steps: Vec<(Step, StepState)>,
    pub errors: Vec<UploadError>,
}

/// The source's progress with an upload.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The source's own number for the upload, if it has any.
    pub id: Option<Box<str>>,
    pub is_pending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    File,
    /// The requested name.
    Name,
    Tags,
    Note,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    Done,
    Failed,
    /// The step was sent, but its outcome is unknown.
    Unknown,
    /// The source is still processing the file.
    Pending,
    /// An earlier step failed.
    NotTried,
}

/// Why an upload or a step of it failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UploadError {
    #[error("{0}")]
    File(#[from] FileError),
    #[error("{0}")]
    Source(#[from] SourceError),
    /// An argument breaks a rule of the source; nothing was sent.
    #[error("{error}")]
    Argument {
        /// The field of the upload's input.
        field: &'static str,
        error: SourceError,
    },
    #[error(
        "this `idempotencyKey` belongs to another write: with other arguments or another file. \
         Use a new key"
    )]
    Conflict,
    #[error(
        "the first upload with this `idempotencyKey` failed and left nothing: send the file again, \
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

    /// The outcome if nothing was sent.
    pub(in crate::write) fn failed(source: SourceName, error: impl Into<UploadError>) -> Self {
        Self {
            errors: vec![error.into()],
            ..Self::of(source)
        }
    }

    /// The outcome as the audit log spells it.
    pub(in crate::write) fn audit_word(&self) -> &'static str {
        let mut sources = self.errors.iter().filter_map(|error| match error {
            UploadError::Source(error) => Some(error),
            _ => None,
        });
        match (&self.id, self.errors.is_empty()) {
            _ if self.pending().is_some() => "pending",
            (Some(_), true) => outcome_word(None),
            (Some(_), false) => "half done",
            _ if sources.any(|error| *error == SourceError::UnknownOutcome) => {
                outcome_word(Some(&SourceError::UnknownOutcome))
            }
            _ => "failed",
        }
    }

    /// The source's number of an upload that is still pending.
    pub(in crate::write) fn pending(&self) -> Option<&str> {
        let progress = self.progress.as_ref().filter(|state| state.is_pending)?;
        progress.id.as_deref()
    }

    pub(in crate::write) fn set(&mut self, step: Step, state: StepState) {
        for (entry, current) in &mut self.steps {
            if *entry == step {
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

/// An upload recorded under a key.
pub struct RecordedUpload {
    pub(super) outcome: UploadOutcome,
    /// The hash of the bytes; `None` if they never arrived completely.
    pub(super) hash: Option<blake3::Hash>,
}
