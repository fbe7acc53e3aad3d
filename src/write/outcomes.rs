//! Outcomes of writes, and how they are recorded under their idempotency keys.

use super::upload::outcome::KeptUpload;
use crate::{asset::AssetId, cache::Recorded, source::SourceError};

/// What became of them; each asset is in one of the three.
#[derive(Debug, Clone, Default)]
pub struct Deleted {
    pub deleted: Vec<AssetId>,
    pub failed: Vec<(AssetId, SourceError)>,
    /// There was no time left: ask again for these.
    pub not_tried: Vec<AssetId>,
}

impl Deleted {
    /// The same for all.
    pub(super) fn all(ids: Vec<AssetId>, error: &SourceError) -> Self {
        Self {
            failed: ids.into_iter().map(|id| (id, error.clone())).collect(),
            ..Self::default()
        }
    }

    /// Whether nothing at all has come of it.
    pub(super) fn left_nothing(&self) -> bool {
        let is_open = |(_, error): &(_, SourceError)| *error == SourceError::UnknownOutcome;
        self.deleted.is_empty() && !self.failed.iter().any(is_open)
    }
}

/// What came of a write that carried an idempotency key.
pub enum RecordedWrite {
    Upload(KeptUpload),
    Deleted(Deleted),
}

/// Why the outcome of somebody else's write is not there by the deadline.
pub fn unknown(told: &Recorded<RecordedWrite>) -> SourceError {
    if told.is_under_way() {
        SourceError::Timeout
    } else {
        SourceError::UnknownOutcome
    }
}
