//! Comfy's own filters and orders, of all its generations (comfy.md 4.1).

use async_graphql::{Enum, InputObject};
use serde_json::{Map, Value};

use crate::{
    schema::{
        error::bad_input,
        filter::{tags, text},
        order::AssetOrderDirection,
        providers::provider_query::{ProviderQuery, broken},
        scalars::Json,
    },
    source::{ComfyParameters, FilterField, Order, SortBy},
};

/// What Comfy can sort by. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComfyAssetOrderField {
    /// `created_at`. It never changes, so a walk misses and repeats nothing.
    CreatedAt,
    /// `updated_at`. An asset that is changed during a walk moves to the newest end: newest first it
    /// may be missed, oldest first it may come twice. Changing tags does not count as a change.
    UpdatedAt,
    /// `name`, as the server sorts names; within one source. An asset renamed during a walk may
    /// move.
    Name,
    /// `size` in bytes; within one source.
    Size,
    /// `last_access_time`; within one source. Reading a file moves its asset.
    LastAccessTime,
}

/// How Comfy sorts its list.
#[derive(InputObject, Debug, Clone, Copy)]
pub struct ComfyAssetOrder {
    /// The field to sort by.
    field: ComfyAssetOrderField,
    /// Ascending or descending.
    direction: AssetOrderDirection,
}

impl ComfyAssetOrder {
    /// What a client gets that does not say.
    pub const NEWEST: Self = Self {
        field: ComfyAssetOrderField::CreatedAt,
        direction: AssetOrderDirection::Desc,
    };
}

impl From<ComfyAssetOrder> for Order {
    fn from(order: ComfyAssetOrder) -> Self {
        Self {
            by: match order.field {
                ComfyAssetOrderField::CreatedAt => SortBy::CreatedAt,
                ComfyAssetOrderField::UpdatedAt => SortBy::UpdatedAt,
                ComfyAssetOrderField::Name => SortBy::Name,
                ComfyAssetOrderField::Size => SortBy::Size,
                ComfyAssetOrderField::LastAccessTime => SortBy::LastAccessTime,
            },
            direction: order.direction.into(),
        }
    }
}

/// What one key of an asset's metadata must be.
#[derive(InputObject)]
pub struct ComfyMetadataMatch {
    /// A key of the metadata that users give, or on newer servers of the server's own (`width`).
    key: String,
    /// Any of these values, by type: `21` finds 21.0, but not "21". Left out or null: the asset
    /// must not have the key, or have null there.
    any_of: Option<Vec<Json>>,
}

/// Comfy's own filters: an asset fits when it fits all that are given. Older servers ignore names
/// they do not know; what they send in spite of `tagsAll`, `tagsAny`, `tagsNone` and `hash` is
/// filtered here.
#[derive(InputObject, Default)]
pub struct ComfyAssetFilter {
    /// With all of these tags, in the older spelling, which every server knows. Case-sensitive.
    include_tags: Option<Vec<String>>,
    /// With none of these tags, in the older spelling, which every server knows.
    exclude_tags: Option<Vec<String>>,
    /// With all of these tags. This and the next two not together with the older spelling.
    tags_all: Option<Vec<String>>,
    /// With at least one of these tags.
    tags_any: Option<Vec<String>>,
    /// With none of these tags.
    tags_none: Option<Vec<String>>,
    /// With this text in their name, whatever its case.
    name_contains: Option<String>,
    /// With metadata that matches all of these.
    metadata_filter: Option<Vec<ComfyMetadataMatch>>,
    /// Public assets too; Comfy shows them unless this is false. A self-hosted ComfyUI has none.
    include_public: Option<bool>,
    /// With this content: `blake3:` and 64 hexadecimal digits.
    hash: Option<String>,
}

impl ComfyAssetFilter {
    /// # Errors
    /// `BAD_USER_INPUT` for what breaks a rule of Comfy's.
    pub fn asked(self) -> async_graphql::Result<ProviderQuery> {
        let parameters = ComfyParameters {
            include_tags: tags("includeTags", self.include_tags.as_deref())?,
            exclude_tags: tags("excludeTags", self.exclude_tags.as_deref())?,
            tags_all: tags("tagsAll", self.tags_all.as_deref())?,
            tags_any: tags("tagsAny", self.tags_any.as_deref())?,
            tags_none: tags("tagsNone", self.tags_none.as_deref())?,
            name_contains: text("nameContains", self.name_contains.as_deref())?,
            metadata_filter: metadata(self.metadata_filter)?,
            include_public: self.include_public,
            // Servers write digests in lower case.
            hash: text("hash", self.hash.as_deref())?.map(|hash| hash.to_lowercase()),
        };
        let lists = [
            ("includeTags", &self.include_tags),
            ("excludeTags", &self.exclude_tags),
            ("tagsAll", &self.tags_all),
            ("tagsAny", &self.tags_any),
            ("tagsNone", &self.tags_none),
        ];
        parameters.check().map_err(|rule| broken(&rule, &lists))?;
        Ok(ProviderQuery {
            filter: parameters.recheck(),
            // Only the newest contract knows it.
            local: parameters.hash.iter().map(|_| FilterField::Hash).collect(),
            parameters: parameters.query(),
        })
    }
}

fn metadata(matches: Option<Vec<ComfyMetadataMatch>>) -> async_graphql::Result<Map<String, Value>> {
    let refuse = |message: String| Err(bad_input(&["filter", "metadataFilter"], message));
    if matches.as_ref().is_some_and(Vec::is_empty) {
        return refuse("it is empty: leave it out to ask for all".to_owned());
    }
    let mut all = Map::new();
    for wanted in matches.into_iter().flatten() {
        let values: Option<Vec<Value>> = wanted
            .any_of
            .map(|values| values.into_iter().map(|value| value.0).collect());
        if values.iter().flatten().any(Value::is_array) {
            return refuse(format!(
                "`anyOf` of the key `{}` holds a list: give its values one by one",
                wanted.key
            ));
        }
        let value = match values {
            None => Value::Null,
            Some(values) if values.is_empty() => {
                return refuse(format!(
                    "`anyOf` of the key `{}` is empty, which no asset fits: give a value, or leave \
                     it out to ask for assets without the key",
                    wanted.key
                ));
            }
            Some(mut values) if values.len() == 1 => values.remove(0),
            Some(values) => Value::Array(values),
        };
        if all.insert(wanted.key.clone(), value).is_some() {
            return refuse(format!(
                "the key `{}` is there twice: put all its values into one `anyOf`",
                wanted.key
            ));
        }
    }
    Ok(all)
}
