//! `AssetFilter`: which sources and assets a list includes.

use std::sync::Arc;

use async_graphql::{Enum, InputObject};
use jiff::Timestamp;

use super::{
    asset::enums::{AssetKind, AssetStatus, AssetVisibility},
    error::bad_input,
    scalars::DateTime,
};
use crate::{
    asset::{MISSING_TAG, Provider, SourceName, Status, composed},
    source::{Filter, FilterField, Registry, Source},
};

/// Conditions on assets, combined with AND. An omitted, null or empty field imposes none, but for
/// `sources` and `providers`: empty, they match nothing. An empty tag, more than 100 entries, and
/// contradictions are `BAD_USER_INPUT`. All fields but `search` mean the same at every source: the gateway applies the conditions that a source cannot. An asset
/// without the tested value never matches. A source that can hold no match is `SKIPPED`.
#[derive(InputObject, Default)]
pub struct AssetFilter {
    /// Only assets of these sources, given by `AssetSource.name`. An unknown name is an error.
    sources: Option<Vec<String>>,
    /// Only assets of sources of these providers.
    providers: Option<Vec<Provider>>,
    /// Only assets of one of these kinds.
    kinds: Option<Vec<AssetKind>>,
    /// Only assets with all of these tags. Tags are case-sensitive. The gateway trims spaces around
    /// them, as it does when tags are written.
    tags_all: Option<Vec<String>>,
    /// Only assets with at least one of these tags.
    tags_any: Option<Vec<String>>,
    /// Only assets with none of these tags.
    tags_none: Option<Vec<String>>,
    /// Only assets whose name contains this text. Case is ignored. An asset without a name, which
    /// shows its `upstreamId`, does not match.
    name_contains: Option<String>,
    /// Only assets created after this time, exclusive. Sources keep microseconds, and `createdAt`
    /// is cut to milliseconds: an asset's own `createdAt` may match it again. To page, use cursors.
    /// To poll for newer assets, pass the latest `createdAt` and drop the ids you have.
    created_after: Option<DateTime>,
    /// Only assets created before this time, exclusive.
    created_before: Option<DateTime>,
    /// Only assets last changed after this time, exclusive. A source that reports no
    /// such time is `SKIPPED`.
    updated_after: Option<DateTime>,
    /// Only assets last changed before this time, exclusive. A source that reports no
    /// such time is `SKIPPED`.
    updated_before: Option<DateTime>,
    /// Only assets with one of these visibilities.
    visibilities: Option<Vec<AssetVisibility>>,
    /// Only assets with exactly this `Asset.createdBy`. A source that reports no
    /// creator is `SKIPPED`.
    created_by: Option<String>,
    /// Only assets with one of these statuses. Without it, lists leave out assets whose file is
    /// missing, unless `tagsAll` or `tagsAny` has the tag `missing`.
    statuses: Option<Vec<AssetStatus>>,
    /// Text for each source's own search. Its meaning differs by source; that of `nameContains`
    /// does not: some search names alone, some also tags, prompts and descriptions. A source's index
    /// may lag, and may end before a long list does. `docs/providers.md` has the details.
    search: Option<String>,
}

/// A field of `AssetFilter`. Values may be added: display an unknown one by its name.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetFilterField {
    /// `AssetFilter.kinds`.
    Kinds,
    /// `AssetFilter.tagsAll`.
    TagsAll,
    /// `AssetFilter.tagsAny`.
    TagsAny,
    /// `AssetFilter.tagsNone`.
    TagsNone,
    /// `AssetFilter.nameContains`.
    NameContains,
    /// `AssetFilter.createdAfter`.
    CreatedAfter,
    /// `AssetFilter.createdBefore`.
    CreatedBefore,
    /// `AssetFilter.updatedAfter`.
    UpdatedAfter,
    /// `AssetFilter.updatedBefore`.
    UpdatedBefore,
    /// `AssetFilter.visibilities`.
    Visibilities,
    /// `AssetFilter.createdBy`.
    CreatedBy,
    /// `AssetFilter.search`.
    Search,
    /// `AssetFilter.statuses`.
    Statuses,
}

impl AssetFilterField {
    /// Maps a filter field to its schema value. `None` where `AssetFilter` has no such field.
    pub const fn of(field: FilterField) -> Option<Self> {
        Some(match field {
            FilterField::Kinds => Self::Kinds,
            FilterField::TagsAll => Self::TagsAll,
            FilterField::TagsAny => Self::TagsAny,
            FilterField::TagsNone => Self::TagsNone,
            FilterField::NameContains => Self::NameContains,
            FilterField::CreatedAfter => Self::CreatedAfter,
            FilterField::CreatedBefore => Self::CreatedBefore,
            FilterField::UpdatedAfter => Self::UpdatedAfter,
            FilterField::UpdatedBefore => Self::UpdatedBefore,
            FilterField::Visibilities => Self::Visibilities,
            FilterField::CreatedBy => Self::CreatedBy,
            FilterField::Search => Self::Search,
            FilterField::Statuses => Self::Statuses,
            FilterField::Hash | FilterField::ListedTags => return None,
        })
    }
}

/// The most entries of a filter list.
const MAX_WORDS: usize = 100;
/// The most bytes of a filter string, which must fit into an upstream URL.
const MAX_TEXT: usize = 1_000;

impl AssetFilter {
    /// Returns the sources to query, sorted by name. Empty lists name none.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for an unknown name, or fields that no source matches together.
    pub fn sources(&self, registry: &Registry) -> async_graphql::Result<Vec<Arc<dyn Source>>> {
        let mut sources = named(&["filter", "sources"], self.sources.as_deref(), registry)?;
        if let Some(providers) = &self.providers {
            sources.retain(|source| providers.contains(&source.profile().provider));
            let names_some = self.sources.as_ref().is_some_and(|names| !names.is_empty());
            if sources.is_empty() && names_some && !providers.is_empty() {
                return Err(bad_input(
                    &["filter", "providers"],
                    "no source in `filter.sources` is of any of `filter.providers`: no asset fits \
                     both",
                ));
            }
        }
        Ok(sources)
    }

    /// Returns the field that excludes a source from [`Self::sources`]: `sources` or `providers`.
    pub fn excluding(&self, name: &SourceName, registry: &Registry) -> &'static str {
        let sources = self.sources.iter().flatten();
        let mut sources = sources
            .filter_map(|name| SourceName::parse(name).ok())
            .filter_map(|name| registry.named(&name));
        if self.sources.is_some() && !sources.any(|source| source.profile().name == *name) {
            "sources"
        } else {
            "providers"
        }
    }

    /// Returns the conditions on assets, checked and normalised.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for conditions that no asset can meet: a tag both required and excluded, an
    /// empty time range. Also for empty tags, overlong values and malformed times.
    pub fn fields(&self) -> async_graphql::Result<Filter> {
        let mut filter = Filter {
            kinds: list("kinds", some(self.kinds.as_ref()), |kind| (*kind).into())?,
            tags_all: composed_tags("tagsAll", self.tags_all.as_ref())?,
            tags_any: composed_tags("tagsAny", self.tags_any.as_ref())?,
            tags_none: composed_tags("tagsNone", self.tags_none.as_ref())?,
            name_contains: text("nameContains", written(self.name_contains.as_ref()))?
                .map(|part| composed(&part).into_owned()),
            created_after: timestamp("createdAfter", self.created_after.as_ref())?,
            created_before: timestamp("createdBefore", self.created_before.as_ref())?,
            updated_after: timestamp("updatedAfter", self.updated_after.as_ref())?,
            updated_before: timestamp("updatedBefore", self.updated_before.as_ref())?,
            visibilities: list("visibilities", some(self.visibilities.as_ref()), |v| {
                (*v).into()
            })?,
            created_by: text("createdBy", written(self.created_by.as_ref()))?,
            content_hash: None,
            statuses: list("statuses", some(self.statuses.as_ref()), |s| (*s).into())?,
            lists_missing: false,
            search: text("search", written(self.search.as_ref()))?,
        };
        let mut named = filter.tags_all.iter().chain(&filter.tags_any);
        filter.lists_missing =
            named.any(|tag| tag == MISSING_TAG) || filter.statuses.contains(&Status::Missing);
        let refuse = |field: &str, what: String| Err(bad_input(&["filter", field], what));
        let contradictory = filter
            .tags_all
            .iter()
            .find(|tag| filter.tags_none.contains(tag));
        if let Some(tag) = contradictory {
            return refuse(
                "tagsNone",
                format!("the tag `{tag}` is in `tagsAll` and in `tagsNone`: no asset fits both"),
            );
        }
        if !filter.tags_any.is_empty()
            && filter
                .tags_any
                .iter()
                .all(|tag| filter.tags_none.contains(tag))
        {
            return refuse(
                "tagsNone",
                "every tag of `tagsAny` is in `tagsNone`: no asset fits both".to_owned(),
            );
        }
        check_time_ranges(&filter)?;
        Ok(filter)
    }
}

/// Returns a list, unless it is empty and so no condition.
fn some<T>(list: Option<&Vec<T>>) -> Option<&[T]> {
    list.map(Vec::as_slice).filter(|list| !list.is_empty())
}

/// Returns a text, unless it is blank and so no condition.
fn written(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str)
        .filter(|text| !text.trim().is_empty())
}

/// Parses a time of a filter.
///
/// # Errors
/// `BAD_USER_INPUT` when it is not an RFC 3339 time.
pub fn timestamp(field: &str, time: Option<&DateTime>) -> async_graphql::Result<Option<Timestamp>> {
    time.map(|time| time.read(&["filter", field])).transpose()
}

/// Rejects time ranges that are empty.
///
/// # Errors
/// `BAD_USER_INPUT` at the `…Before` field when it is not later than the `…After` field.
pub fn check_time_ranges(filter: &Filter) -> async_graphql::Result<()> {
    for (field, after, before) in [
        ("createdBefore", filter.created_after, filter.created_before),
        ("updatedBefore", filter.updated_after, filter.updated_before),
    ] {
        if after
            .zip(before)
            .is_some_and(|(after, before)| after >= before)
        {
            return Err(bad_input(
                &["filter", field],
                format!("`{field}` is not later than the start of the time range: no asset fits"),
            ));
        }
    }
    Ok(())
}

/// Checks the length of a filter list, then sorts and deduplicates it: equal filters compare equal.
fn list<T, U: Ord>(
    field: &str,
    values: Option<&[T]>,
    map: impl Fn(&T) -> U,
) -> async_graphql::Result<Vec<U>> {
    let Some(values) = values else {
        return Ok(Vec::new());
    };
    if values.is_empty() || values.len() > MAX_WORDS {
        return Err(bad_input(
            &["filter", field],
            format!(
                "`filter.{field}` must have 1 to {MAX_WORDS} entries: leave it out to match all"
            ),
        ));
    }
    let mut mapped: Vec<U> = values.iter().map(map).collect();
    mapped.sort();
    mapped.dedup();
    Ok(mapped)
}

/// Checks a list of strings.
///
/// # Errors
/// `BAD_USER_INPUT` when the list, or one of its strings, is empty or too long.
pub fn words(field: &str, values: Option<&[String]>) -> async_graphql::Result<Vec<String>> {
    let words = list(field, values, String::clone)?;
    for (index, word) in values.unwrap_or_default().iter().enumerate() {
        check_text(&["filter", field, &index.to_string()], word)?;
    }
    Ok(words)
}

/// Checks a list of tags and trims them, as tags are trimmed when they are written.
///
/// # Errors
/// `BAD_USER_INPUT`, as for [`words`].
pub fn tags(field: &str, values: Option<&[String]>) -> async_graphql::Result<Vec<String>> {
    let trimmed = |tags: &[String]| tags.iter().map(|tag| tag.trim().to_owned()).collect();
    let tags: Option<Vec<String>> = values.map(trimmed);
    words(field, tags.as_deref())
}

/// Checks a list of tags that is no condition where it is empty. Returns them in the spelling that
/// assets' tags are compared in.
fn composed_tags(field: &str, values: Option<&Vec<String>>) -> async_graphql::Result<Vec<String>> {
    let tags = tags(field, some(values))?.into_iter();
    let mut tags: Vec<String> = tags.map(|tag| composed(&tag).into_owned()).collect();
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// Checks a string that must not be empty.
///
/// # Errors
/// `BAD_USER_INPUT` when it is empty or longer than 1,000 bytes.
pub fn text(field: &str, value: Option<&str>) -> async_graphql::Result<Option<String>> {
    if let Some(text) = value {
        check_text(&["filter", field], text)?;
    }
    Ok(value.map(str::to_owned))
}

fn check_text(path: &[&str], text: &str) -> async_graphql::Result<()> {
    let refuse = |what: String| Err(bad_input(path, format!("`{}` {what}", path.join("."))));
    match text {
        "" => refuse("is empty: leave it out to match all".to_owned()),
        text if text.len() > MAX_TEXT => refuse(format!("is longer than {MAX_TEXT} bytes")),
        _ => Ok(()),
    }
}

/// Returns the named sources, or all sources when `names` is `None`, sorted by name. An empty list
/// names none, so that nothing matches.
///
/// # Errors
/// `BAD_USER_INPUT` for an unknown name.
pub fn named(
    path: &[&str],
    names: Option<&[String]>,
    registry: &Registry,
) -> async_graphql::Result<Vec<Arc<dyn Source>>> {
    let Some(names) = names else {
        return Ok(registry.all().to_vec());
    };
    let mut requested = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let index = index.to_string();
        let source = SourceName::parse(name)
            .ok()
            .and_then(|parsed| registry.named(&parsed))
            .ok_or_else(|| unknown_source(&[path, &[index.as_str()]].concat(), name, registry))?;
        requested.push(&source.profile().name);
    }
    Ok(registry
        .all()
        .iter()
        .filter(|source| requested.contains(&&source.profile().name))
        .cloned()
        .collect())
}

/// Creates the error for an unknown source name. It lists the configured names.
pub fn unknown_source(path: &[&str], name: &str, registry: &Registry) -> async_graphql::Error {
    let names: Vec<&str> = registry
        .all()
        .iter()
        .map(|source| source.profile().name.as_str())
        .collect();
    let shown: String = name.chars().take(40).collect();
    bad_input(
        path,
        format!(
            "no source is named `{shown}`; configured are: {}",
            names.join(", ")
        ),
    )
}
