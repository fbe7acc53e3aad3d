//! Outcomes of writes, and how they are recorded under their idempotency keys.

use super::upload::outcome::RecordedUpload;
use crate::{asset::AssetId, cache::RecordedOutcome, source::SourceError};

/// The outcomes of a delete; each asset is in one of the three lists.
#[derive(Debug, Clone, Default)]
pub struct Deleted {
    pub deleted: Vec<AssetId>,
    pub failed: Vec<(AssetId, SourceError)>,
    /// No time was left for these: retry them.
    pub not_tried: Vec<AssetId>,
}

impl Deleted {
    /// The same error for every asset.
    pub(super) fn all_failed(ids: Vec<AssetId>, error: &SourceError) -> Self {
        Self {
            failed: ids.into_iter().map(|id| (id, error.clone())).collect(),
            ..Self::default()
        }
    }

    /// Whether certainly nothing was deleted.
    pub(super) fn left_nothing(&self) -> bool {
        let may_have_taken_effect =
            |(_, error): &(_, SourceError)| *error == SourceError::UnknownOutcome;
        self.deleted.is_empty() && !self.failed.iter().any(may_have_taken_effect)
    }
}

/// The outcome of a write with an idempotency key.
pub enum RecordedWrite {
    Upload(RecordedUpload),
    Deleted(Deleted),
}

/// Why another request's write has no known outcome by the deadline.
pub fn unknown(recorded: &RecordedOutcome<RecordedWrite>) -> SourceError {
    if recorded.is_pending() {
        SourceError::Timeout
    } else {
        SourceError::UnknownOutcome
    }
}
