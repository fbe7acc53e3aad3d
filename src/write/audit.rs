//! Audit lines: who wrote what, and the outcome.

use crate::source::SourceError;

/// The log's target of audit lines.
pub const AUDIT: &str = "audit";

/// What came of a write, in a word.
pub const fn word_of(error: Option<&SourceError>) -> &'static str {
    match error {
        None => "done",
        Some(SourceError::UnknownOutcome) => "unknown",
        Some(SourceError::HalfDone { .. }) => "half done",
        Some(SourceError::NotTried) => "not tried",
        Some(_) => "failed",
    }
}
