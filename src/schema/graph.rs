//! Combines the query and mutation roots into one schema.

use async_graphql::{EmptySubscription, MergedObject, Schema, SchemaBuilder, ValidationMode};

use super::{
    error::AssetError, federation::FederationQueries, mutation::Mutation, node::Node,
    providers::ProviderLists, query::CommonQueries,
};

/// The query root: reads by id, lists of assets, and the configured sources.
#[derive(MergedObject)]
pub struct Query(CommonQueries, ProviderLists, FederationQueries);

/// The executable schema.
pub type Graph = Schema<Query, Mutation, EmptySubscription>;

/// Starts building the schema, without validation: [`crate::document`] has already validated each
/// document.
pub fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    let query = Query(CommonQueries, ProviderLists::default(), FederationQueries);
    Schema::build(query, Mutation, EmptySubscription)
        .register_output_type::<Node>()
        .register_output_type::<AssetError>()
        .validation_mode(ValidationMode::Fast)
        .disable_suggestions()
}
