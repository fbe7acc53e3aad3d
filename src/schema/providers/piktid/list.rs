//! PiktID's own filters and orders (docs/providers/piktid.md 4.1).

use async_graphql::{Context, Enum, InputObject, Object};

use crate::{
    asset::Provider,
    providers::piktid::list_params::{Ownership, PiktidParameters},
    schema::{
        connection::AssetConnection,
        fast_path::FastPath,
        filter::{tags, text, timestamp},
        order::AssetOrderDirection,
        providers::provider_query::{ProviderList, ProviderQuery, rule_error},
        scalars::DateTime,
    },
    source::{Filter, ListKind, Order, SortBy},
};

/// The owner of assets, in PiktID's terms. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Ownership")]
pub enum PiktidOwnership {
    /// Your own assets.
    Mine,
    /// Your group's shared assets, including your own.
    Shared,
    /// PiktID's own assets, which every user has.
    Default,
}

/// A field that PiktID can sort by. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PiktidAssetOrderField {
    /// `created_at`. It never changes, so paging neither skips nor repeats an asset.
    CreatedAt,
    /// `filename`, in PiktID's collation; within one source. An asset renamed while you page may
    /// move.
    Filename,
}

/// How PiktID sorts its list.
#[derive(InputObject, Debug, Clone, Copy)]
pub struct PiktidAssetOrder {
    /// The field to sort by.
    field: PiktidAssetOrderField,
    /// Ascending or descending.
    direction: AssetOrderDirection,
}

impl PiktidAssetOrder {
    /// The default: newest first.
    pub const NEWEST: Self = Self {
        field: PiktidAssetOrderField::CreatedAt,
        direction: AssetOrderDirection::Desc,
    };
}

impl From<PiktidAssetOrder> for Order {
    fn from(order: PiktidAssetOrder) -> Self {
        Self {
            by: match order.field {
                PiktidAssetOrderField::CreatedAt => SortBy::CreatedAt,
                PiktidAssetOrderField::Filename => SortBy::Name,
            },
            direction: order.direction.into(),
        }
    }
}

/// PiktID's own filters, combined with AND. An omitted or null field imposes no condition.
#[derive(InputObject, Default)]
pub struct PiktidAssetFilter {
    /// Only assets uploaded by exactly this user name.
    created_by: Option<String>,
    /// Only assets created after this time. PiktID does not say whether the bound is inclusive.
    created_after: Option<DateTime>,
    /// Only assets created before this time. PiktID does not say whether the bound is inclusive.
    created_before: Option<DateTime>,
    /// Only assets with this text in their tags, file name or project name.
    search: Option<String>,
    /// Only assets of this owner. Default: all assets that you can see.
    ownership: Option<PiktidOwnership>,
    /// Only assets with all of these tags, out of `model`, `product`, `background` and `other`.
    include_tags: Option<Vec<String>>,
    /// Only assets with none of these tags.
    exclude_tags: Option<Vec<String>>,
}

impl PiktidAssetFilter {
    /// # Errors
    /// `BAD_USER_INPUT` when a field breaks a rule of PiktID.
    pub fn query(self) -> async_graphql::Result<ProviderQuery> {
        let parameters = PiktidParameters {
            created_by: text("createdBy", self.created_by.as_deref())?,
            created_after: timestamp("createdAfter", self.created_after.as_ref())?,
            created_before: timestamp("createdBefore", self.created_before.as_ref())?,
            search: text("search", self.search.as_deref())?,
            ownership: self.ownership.map(Into::into),
            include_tags: tags("includeTags", self.include_tags.as_deref())?,
            exclude_tags: tags("excludeTags", self.exclude_tags.as_deref())?,
        };
        let lists = [
            ("includeTags", &self.include_tags),
            ("excludeTags", &self.exclude_tags),
        ];
        parameters
            .check()
            .map_err(|rule| rule_error(&rule, &lists))?;
        Ok(ProviderQuery {
            parameters: parameters.query(),
            filter: Filter::default(),
            local: Vec::new(),
        })
    }
}

/// The `Query` fields of PiktID's own lists.
#[derive(Default)]
pub struct PiktidLists;

/// The `Query` fields of PiktID's own lists.
#[Object]
impl PiktidLists {
    /// PiktID's own list (`GET /assets`) with its own filters, over all PiktID sources or those
    /// named. An argument that breaks a rule of PiktID is an error, before any upstream call.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn piktid_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Lists these PiktID sources, by name. Default: all of them.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "PiktID's own filters.")] filter: Option<PiktidAssetFilter>,
        #[graphql(
            desc = "How PiktID sorts. By FILENAME within one source only.",
            default_with = "Some(PiktidAssetOrder::NEWEST)"
        )]
        order_by: Option<PiktidAssetOrder>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 0 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 0 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(PiktidAssetOrder::NEWEST).into();
        let list = ProviderList {
            name: "piktidAssets",
            provider: Provider::Piktid,
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
