//! PiktID's own filters and orders (piktid.md 4.1).

use async_graphql::{Enum, InputObject};

use crate::{
    schema::{
        filter::{tags, text, timestamp},
        order::AssetOrderDirection,
        providers::provider_query::{ProviderQuery, broken},
        scalars::DateTime,
    },
    source::{Filter, Order, Ownership, PiktidParameters, SortBy},
};

/// Whose assets, as PiktID says it. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PiktidOwnership {
    /// Your own.
    Mine,
    /// Your group's, with your own shared ones.
    Shared,
    /// PiktID's, which everybody has.
    Default,
}

impl From<PiktidOwnership> for Ownership {
    fn from(ownership: PiktidOwnership) -> Self {
        match ownership {
            PiktidOwnership::Mine => Self::Mine,
            PiktidOwnership::Shared => Self::Shared,
            PiktidOwnership::Default => Self::Default,
        }
    }
}

/// What PiktID can sort by. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PiktidAssetOrderField {
    /// `created_at`. It never changes, so a walk misses and repeats nothing.
    CreatedAt,
    /// `filename`, as PiktID sorts names; within one source. An asset renamed during a walk may
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
    /// What a client gets that does not say.
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

/// PiktID's own filters: an asset fits when it fits all that are given.
#[derive(InputObject, Default)]
pub struct PiktidAssetFilter {
    /// Uploaded by this user name, exactly.
    created_by: Option<String>,
    /// Made after this moment. PiktID does not say whether the moment itself counts.
    created_after: Option<DateTime>,
    /// Made before this moment. PiktID does not say whether the moment itself counts.
    created_before: Option<DateTime>,
    /// With this text in their tags, file name or project name.
    search: Option<String>,
    /// Whose; all you can see when nothing is said.
    ownership: Option<PiktidOwnership>,
    /// With all of these tags. PiktID's only tags are `model`, `product`, `background`, `other`.
    include_tags: Option<Vec<String>>,
    /// With none of these tags.
    exclude_tags: Option<Vec<String>>,
}

impl PiktidAssetFilter {
    /// # Errors
    /// `BAD_USER_INPUT` for what breaks a rule of PiktID's.
    pub fn asked(self) -> async_graphql::Result<ProviderQuery> {
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
        parameters.check().map_err(|rule| broken(&rule, &lists))?;
        Ok(ProviderQuery {
            parameters: parameters.query(),
            filter: Filter::default(),
            local: Vec::new(),
        })
    }
}
