//! Which sources and assets a list shows.

use std::sync::Arc;

use async_graphql::{Enum, InputObject};
use jiff::Timestamp;

use super::{
    asset::enums::{AssetKind, AssetVisibility},
    error::bad_input,
    provider::AssetProvider,
    scalars::DateTime,
};
use crate::{
    asset::SourceName,
    source::{Filter, FilterField, Registry, Source},
};

/// Conditions of `assets`: an asset must meet all of them. A field that is left out or null asks for
/// nothing; an empty list or text, more than 100 entries, and conditions that exclude each other are
/// `BAD_USER_INPUT`. Each means the same at every source: the gateway applies what a source cannot, and an
/// asset without the value never matches. A source that can hold no match is `SKIPPED`.
#[derive(InputObject, Default)]
pub struct AssetFilter {
    /// Only from these sources, by name. Naming one that is not configured is an error.
    sources: Option<Vec<String>>,
    /// Only from sources of these providers.
    providers: Option<Vec<AssetProvider>>,
    /// Only of these kinds.
    kinds: Option<Vec<AssetKind>>,
    /// With all of these tags, case-sensitive. Blanks around a tag are cut off, as when tags are
    /// written.
    tags_all: Option<Vec<String>>,
    /// With at least one of these tags.
    tags_any: Option<Vec<String>>,
    /// With none of these tags.
    tags_none: Option<Vec<String>>,
    /// With this text in their name, whatever its case.
    name_contains: Option<String>,
    /// Made after this time. Sources keep microseconds and `createdAt` has milliseconds, cut off, so
    /// the `createdAt` of an asset may bring the same asset again. To page on, use its cursor. To find
    /// newer assets, take the latest `createdAt` and leave out the ids you have.
    created_after: Option<DateTime>,
    /// Made before this time.
    created_before: Option<DateTime>,
    /// Last changed after this time. PiktID sends no such time, so it is skipped.
    updated_after: Option<DateTime>,
    /// Last changed before this time. PiktID sends no such time, so it is skipped.
    updated_before: Option<DateTime>,
    /// Visible to one of these.
    visibilities: Option<Vec<AssetVisibility>>,
    /// Made by this user, as `Asset.createdBy` names them. Comfy sends no user, so it is skipped.
    created_by: Option<String>,
    /// Text for each source's own search: the one field that does not mean the same everywhere.
    /// Scenario searches names, prompts, descriptions and tags, in an index that may lag
    /// behind and may end before a long list does; PiktID tags, file names and project names; Comfy
    /// names alone, anywhere in them. For the same meaning everywhere use `nameContains`.
    search: Option<String>,
}

/// A field of `AssetFilter`. Values may be added: show an unknown one as it is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetFilterField {
    /// `kinds`.
    Kinds,
    /// `tagsAll`.
    TagsAll,
    /// `tagsAny`.
    TagsAny,
    /// `tagsNone`.
    TagsNone,
    /// `nameContains`.
    NameContains,
    /// `createdAfter`.
    CreatedAfter,
    /// `createdBefore`.
    CreatedBefore,
    /// `updatedAfter`.
    UpdatedAfter,
    /// `updatedBefore`.
    UpdatedBefore,
    /// `visibilities`.
    Visibilities,
    /// `createdBy`.
    CreatedBy,
    /// `search`.
    Search,
}

impl AssetFilterField {
    /// The field as the graph has it; none for what only a provider's own list has.
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
            FilterField::Hash | FilterField::ListedTags => return None,
        })
    }
}

/// Texts in one list of a filter.
const MAX_WORDS: usize = 100;
/// Bytes in one text: what goes into an upstream's address must fit there.
const MAX_TEXT: usize = 1_000;

impl AssetFilter {
    /// The sources to ask, in the order of their names.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for an unknown name or an empty list.
    pub fn sources(&self, registry: &Registry) -> async_graphql::Result<Vec<Arc<dyn Source>>> {
        if self.providers.as_ref().is_some_and(Vec::is_empty) {
            return Err(bad_input(
                &["filter", "providers"],
                "`filter.providers` is empty, which no asset fits: leave it out to ask all of them",
            ));
        }
        let mut sources = named(&["filter", "sources"], self.sources.as_deref(), registry)?;
        if let Some(providers) = &self.providers {
            sources.retain(|source| providers.contains(&source.profile().provider.into()));
            if sources.is_empty() && self.sources.is_some() {
                return Err(bad_input(
                    &["filter", "providers"],
                    "no source of `filter.sources` is of one of `filter.providers`: no asset fits \
                     both",
                ));
            }
        }
        Ok(sources)
    }

    /// Which of its fields leaves out a source that is not among [`Self::sources`].
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

    /// What an asset must be.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for what no asset can fit: empty lists and texts, a tag both wanted and
    /// not, a span of time that ends before it begins.
    pub fn fields(&self) -> async_graphql::Result<Filter> {
        let filter = Filter {
            kinds: list("kinds", self.kinds.as_deref(), |kind| (*kind).into())?,
            tags_all: tags("tagsAll", self.tags_all.as_deref())?,
            tags_any: tags("tagsAny", self.tags_any.as_deref())?,
            tags_none: tags("tagsNone", self.tags_none.as_deref())?,
            name_contains: text("nameContains", self.name_contains.as_deref())?,
            created_after: timestamp("createdAfter", self.created_after.as_ref())?,
            created_before: timestamp("createdBefore", self.created_before.as_ref())?,
            updated_after: timestamp("updatedAfter", self.updated_after.as_ref())?,
            updated_before: timestamp("updatedBefore", self.updated_before.as_ref())?,
            visibilities: list("visibilities", self.visibilities.as_deref(), |v| {
                (*v).into()
            })?,
            created_by: text("createdBy", self.created_by.as_deref())?,
            content_hash: None,
            search: text("search", self.search.as_deref())?,
        };
        let refuse = |field: &str, what: String| Err(bad_input(&["filter", field], what));
        let wanted = filter
            .tags_all
            .iter()
            .find(|tag| filter.tags_none.contains(tag));
        if let Some(tag) = wanted {
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
        spans(&filter)?;
        Ok(filter)
    }
}

/// A moment of a filter.
///
/// # Errors
/// `BAD_USER_INPUT` where it is none.
pub fn timestamp(field: &str, time: Option<&DateTime>) -> async_graphql::Result<Option<Timestamp>> {
    time.map(|time| time.read(&["filter", field])).transpose()
}

/// Refuses spans of time that end before they begin.
///
/// # Errors
/// `BAD_USER_INPUT` naming where the span ends.
pub fn spans(filter: &Filter) -> async_graphql::Result<()> {
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
                format!("`{field}` is not later than where the span begins: no asset fits"),
            ));
        }
    }
    Ok(())
}

/// A list that must not be empty: nothing would fit. Sorted, without repeats: equal filters are equal.
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
                "`filter.{field}` must have 1 to {MAX_WORDS} entries: leave it out to ask for all"
            ),
        ));
    }
    let mut mapped: Vec<U> = values.iter().map(map).collect();
    mapped.sort();
    mapped.dedup();
    Ok(mapped)
}

/// A list of texts.
///
/// # Errors
/// `BAD_USER_INPUT` where it is empty or too long, or one of its texts is.
pub fn words(field: &str, values: Option<&[String]>) -> async_graphql::Result<Vec<String>> {
    let words = list(field, values, String::clone)?;
    for (index, word) in values.unwrap_or_default().iter().enumerate() {
        check_text(&["filter", field, &index.to_string()], word)?;
    }
    Ok(words)
}

/// A list of tags, without blanks around them: none is written with those.
///
/// # Errors
/// As [`words`].
pub fn tags(field: &str, values: Option<&[String]>) -> async_graphql::Result<Vec<String>> {
    let trimmed = |tags: &[String]| tags.iter().map(|tag| tag.trim().to_owned()).collect();
    let tags: Option<Vec<String>> = values.map(trimmed);
    words(field, tags.as_deref())
}

/// A text that must not be empty.
///
/// # Errors
/// `BAD_USER_INPUT` where it is, or is too long.
pub fn text(field: &str, value: Option<&str>) -> async_graphql::Result<Option<String>> {
    if let Some(text) = value {
        check_text(&["filter", field], text)?;
    }
    Ok(value.map(str::to_owned))
}

fn check_text(path: &[&str], text: &str) -> async_graphql::Result<()> {
    let refuse = |what: String| Err(bad_input(path, format!("`{}` {what}", path.join("."))));
    match text {
        "" => refuse("is an empty text: leave it out to ask for all".to_owned()),
        text if text.len() > MAX_TEXT => refuse(format!("is a text of more than {MAX_TEXT} bytes")),
        _ => Ok(()),
    }
}

/// The sources of these names, or all of them, in the order of their names.
///
/// # Errors
/// `BAD_USER_INPUT` for an unknown name or an empty list.
pub fn named(
    path: &[&str],
    names: Option<&[String]>,
    registry: &Registry,
) -> async_graphql::Result<Vec<Arc<dyn Source>>> {
    let Some(names) = names else {
        return Ok(registry.all().to_vec());
    };
    if names.is_empty() {
        return Err(bad_input(
            path,
            format!(
                "`{}` is empty, which no asset fits: leave it out to ask all sources",
                path.join(".")
            ),
        ));
    }
    let mut wanted = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let index = index.to_string();
        let source = SourceName::parse(name)
            .ok()
            .and_then(|parsed| registry.named(&parsed))
            .ok_or_else(|| unknown_source(&[path, &[index.as_str()]].concat(), name, registry))?;
        wanted.push(&source.profile().name);
    }
    Ok(registry
        .all()
        .iter()
        .filter(|source| wanted.contains(&&source.profile().name))
        .cloned()
        .collect())
}

/// A source that is not configured: says which are.
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
