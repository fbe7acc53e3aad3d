//! What is changed at a source, and what became of it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{error::SourceError, request_context::RequestContext, response};
use crate::upstream::Answer;

/// Each id with its outcome.
pub type Outcomes = Vec<(Arc<str>, Result<(), SourceError>)>;

/// One call that deletes several assets, as far as its answer and reads afterwards show.
pub struct Deletion {
    pub outcomes: Outcomes,
    /// Still there, though the call may have arrived: its answer is lost.
    pub left: Vec<Arc<str>>,
}

impl Deletion {
    /// Sends what is left once more, with up to `calls` upstream calls: twice comes to the same.
    pub async fn settled(
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
                    // The first has done it after all.
                    Ok(()) | Err(SourceError::NotFound) => (id, Ok(())),
                    Err(_) => unknown(id),
                }),
        );
        outcomes.extend(second.left.into_iter().map(unknown));
        outcomes
    }
}

/// Why a change is not there, as far as anybody knows.
#[derive(Debug, Clone)]
pub struct ChangeFailure {
    pub error: SourceError,
    /// It may be there all the same, or in part.
    pub is_open: bool,
}

impl ChangeFailure {
    /// Nothing was sent.
    pub const fn unsent(error: SourceError) -> Self {
        Self {
            error,
            is_open: false,
        }
    }
}

impl From<SourceError> for ChangeFailure {
    fn from(error: SourceError) -> Self {
        let is_open = error.is_open();
        Self { error, is_open }
    }
}

/// What is done to an asset's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChange {
    Add(Vec<String>),
    Remove(Vec<String>),
    /// These and no others.
    Set(Vec<String>),
}

impl TagChange {
    /// The tags it names.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        match self {
            Self::Add(tags) | Self::Remove(tags) | Self::Set(tags) => tags,
        }
    }

    /// What it makes of `current`, each tag once.
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

    /// The tags to add to `current` and those to take away.
    #[must_use]
    pub fn difference(&self, current: &[String]) -> (Vec<String>, Vec<String>) {
        let after = self.applied(current);
        let added = after.iter().filter(|tag| !current.contains(tag));
        let removed = current.iter().filter(|tag| !after.contains(tag));
        (added.cloned().collect(), removed.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[&str]) -> Vec<String> {
        all.iter().map(|&tag| tag.to_owned()).collect()
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

/// Before each look at what a write has done: what was written, or is gone, may show a little
/// later.
pub const VERIFY_DELAYS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_secs(1),
];

/// Refuses tags that hold a comma: it separates them in every filter by tags.
pub fn check_commas(tags: &[String]) -> Result<(), SourceError> {
    match tags.iter().find(|tag| tag.contains(',')) {
        None => Ok(()),
        Some(tag) => Err(SourceError::Invalid(format!(
            "the tag `{}` holds a comma, so no filter could ask for it: leave the comma out",
            tag.chars().take(40).collect::<String>()
        ))),
    }
}

/// What a write's answer says, whatever its body.
pub fn done(answer: &Answer) -> Result<(), SourceError> {
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(response::refusal(
            answer.status,
            &answer.headers,
            &answer.body,
        ))
    }
}
