//! PiktID's part of the graph: its details and its lists.

pub mod details;
pub mod list;
