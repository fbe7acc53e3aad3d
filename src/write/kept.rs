//! Outcomes that are told again under their key.

use super::{Deleted, upload::KeptUpload};
use crate::{cache::Recorded, source::SourceError};

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
