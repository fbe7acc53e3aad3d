//! Where variables come from.

/// Where variables come from: the process, or a test's table.
pub trait Environment {
    /// The variable's value; an empty one counts as not set.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name).filter(|value| !value.is_empty())
    }
}
