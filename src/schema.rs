//! The graph: arguments in, one call down, types out.
//!
//! `schema.graphql` is [`client_sdl`], committed; CI fails when they differ.

mod asset;
mod connection;
mod error;
mod fast_path;
mod federation;
mod field_cost;
mod filter;
mod loading;
mod merged_list;
mod mutation;
mod node;
mod operation;
mod order;
mod provider;
mod providers;
mod query;
mod raw_json;
mod scalars;
mod sdl;
mod source;
mod source_result;

use async_graphql::{EmptySubscription, MergedObject, Schema, ValidationMode};

use self::providers::lists::ProviderLists;

pub use error::{Code, code_of, coded};
pub use federation::{subgraph as subgraph_sdl, without_federation as client_sdl};
pub use field_cost::{FieldCost, FieldCosts};
pub use mutation::{Upload, Uploads};
pub use operation::Operation;
pub use raw_json::write as write_json;
pub use scalars::byte_size;

/// The root of queries.
#[derive(MergedObject)]
pub struct Query(query::Root, ProviderLists, federation::Federation);

/// The graph, ready to execute.
pub type Graph = Schema<Query, mutation::Mutation, EmptySubscription>;

/// Builds the graph. Documents are held against the rules before it sees them, so it trusts them.
#[must_use]
pub fn build() -> Graph {
    let query = Query(query::Root, ProviderLists, federation::Federation);
    Schema::build(query, mutation::Mutation, EmptySubscription)
        .register_output_type::<node::Node>()
        .register_output_type::<error::AssetError>()
        .validation_mode(ValidationMode::Fast)
        .disable_suggestions()
        .finish()
}

/// The schema in GraphQL's own language, with all that is answered.
#[must_use]
pub fn sdl() -> String {
    sdl::print(false)
}
