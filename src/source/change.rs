//! What is changed at a source, and what became of it.

use super::SourceError;

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
