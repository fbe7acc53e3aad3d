//! The query parameters of PiktID's list (docs/providers/piktid.md 4.1), typed.
//!
//! The client itself sends `page`, `per_page`, `sort_by` and `order`, which belong to paging.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    asset::{Kind, Status, Visibility},
    source::{BrokenRule, Filter, FilterField, ListCall, ListKind, NoCall, Parameters, SortBy},
};

/// All tags that PiktID has (3).
pub const TAGS: [&str; 4] = ["model", "product", "background", "other"];

/// Time bounds are widened by this much and compared here. PiktID does not document whether they
/// are inclusive, or how finely they compare (4.1).
const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// Filters of `GET /assets`. `None` is not sent.
#[derive(Debug, Clone, Default)]
pub struct PiktidParameters {
    /// Exact username.
    pub created_by: Option<String>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    /// Searches tags, file name and project name together.
    pub search: Option<String>,
    pub ownership: Option<Ownership>,
    /// The asset has all of these.
    pub include_tags: Vec<String>,
    /// The asset has none of these.
    pub exclude_tags: Vec<String>,
}

/// The values of `ownership`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    Mine,
    Shared,
    Default,
}

impl PiktidParameters {
    /// Checks the parameters against the contract's rules (4.1).
    ///
    /// # Errors
    /// [`BrokenRule`]: the first rule that they break.
    pub fn check(&self) -> Result<(), BrokenRule> {
        for (field, tags) in [
            ("includeTags", &self.include_tags),
            ("excludeTags", &self.exclude_tags),
        ] {
            if let Some(other) = tags.iter().find(|tag| !TAGS.contains(&tag.as_str())) {
                let shown: String = other.chars().take(40).collect();
                return Err(BrokenRule {
                    field,
                    entry: Some(other.clone()),
                    rule: format!("`{shown}` is not one of PiktID's tags: {}", TAGS.join(", ")),
                });
            }
        }
        let is_excluded = |tag: &&String| self.exclude_tags.contains(tag);
        if let Some(tag) = self.include_tags.iter().find(is_excluded) {
            return Err(BrokenRule {
                field: "excludeTags",
                entry: Some(tag.clone()),
                rule: format!("the tag `{tag}` is in `includeTags` too: no asset fits both"),
            });
        }
        if let (Some(after), Some(before)) = (self.created_after, self.created_before)
            && after > before
        {
            return Err(BrokenRule {
                field: "createdBefore",
                entry: None,
                rule: "it is earlier than `createdAfter`: no asset fits".to_owned(),
            });
        }
        Ok(())
    }

    /// Returns the parameters as sent upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        let mut pairs = Vec::new();
        let csv = |tags: &[String]| (!tags.is_empty()).then(|| tags.join(","));
        let optional_pairs = [
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
            optional_pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        Parameters::new(pairs)
    }
}

/// Translates a filter. The gateway compares names, as `search` also matches tags and projects.
pub(super) fn push_down(filter: &Filter, by: SortBy) -> Result<ListCall, NoCall> {
    let is_piktid_tag = |tag: &String| TAGS.contains(&tag.as_str());
    if filter.wants_no_kind_of(&[Kind::Image]) {
        return Err(NoCall::Skip("PiktID holds pictures only"));
    }
    if filter.wants_update_times() {
        return Err(NoCall::Skip(
            "PiktID does not report when an asset was last changed",
        ));
    }
    if !filter.tags_all.iter().all(is_piktid_tag)
        || (!filter.tags_any.is_empty() && !filter.tags_any.iter().any(is_piktid_tag))
    {
        return Err(NoCall::Skip(
            "PiktID only has the tags model, product, background and other",
        ));
    }
    let held = [
        Visibility::Private,
        Visibility::Shared,
        Visibility::Platform,
    ];
    if filter.wants_no_visibility_of(&held) {
        return Err(NoCall::Skip(
            "PiktID's assets are PRIVATE, SHARED or PLATFORM",
        ));
    }
    if filter.wants_no_status_of(&[Status::Ready]) {
        return Err(NoCall::Skip("PiktID's assets are READY"));
    }
    let ownership = match filter.visibilities.as_slice() {
        [Visibility::Private] => Some(Ownership::Mine),
        [Visibility::Shared] => Some(Ownership::Shared),
        [Visibility::Platform] => Some(Ownership::Default),
        _ => None,
    };
    // Any of a single tag is the same as all of it.
    let mut include_tags = filter.tags_all.clone();
    if let [only] = filter.tags_any.as_slice() {
        include_tags.push(only.clone());
    }
    include_tags.sort();
    include_tags.dedup();
    let exclude_tags: Vec<String> = filter
        .tags_none
        .iter()
        .filter(|t| is_piktid_tag(t))
        .cloned()
        .collect();
    let mut pushed = vec![
        FilterField::TagsAll,
        FilterField::TagsNone,
        FilterField::CreatedBy,
        // All its assets have the same.
        FilterField::Statuses,
    ];
    if filter.tags_any.len() == 1 {
        pushed.push(FilterField::TagsAny);
    }
    // ISO 8601 has no years before 1, so such a bound is not sent.
    let is_valid_year = |time: &Timestamp| time.to_zoned_datetime(TimeZone::UTC).year() >= 1;
    let widened = |time: Option<Timestamp>, by: SignedDuration| {
        time?.checked_add(by).ok().filter(is_valid_year)
    };
    let parameters = PiktidParameters {
        created_by: filter.created_by.clone(),
        created_after: widened(filter.created_after, -SLACK),
        created_before: widened(filter.created_before, SLACK),
        search: filter.search.clone(),
        ownership,
        include_tags,
        exclude_tags,
    };
    Ok(ListCall {
        listing: ListKind::Own,
        parameters: parameters.query(),
        local: filter.local(by, &pushed),
        listed: Vec::new(),
        notes: Vec::new(),
    })
}
