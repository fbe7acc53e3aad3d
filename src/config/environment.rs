//! Access to environment variables.

/// Provides environment variables: from the process, or from a test's table.
pub trait Environment {
    /// Returns the variable's value. An empty value counts as not set.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name).filter(|value| !value.is_empty())
    }
}
