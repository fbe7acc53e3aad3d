//! A PiktID asset, as the emulator keeps it.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

use crate::sandbox::files::{File, HasFile};

/// A PiktID asset.
#[derive(Debug, Clone, Default)]
pub struct PiktidAsset {
    pub id: String,
    pub filename: String,
    /// Microseconds since 1970.
    pub created: i64,
    pub created_by: String,
    pub visibility: String,
    pub project: Option<String>,
    pub tags: Vec<String>,
    pub styling_note: Option<String>,
    pub detected: Option<Value>,
    pub dimensions: Option<(u32, u32)>,
    pub has_thumbnails: bool,
    pub file: File,
    pub overrides: BTreeMap<String, Box<RawValue>>,
}

impl HasFile for PiktidAsset {
    fn id(&self) -> &str {
        &self.id
    }

    fn file(&self) -> &File {
        &self.file
    }
}
