//! PiktID's part of the graph: its details and its lists.

mod details;
pub mod list;
