//! Changes to a source's assets, and their outcomes.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{error::SourceError, request_context::RequestContext};

/// Each id with its outcome.
pub type Outcomes = Vec<(Arc<str>, Result<(), SourceError>)>;

/// The result of one bulk delete, from its response and the reads that verify it.
pub struct Deletion {
    pub outcomes: Outcomes,
    /// Assets that still exist after a call without a response; the call may have arrived.
    pub left: Vec<Arc<str>>,
}

impl Deletion {
    /// Deletes `left` once more, with up to `calls` upstream calls: a delete is idempotent.
    pub async fn retry_remaining(
        self,
        calls: u32,
        context: &RequestContext,
        again: impl AsyncFnOnce(&[Arc<str>]) -> Self,
    ) -> Outcomes {
        let Self { mut outcomes, left } = self;
        let is_late = Instant::now() >= context.last_start();
        let unknown = |id| (id, Err(SourceError::UnknownOutcome));
        if left.is_empty() || is_late || context.spend(calls).is_err() {
            outcomes.extend(left.into_iter().map(unknown));
            return outcomes;
        }
        let second = again(&left).await;
        outcomes.extend(
            second
                .outcomes
                .into_iter()
                .map(|(id, outcome)| match outcome {
                    // The first delete took effect after all.
                    Ok(()) | Err(SourceError::NotFound) => (id, Ok(())),
                    Err(_) => unknown(id),
                }),
        );
        outcomes.extend(second.left.into_iter().map(unknown));
        outcomes
    }
}

/// Why a change failed, and whether that is certain.
#[derive(Debug, Clone)]
pub struct ChangeFailure {
    pub error: SourceError,
    /// The change may still have taken effect, fully or in part.
    pub may_have_taken_effect: bool,
}

impl ChangeFailure {
    /// Makes a failure with a certain outcome, such as when nothing was sent.
    pub const fn with_certain_outcome(error: SourceError) -> Self {
        Self {
            error,
            may_have_taken_effect: false,
        }
    }
}

impl From<SourceError> for ChangeFailure {
    fn from(error: SourceError) -> Self {
        let may_have_taken_effect = error.may_have_taken_effect();
        Self {
            error,
            may_have_taken_effect,
        }
    }
}

/// A change to an asset's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChange {
    Add(Vec<String>),
    Remove(Vec<String>),
    /// Replaces all tags by these.
    Set(Vec<String>),
}

impl TagChange {
    /// Returns the tags that the change names.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        match self {
            Self::Add(tags) | Self::Remove(tags) | Self::Set(tags) => tags,
        }
    }

    /// Returns the tags after the change to `current`, each once.
    #[must_use]
    pub fn applied(&self, current: &[String]) -> Vec<String> {
        let mut after = match self {
            Self::Add(tags) => [current, tags].concat(),
            Self::Remove(tags) => current
                .iter()
                .filter(|tag| !tags.contains(tag))
                .cloned()
                .collect(),
            Self::Set(tags) => tags.clone(),
        };
        after.sort();
        after.dedup();
        after
    }

    /// Returns the tags to add to `current`, and the tags to remove from it.
    #[must_use]
    pub fn difference(&self, current: &[String]) -> (Vec<String>, Vec<String>) {
        let after = self.applied(current);
        let added = after.iter().filter(|tag| !current.contains(tag));
        let removed = current.iter().filter(|tag| !after.contains(tag));
        (added.cloned().collect(), removed.cloned().collect())
    }
}

/// Delays before each read that verifies a write. A change or a deletion may become visible a
/// little later.
pub const VERIFY_DELAYS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_secs(1),
];

/// Refuses tags with a comma, because a comma separates tags in every tag filter.
///
/// # Errors
/// [`SourceError::Invalid`] names the tag.
pub fn check_commas(tags: &[String]) -> Result<(), SourceError> {
    match tags.iter().find(|tag| tag.contains(',')) {
        None => Ok(()),
        Some(tag) => Err(SourceError::Invalid(format!(
            "the tag `{}` contains a comma, so no filter can match it: remove the comma",
            tag.chars().take(40).collect::<String>()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Vec<String> {
        names.iter().map(|&tag| tag.to_owned()).collect()
    }

    #[test]
    fn a_change_of_tags_is_a_set_afterwards() {
        let current = tags(&["a", "b", "b"]);
        assert_eq!(
            TagChange::Add(tags(&["c", "a"])).applied(&current),
            tags(&["a", "b", "c"])
        );
        assert_eq!(
            TagChange::Remove(tags(&["b", "x"])).applied(&current),
            tags(&["a"])
        );
        assert_eq!(
            TagChange::Set(tags(&["c", "b"])).difference(&current),
            (tags(&["c"]), tags(&["a"]))
        );
    }
}
