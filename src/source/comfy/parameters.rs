//! Every query parameter of Comfy's list (comfy.md 4.1), all generations, typed.
//!
//! `limit`, `offset`, `after`, `sort` and `order` are the connection's business and are sent by
//! the client itself. A server silently ignores names it does not know, so whoever relies on a
//! filter re-checks it.

use serde_json::{Map, Value};

use crate::source::Parameters;

/// Filters of `GET /api/assets`. `None` and empty lists are not sent.
///
/// Both spellings of the same list together are refused by newer servers (`INVALID_TAG_FILTER`).
#[derive(Debug, Clone, Default)]
pub struct ComfyParameters {
    /// Older spelling of `tags_all`.
    pub include_tags: Vec<String>,
    /// Older spelling of `tags_none`.
    pub exclude_tags: Vec<String>,
    pub tags_all: Vec<String>,
    pub tags_any: Vec<String>,
    pub tags_none: Vec<String>,
    /// Case-insensitive substring (for ASCII letters, on a local server).
    pub name_contains: Option<String>,
    /// A value or any of a list of values per key; null: the key is absent.
    pub metadata_filter: Map<String, Value>,
    pub include_public: Option<bool>,
    /// `blake3:<hex>`.
    pub hash: Option<String>,
}

impl ComfyParameters {
    /// As they go upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        let csv = |tags: &[String]| (!tags.is_empty()).then(|| tags.join(","));
        let all = [
            ("include_tags", csv(&self.include_tags)),
            ("exclude_tags", csv(&self.exclude_tags)),
            ("tags_all", csv(&self.tags_all)),
            ("tags_any", csv(&self.tags_any)),
            ("tags_none", csv(&self.tags_none)),
            ("name_contains", self.name_contains.clone()),
            (
                "metadata_filter",
                (!self.metadata_filter.is_empty())
                    .then(|| Value::Object(self.metadata_filter.clone()).to_string()),
            ),
            ("include_public", self.include_public.map(|b| b.to_string())),
            ("hash", self.hash.clone()),
        ];
        Parameters::new(
            all.into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        )
    }
}
