//! Every query parameter of PiktID's list (piktid.md 4.1), typed.
//!
//! `page`, `per_page`, `sort_by` and `order` are the connection's business and are sent by the
//! client itself.

use jiff::Timestamp;

use crate::source::Parameters;

/// Filters of `GET /assets`. `None` is not sent.
#[derive(Debug, Clone, Default)]
pub struct PiktidParameters {
    /// Exact username.
    pub created_by: Option<String>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    /// Tags, file name and project name together.
    pub search: Option<String>,
    pub ownership: Option<Ownership>,
    /// All of these.
    pub include_tags: Vec<String>,
    /// None of these.
    pub exclude_tags: Vec<String>,
}

/// `ownership`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    Mine,
    Shared,
    Default,
}

impl PiktidParameters {
    /// As they go upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        let mut pairs = Vec::new();
        let csv = |tags: &[String]| (!tags.is_empty()).then(|| tags.join(","));
        let all = [
            ("created_by", self.created_by.clone()),
            ("created_after", self.created_after.map(|t| t.to_string())),
            ("created_before", self.created_before.map(|t| t.to_string())),
            ("search", self.search.clone()),
            (
                "ownership",
                self.ownership.map(|o| {
                    match o {
                        Ownership::Mine => "mine",
                        Ownership::Shared => "shared",
                        Ownership::Default => "default",
                    }
                    .to_owned()
                }),
            ),
            ("include_tags", csv(&self.include_tags)),
            ("exclude_tags", csv(&self.exclude_tags)),
        ];
        pairs.extend(
            all.into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        Parameters::new(pairs)
    }
}
