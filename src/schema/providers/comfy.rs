//! Comfy's part of the graph: its details, its lists and its upload options.

mod details;
pub mod list;
pub mod upload;

use crate::schema::field_cost::FieldCost;

/// Returns the cost of a field of this part; `page` is that of a page of its list.
pub fn cost(parent: &str, field: &str, page: FieldCost) -> Option<FieldCost> {
    (parent == "Query" && field == "comfyAssets").then_some(page)
}
