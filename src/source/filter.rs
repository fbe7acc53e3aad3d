//! The filter of a merged list, which has the same meaning at every source.
//!
//! The gateway asks a source for a superset of the matches, as its contract allows ([`ListPlan`]).
//! [`Filter::fits`] then checks every row, also for pushed-down fields, because servers ignore
//! parameters that they do not know.

use jiff::Timestamp;

use super::{
    info::Paging,
    page::{ListKind, Parameters, SortBy},
};
use crate::asset::{Asset, Kind, Status, Visibility, composed};

/// The conditions on an asset. Empty lists and `None` set no condition. An asset without the
/// compared value never matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The asset has one of these kinds.
    pub kinds: Vec<Kind>,
    /// Tags, and the part of the name below, are in their composed spelling ([`composed`]).
    pub tags_all: Vec<String>,
    pub tags_any: Vec<String>,
    pub tags_none: Vec<String>,
    /// Substring of the name, in any case. An asset without a name never matches.
    pub name_contains: Option<String>,
    /// Exclusive, like the three bounds below.
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    pub updated_after: Option<Timestamp>,
    pub updated_before: Option<Timestamp>,
    /// The asset has one of these visibilities.
    pub visibilities: Vec<Visibility>,
    /// The exact creator, as the source spells it.
    pub created_by: Option<String>,
    /// With its prefix: `blake3:…`.
    pub content_hash: Option<String>,
    /// The asset has one of these statuses.
    pub statuses: Vec<Status>,
    /// Assets whose file is missing are listed too.
    pub lists_missing: bool,
    /// Text for each source's own search, the only condition that [`Filter::fits`] does not check.
    pub search: Option<String>,
}

/// A field of a list's filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterField {
    Kinds,
    TagsAll,
    TagsAny,
    TagsNone,
    NameContains,
    CreatedAfter,
    CreatedBefore,
    UpdatedAfter,
    UpdatedBefore,
    Visibilities,
    CreatedBy,
    Search,
    /// The hash filter of a provider's own list; older servers ignore it.
    Hash,
    Statuses,
    /// The tags that a source lists assets by, where the caller's own tags replace them in the
    /// call.
    ListedTags,
}

impl FilterField {
    /// Whether an upstream parameter of this name carries the field, in either spelling
    /// (`createdAfter`, `created_after`).
    #[must_use]
    pub fn matches_parameter(self, parameter: &str) -> bool {
        let word = match self {
            Self::CreatedAfter => "createdAfter",
            Self::CreatedBefore => "createdBefore",
            Self::UpdatedAfter => "updatedAfter",
            Self::UpdatedBefore => "updatedBefore",
            _ => return false,
        };
        parameter.replace('_', "").eq_ignore_ascii_case(word)
    }

    /// Whether the field bounds a list in this order, and with it the range that is read.
    #[must_use]
    pub const fn bounds(self, by: SortBy) -> bool {
        match self {
            Self::CreatedAfter | Self::CreatedBefore => matches!(by, SortBy::CreatedAt),
            Self::UpdatedAfter | Self::UpdatedBefore => matches!(by, SortBy::UpdatedAt),
            _ => false,
        }
    }
}

/// The list that a request asks of a source.
#[derive(Debug, Clone, Copy)]
pub enum ListSelection<'a> {
    /// The source's part of the merged list, with this filter.
    Merged(&'a Filter),
    /// One of the provider's lists, with the provider's own parameters.
    Provider {
        listing: ListKind,
        parameters: &'a Parameters,
        /// The filter that the gateway applies to each row.
        filter: &'a Filter,
    },
}

/// The upstream list call for a selection. It returns every match, and as few other rows as
/// possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCall {
    pub listing: ListKind,
    pub parameters: Parameters,
    /// The fields that the gateway must still compare after reading; empty when the upstream's
    /// filters cover all of them.
    pub local: Vec<FilterField>,
    /// The list only has assets with one of these tags; empty means all assets.
    pub listed: Vec<String>,
    /// What else the call leaves to the client to know, one sentence each.
    pub notes: Vec<&'static str>,
}

impl ListCall {
    /// Makes the call of a list with the provider's own parameters.
    #[must_use]
    pub const fn new(listing: ListKind, parameters: Parameters) -> Self {
        Self {
            listing,
            parameters,
            local: Vec::new(),
            listed: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// How a source answers a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPlan {
    pub call: ListCall,
    pub paging: Paging,
}

/// Why a source makes no call for a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCall {
    /// The source can have no match, for this reason.
    Skip(&'static str),
    /// The source has no such list, filter or order, for this reason.
    Unsupported(&'static str),
}

impl Filter {
    /// Whether an asset matches the filter.
    #[must_use]
    pub fn fits(&self, asset: &Asset) -> bool {
        let has = |tag: &String| asset.tags.iter().any(|own| composed(own) == tag.as_str());
        (self.lists_missing || asset.status != Status::Missing)
            && (self.statuses.is_empty() || self.statuses.contains(&asset.status))
            && (self.kinds.is_empty() || self.kinds.contains(&asset.kind))
            && self.tags_all.iter().all(has)
            && (self.tags_any.is_empty() || self.tags_any.iter().any(has))
            && !self.tags_none.iter().any(has)
            && self.name_contains.as_ref().is_none_or(|part| {
                let name = asset.name.as_deref();
                name.is_some_and(|name| contains(&composed(name), part))
            })
            && self
                .created_after
                .is_none_or(|bound| asset.created_at > bound)
            && self
                .created_before
                .is_none_or(|bound| asset.created_at < bound)
            && self
                .updated_after
                .is_none_or(|bound| asset.updated_at.is_some_and(|at| at > bound))
            && self
                .updated_before
                .is_none_or(|bound| asset.updated_at.is_some_and(|at| at < bound))
            && (self.visibilities.is_empty()
                || asset
                    .visibility
                    .is_some_and(|asset_visibility| self.visibilities.contains(&asset_visibility)))
            && self
                .created_by
                .as_ref()
                .is_none_or(|name| asset.created_by.as_ref() == Some(name))
            && self
                .content_hash
                .as_ref()
                .is_none_or(|hash| asset.content_hash.as_ref() == Some(hash))
    }

    /// Returns the exclusive time bounds of a list sorted by `by`, which limit the range to read.
    #[must_use]
    pub const fn span(&self, by: SortBy) -> (Option<Timestamp>, Option<Timestamp>) {
        match by {
            SortBy::CreatedAt => (self.created_after, self.created_before),
            SortBy::UpdatedAt => (self.updated_after, self.updated_before),
            SortBy::Name | SortBy::Size | SortBy::LastAccessTime => (None, None),
        }
    }

    /// Returns the fields in use with their values. Equal filters give equal text, and a new field
    /// changes nothing for filters that do not use it. Cursors are bound to these names, so a name
    /// stays even if the GraphQL schema renames its field.
    #[must_use]
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        fn listed<T: std::fmt::Debug>(values: &[T]) -> Option<String> {
            (!values.is_empty()).then(|| format!("{values:?}"))
        }
        let time = |bound: Option<Timestamp>| bound.map(|time| time.to_string());
        [
            ("kinds", listed(&self.kinds)),
            ("tagsAll", listed(&self.tags_all)),
            ("tagsAny", listed(&self.tags_any)),
            ("tagsNone", listed(&self.tags_none)),
            // The match ignores case.
            (
                "nameContains",
                self.name_contains.as_ref().map(|part| part.to_lowercase()),
            ),
            ("createdAfter", time(self.created_after)),
            ("createdBefore", time(self.created_before)),
            ("updatedAfter", time(self.updated_after)),
            ("updatedBefore", time(self.updated_before)),
            ("visibility", listed(&self.visibilities)),
            ("owner", self.created_by.clone()),
            ("hash", self.content_hash.clone()),
            ("statuses", listed(&self.statuses)),
            ("search", self.search.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Returns the fields in use.
    #[must_use]
    pub fn used(&self) -> Vec<FilterField> {
        [
            (FilterField::Kinds, !self.kinds.is_empty()),
            (FilterField::TagsAll, !self.tags_all.is_empty()),
            (FilterField::TagsAny, !self.tags_any.is_empty()),
            (FilterField::TagsNone, !self.tags_none.is_empty()),
            (FilterField::NameContains, self.name_contains.is_some()),
            (FilterField::CreatedAfter, self.created_after.is_some()),
            (FilterField::CreatedBefore, self.created_before.is_some()),
            (FilterField::UpdatedAfter, self.updated_after.is_some()),
            (FilterField::UpdatedBefore, self.updated_before.is_some()),
            (FilterField::Visibilities, !self.visibilities.is_empty()),
            (FilterField::CreatedBy, self.created_by.is_some()),
            (FilterField::Search, self.search.is_some()),
            (FilterField::Hash, self.content_hash.is_some()),
            (FilterField::Statuses, !self.statuses.is_empty()),
        ]
        .into_iter()
        .filter_map(|(field, is_used)| is_used.then_some(field))
        .collect()
    }

    /// Returns the fields in use that the gateway compares after reading: all except `pushed`, the
    /// source's own search, and the times that bound the list.
    #[must_use]
    pub fn local(&self, by: SortBy, pushed: &[FilterField]) -> Vec<FilterField> {
        let mut fields = self.used();
        fields.retain(|field| {
            *field != FilterField::Search && !field.bounds(by) && !pushed.contains(field)
        });
        fields
    }

    /// Whether the filter names kinds, and `held` has none of them.
    #[must_use]
    pub fn wants_no_kind_of(&self, held: &[Kind]) -> bool {
        !self.kinds.is_empty() && !self.kinds.iter().any(|kind| held.contains(kind))
    }

    /// Whether the filter names visibilities, and `held` has none of them.
    #[must_use]
    pub fn wants_no_visibility_of(&self, held: &[Visibility]) -> bool {
        !self.visibilities.is_empty() && !self.visibilities.iter().any(|v| held.contains(v))
    }

    /// Whether the filter names statuses, and `held` has none of them.
    #[must_use]
    pub fn wants_no_status_of(&self, held: &[Status]) -> bool {
        !self.statuses.is_empty() && !self.statuses.iter().any(|status| held.contains(status))
    }

    /// Whether the filter bounds the time of the last change.
    #[must_use]
    pub const fn wants_update_times(&self) -> bool {
        self.updated_after.is_some() || self.updated_before.is_some()
    }
}

/// Whether a name contains a part, ignoring case. For an ASCII part only ASCII letters ignore case,
/// as on servers.
fn contains(name: &str, part: &str) -> bool {
    if part.is_ascii() {
        return name
            .to_ascii_lowercase()
            .contains(&part.to_ascii_lowercase());
    }
    // The small sigma at the end of a word is another character.
    let folded = |text: &str| text.to_lowercase().replace('ς', "σ");
    folded(name).contains(&folded(part))
}
