//! PiktID's part of the graph: its details and its lists.

mod details;
pub mod list;

use crate::schema::field_cost::FieldCost;

/// Returns the cost of a field of this part; `page` is that of a page of its list.
pub fn cost(parent: &str, field: &str, page: FieldCost) -> Option<FieldCost> {
    (parent == "Query" && field == "piktidAssets").then_some(page)
}
