//! Comfy's own filters and orders, of all its API versions (docs/providers/comfy.md 4.1).

use async_graphql::{Context, Enum, InputObject, Object};
use serde_json::{Map, Value};

use crate::{
    asset::Provider,
    providers::comfy::list_params::ComfyParameters,
    schema::{
        asset::enums::AssetStatus,
        connection::AssetConnection,
        error::bad_input,
        fast_path::FastPath,
        filter::{tags, text},
        order::AssetOrderDirection,
        providers::provider_query::{ProviderList, ProviderQuery, rule_error},
        scalars::Json,
    },
    source::{FilterField, ListKind, Order, SortBy},
};

/// A field that Comfy can sort by. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComfyAssetOrderField {
    /// `created_at`. It never changes, so paging neither skips nor repeats an asset.
    CreatedAt,
    /// `updated_at`; tag changes count on newer servers alone. An asset changed while you page moves
    /// to the newest end. Newest first, paging may skip it; oldest first, paging may return it twice.
    UpdatedAt,
    /// `name`, in the server's collation; within one source. An asset renamed while you page may
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
    /// The default: newest first.
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

/// A condition on one key of an asset's metadata.
#[derive(InputObject)]
pub struct ComfyMetadataMatch {
    /// A key of the users' metadata, or on newer servers of the server's own, such as `width`.
    key: String,
    /// The accepted values, compared by type: `21` matches 21.0, but not "21". Omitted or null: the
    /// asset must have no such key, or a null value. An empty list is an error.
    any_of: Option<Vec<Json>>,
}

/// Comfy's own filters, combined with AND. An omitted or null field imposes no condition. Older
/// servers ignore filters that they do not know, so the gateway also applies `tagsAll`, `tagsAny`,
/// `tagsNone` and `hash` itself.
#[derive(InputObject, Default)]
pub struct ComfyAssetFilter {
    /// Only assets with all of these tags, case-sensitive. An older parameter of every server.
    include_tags: Option<Vec<String>>,
    /// Only assets with none of these tags. An older parameter of every server.
    exclude_tags: Option<Vec<String>>,
    /// Only assets with all of these tags. Not together with `includeTags` or `excludeTags`.
    tags_all: Option<Vec<String>>,
    /// Only assets with one of these tags. Not together with `includeTags` or `excludeTags`.
    tags_any: Option<Vec<String>>,
    /// Only assets with none of these tags. Not together with `includeTags` or `excludeTags`.
    tags_none: Option<Vec<String>>,
    /// Only assets whose name contains this text. Case is ignored.
    name_contains: Option<String>,
    /// Only assets whose metadata meets all of these conditions.
    metadata_filter: Option<Vec<ComfyMetadataMatch>>,
    /// Whether to include public assets; Comfy's default is true. A self-hosted ComfyUI has none.
    include_public: Option<bool>,
    /// Only assets with this content hash: `blake3:` and 64 hexadecimal digits.
    hash: Option<String>,
    /// Only assets with one of these statuses, which the gateway compares. Without it, the list
    /// leaves out assets whose file is missing, unless a field has the tag `missing`.
    statuses: Option<Vec<AssetStatus>>,
}

impl ComfyAssetFilter {
    /// # Errors
    /// `BAD_USER_INPUT` when a field breaks a rule of Comfy.
    pub fn query(self) -> async_graphql::Result<ProviderQuery> {
        let parameters = ComfyParameters {
            include_tags: tags("includeTags", self.include_tags.as_deref())?,
            exclude_tags: tags("excludeTags", self.exclude_tags.as_deref())?,
            tags_all: tags("tagsAll", self.tags_all.as_deref())?,
            tags_any: tags("tagsAny", self.tags_any.as_deref())?,
            tags_none: tags("tagsNone", self.tags_none.as_deref())?,
            name_contains: text("nameContains", self.name_contains.as_deref())?,
            metadata_filter: metadata(self.metadata_filter)?,
            include_public: self.include_public,
            // Servers store hashes in lower case.
            hash: text("hash", self.hash.as_deref())?.map(|hash| hash.to_lowercase()),
            statuses: self
                .statuses
                .into_iter()
                .flatten()
                .map(Into::into)
                .collect(),
        };
        let lists = [
            ("includeTags", &self.include_tags),
            ("excludeTags", &self.exclude_tags),
            ("tagsAll", &self.tags_all),
            ("tagsAny", &self.tags_any),
            ("tagsNone", &self.tags_none),
        ];
        parameters
            .check()
            .map_err(|rule| rule_error(&rule, &lists))?;
        Ok(ProviderQuery {
            filter: parameters.recheck(),
            // Older servers ignore `hash`.
            local: [
                parameters.hash.is_some().then_some(FilterField::Hash),
                (!parameters.statuses.is_empty()).then_some(FilterField::Statuses),
            ]
            .into_iter()
            .flatten()
            .collect(),
            parameters: parameters.query(),
        })
    }
}

fn metadata(matches: Option<Vec<ComfyMetadataMatch>>) -> async_graphql::Result<Map<String, Value>> {
    let refuse = |message: String| Err(bad_input(&["filter", "metadataFilter"], message));
    if matches.as_ref().is_some_and(Vec::is_empty) {
        return refuse("it is empty: leave it out to match all".to_owned());
    }
    let mut conditions = Map::new();
    for condition in matches.into_iter().flatten() {
        let values: Option<Vec<Value>> = condition
            .any_of
            .map(|values| values.into_iter().map(|value| value.0).collect());
        if values.iter().flatten().any(Value::is_array) {
            return refuse(format!(
                "`anyOf` of the key `{}` holds a list: give its values one by one",
                condition.key
            ));
        }
        let value = match values {
            None => Value::Null,
            Some(values) if values.is_empty() => {
                return refuse(format!(
                    "`anyOf` of the key `{}` is empty, so no asset fits: give a value, or leave \
                     it out to match assets without the key",
                    condition.key
                ));
            }
            Some(mut values) if values.len() == 1 => values.remove(0),
            Some(values) => Value::Array(values),
        };
        if conditions.insert(condition.key.clone(), value).is_some() {
            return refuse(format!(
                "the key `{}` is given twice: put all its values into one `anyOf`",
                condition.key
            ));
        }
    }
    Ok(conditions)
}

/// The `Query` fields of Comfy's own lists.
#[derive(Default)]
pub struct ComfyLists;

/// The `Query` fields of Comfy's own lists.
#[Object]
impl ComfyLists {
    /// Comfy's own list (`GET /api/assets`) with the filters of all its versions, over all Comfy
    /// sources or those named. Unlike `assets`, it adds one filter alone: it leaves out assets whose
    /// file is missing. Comfy Cloud hides some categories when no tag is given, and includes public
    /// assets unless `includePublic` is false.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn comfy_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Lists these Comfy sources, by name. Default: all of them.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Comfy's own filters.")] filter: Option<ComfyAssetFilter>,
        #[graphql(
            desc = "How Comfy sorts. By NAME, SIZE and LAST_ACCESS_TIME within one source only.",
            default_with = "Some(ComfyAssetOrder::NEWEST)"
        )]
        order_by: Option<ComfyAssetOrder>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 0 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 0 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(ComfyAssetOrder::NEWEST).into();
        let list = ProviderList {
            name: "comfyAssets",
            provider: Provider::Comfy,
            listing: ListKind::Own,
            sources,
            order,
        };
        let query = filter.unwrap_or_default().query();
        Some(
            list.resolve(context, query, [first, last], [after, before])
                .await,
        )
    }
}
