//! Reads the answers to writes.

use super::decode::response;
use crate::{source::SourceError, upstream::Answer};

/// Maps a write's response to a result by its status; a success may have any body.
pub fn done(answer: &Answer) -> Result<(), SourceError> {
    if answer.status.is_success() {
        return Ok(());
    }
    Err(response::refusal(
        answer.status,
        &answer.headers,
        &answer.body,
    ))
}
