//! How lists are sorted.

use async_graphql::{Enum, InputObject};

use crate::source::{Direction, Order, SortBy};

/// The direction of a list. No values will be added.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetOrderDirection {
    /// Oldest, first in the alphabet or smallest first.
    Asc,
    /// Newest, last in the alphabet or largest first.
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

/// What a list can be sorted by. Values may be added: leave an unknown one out of what you offer.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetOrderField {
    /// When it was made: every source has it, and it never changes, so a walk misses and repeats
    /// nothing.
    CreatedAt,
    /// When it was last changed: Scenario and Comfy tell, PiktID does not. An asset that is changed
    /// during a walk moves to the newest end: newest first it may be missed, oldest first it may
    /// come twice.
    UpdatedAt,
    /// By name, as one source sorts names (PiktID, Comfy). An asset renamed during a walk may move.
    Name,
    /// By size in bytes, within one source (Comfy).
    Size,
    /// By the last time its file was read, within one source (Comfy). Reading files moves assets.
    LastAccessTime,
}

impl From<AssetOrderField> for SortBy {
    fn from(field: AssetOrderField) -> Self {
        match field {
            AssetOrderField::CreatedAt => Self::CreatedAt,
            AssetOrderField::UpdatedAt => Self::UpdatedAt,
            AssetOrderField::Name => Self::Name,
            AssetOrderField::Size => Self::Size,
            AssetOrderField::LastAccessTime => Self::LastAccessTime,
        }
    }
}

impl AssetOrderField {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::Name,
        Self::Size,
        Self::LastAccessTime,
    ];
}

/// How a list over several sources is sorted. What a source cannot sort by is
/// `UNSUPPORTED_BY_SOURCE`, naming the sources: leave them out with `filter.sources`.
#[derive(InputObject, Debug, Clone, Copy)]
pub struct AssetOrder {
    /// The field to sort by.
    field: AssetOrderField,
    /// Ascending or descending.
    direction: AssetOrderDirection,
}

impl AssetOrder {
    /// What a client gets that does not say.
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
