//! `AssetOrder`: how lists are sorted.

use async_graphql::{Enum, InputObject};

use crate::source::{Direction, Order, SortBy};

/// A sort direction. No values will be added.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetOrderDirection {
    /// Ascending: oldest, alphabetically first or smallest first.
    Asc,
    /// Descending: newest, alphabetically last or largest first.
    Desc,
}

impl From<AssetOrderDirection> for Direction {
    fn from(direction: AssetOrderDirection) -> Self {
        match direction {
            AssetOrderDirection::Asc => Self::Ascending,
            AssetOrderDirection::Desc => Self::Descending,
        }
    }
}

/// A field to sort assets by. Values may be added: do not offer an unknown one to users.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "SortBy")]
pub enum AssetOrderField {
    /// By creation time. Every source supports it. It never changes, so paging neither skips nor
    /// repeats an asset.
    CreatedAt,
    /// By the time of the last change, where the source reports it (`capabilities.orderFields`). An
    /// asset changed while you page moves to the newest end. Newest first, paging may skip it;
    /// oldest first, paging may return it twice.
    UpdatedAt,
    /// By name as the source sorts it, one source only (`capabilities.orderFields`). A rename may
    /// move an asset.
    Name,
    /// By size in bytes, one source only (`capabilities.orderFields`).
    Size,
    /// By the time of the last file read, one source only (`capabilities.orderFields`). Reading a
    /// file moves its asset.
    LastAccessTime,
}

impl AssetOrderField {
    /// Every value.
    pub const ALL: [Self; 5] = [
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::Name,
        Self::Size,
        Self::LastAccessTime,
    ];
}

/// How a list of assets is sorted. A field that a source cannot sort by is `UNSUPPORTED_BY_SOURCE`.
/// The message names these sources: list only the others in `filter.sources`.
#[derive(InputObject, Debug, Clone, Copy)]
pub struct AssetOrder {
    /// The field to sort by.
    field: AssetOrderField,
    /// Ascending or descending.
    direction: AssetOrderDirection,
}

impl AssetOrder {
    /// The default: newest first.
    pub const NEWEST: Self = Self {
        field: AssetOrderField::CreatedAt,
        direction: AssetOrderDirection::Desc,
    };
}

impl From<AssetOrder> for Order {
    fn from(order: AssetOrder) -> Self {
        Self {
            by: order.field.into(),
            direction: order.direction.into(),
        }
    }
}
