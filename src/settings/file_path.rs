//! A path in the settings.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A path. A relative one begins at the folder of the configuration file that names it, or at the
/// working directory where a variable names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FilePath(PathBuf);

impl From<PathBuf> for FilePath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl FilePath {
    /// Shows the path in messages.
    #[must_use]
    pub fn display(&self) -> std::path::Display<'_> {
        self.0.display()
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}
