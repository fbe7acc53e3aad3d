//! The GraphQL layer: it checks arguments, calls the layer below once, and maps results to types.
//!
//! `schema.graphql` is the committed output of [`client_sdl`]. CI fails when the two differ.

mod asset;
mod connection;
mod error;
mod fast_path;
mod federation;
mod field_cost;
mod field_costs;
mod filter;
mod graph;
mod loading;
mod merged_list;
mod mutation;
mod node;
mod operation;
mod order;
mod providers;
mod query;
mod raw_json;
mod scalars;
mod sdl;
mod source;
mod source_result;
mod subgraph_sdl;

pub use error::{Code, code_of, coded};
pub use field_cost::FieldCost;
pub use field_costs::FieldCosts;
pub use graph::Graph;
pub use mutation::{Upload, Uploads};
pub use operation::Operation;
pub use raw_json::write as write_json;
pub use scalars::byte_size;
pub use sdl::whole as sdl;
pub use subgraph_sdl::{subgraph as subgraph_sdl, without_federation as client_sdl};

/// Builds the schema.
#[must_use]
pub fn build() -> Graph {
    let subgraph_sdl = federation::SubgraphSdl(subgraph_sdl::subgraph);
    graph::builder().data(subgraph_sdl).finish()
}
