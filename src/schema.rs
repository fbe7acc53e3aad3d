//! The graph: arguments in, one call down, types out.
//!
//! `schema.graphql` is [`client_sdl`], committed; CI fails when they differ.

mod asset;
mod connection;
mod details;
mod error;
mod fast_path;
mod federation;
mod field_cost;
mod filter;
mod mutation;
mod order;
mod provider_lists;
mod query;
mod raw_json;
mod scalars;
mod sdl;
mod source;
mod source_result;

use std::sync::Arc;

use async_graphql::{Context, EmptySubscription, MergedObject, Schema, ValidationMode};

use crate::{
    access::{Caller, Permission},
    cache::AssetCache,
    loader::Loader,
    media::MediaUrls,
    source::Registry,
    write::Writer,
};

pub use error::{Code, code_of, coded};
pub use federation::{subgraph as subgraph_sdl, without_federation as client_sdl};
pub use field_cost::{FieldCost, FieldCosts};
pub use mutation::{Upload, Uploads};
pub use raw_json::write as write_json;
pub use scalars::byte_size;

/// The root of queries.
#[derive(MergedObject)]
pub struct Query(
    query::Root,
    provider_lists::ProviderLists,
    federation::Federation,
);

/// The graph, ready to execute.
pub type Graph = Schema<Query, mutation::Mutation, EmptySubscription>;

/// What one operation works with: made by the server for each, found by resolvers in the context.
pub struct Operation {
    pub registry: Arc<Registry>,
    pub asset_cache: Arc<AssetCache>,
    pub writer: Writer,
    pub loader: Loader,
    pub context: Arc<crate::source::RequestContext>,
    pub caller: Caller,
    pub media: MediaUrls,
    pub uploads: Uploads,
    /// Values may be written as JSON before their time ([`write_json`]); else they are the engine's
    /// to write.
    pub writes_json: bool,
    /// Ids that a field takes at once, and a bulk delete.
    pub ids: usize,
    pub bulk_delete_ids: usize,
}

/// Builds the graph. Documents are held against the rules before it sees them, so it trusts them.
#[must_use]
pub fn build() -> Graph {
    let query = Query(
        query::Root,
        provider_lists::ProviderLists,
        federation::Federation,
    );
    Schema::build(query, mutation::Mutation, EmptySubscription)
        .register_output_type::<query::Node>()
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

/// The operation under way.
fn operation<'a>(context: &Context<'a>) -> async_graphql::Result<&'a Operation> {
    context
        .data::<Operation>()
        .map_err(|_| error::coded(Code::Internal, "a fault in the gateway: it is in its log"))
}

/// The operation under way, whose caller may do this.
fn allowed<'a>(
    context: &Context<'a>,
    permission: Permission,
) -> async_graphql::Result<&'a Operation> {
    let operation = operation(context)?;
    if operation.caller.may(permission) {
        return Ok(operation);
    }
    if permission != Permission::Read {
        operation.writer.audit_refused(permission.word());
    }
    Err(error::coded(
        Code::Forbidden,
        format!(
            "this needs the scope `{}`, which your key or token does not have",
            permission.word()
        ),
    ))
}

/// The operation under way, whose caller may read.
fn reading<'a>(context: &Context<'a>) -> async_graphql::Result<&'a Operation> {
    allowed(context, Permission::Read)
}
