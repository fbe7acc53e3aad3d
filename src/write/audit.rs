//! Audit lines: who wrote what, and the outcome.

use crate::source::SourceError;

/// The log target of audit lines.
pub const AUDIT: &str = "audit";

/// A write's outcome as the audit log spells it.
pub const fn outcome_word(error: Option<&SourceError>) -> &'static str {
    match error {
        None => "done",
        Some(SourceError::UnknownOutcome) => "unknown",
        Some(SourceError::PartlyDone { .. }) => "half done",
        Some(SourceError::NotTried) => "not tried",
        Some(_) => "failed",
    }
}
