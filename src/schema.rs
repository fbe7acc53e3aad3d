//! The graph: arguments in, one call down, types out.
//!
//! `schema.graphql` is [`sdl`], committed; CI fails when they differ.

mod asset;
mod connection;
mod details;
mod error;
mod filter;
mod lists;
mod mutation;
mod order;
mod price;
mod query;
mod scalars;
mod source;
mod upload;

use std::sync::Arc;

use async_graphql::{Context, EmptySubscription, MergedObject, SDLExportOptions, Schema};

use crate::{
    access::{Caller, Permission},
    cache::Shelf,
    loader::Loader,
    media::MediaUrls,
    source::Registry,
    write::Writer,
};

pub use error::{Code, code_of, coded};
pub use price::{Price, Prices};
pub use upload::{Upload, Uploads};

/// Where every query begins.
#[derive(MergedObject)]
pub struct Query(query::Root, lists::ProviderLists);

/// The graph, ready to execute.
pub type Graph = Schema<Query, mutation::Mutation, EmptySubscription>;

/// What one operation works with: made by the server for each, found by resolvers in the context.
pub struct Operation {
    pub registry: Arc<Registry>,
    pub shelf: Arc<Shelf>,
    pub writer: Writer,
    pub loader: Loader,
    pub context: Arc<crate::source::Context>,
    pub caller: Caller,
    pub media: MediaUrls,
    pub uploads: Uploads,
    /// Ids that a field takes at once, and a bulk delete.
    pub ids: usize,
    pub bulk_delete_ids: usize,
}

/// Builds the graph. `suggests`: errors name fields that a mistyped one may have meant.
#[must_use]
pub fn build(suggests: bool) -> Graph {
    let query = Query(query::Root, lists::ProviderLists);
    let builder = Schema::build(query, mutation::Mutation, EmptySubscription)
        .register_output_type::<query::Node>()
        .enable_federation();
    if suggests {
        builder.finish()
    } else {
        builder.disable_suggestions().finish()
    }
}

/// The schema in GraphQL's own language: for clients, or as a federation subgraph.
#[must_use]
pub fn sdl(federation: bool) -> String {
    let options = SDLExportOptions::new()
        .include_specified_by()
        .prefer_single_line_descriptions()
        .use_space_ident()
        .indent_width(2);
    let options = if federation {
        options.federation()
    } else {
        options
    };
    let text = build(true).sdl_with_options(options);
    // One line break at the end, none elsewhere that an editor would take away.
    let mut clean: String = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    clean.truncate(clean.trim_end().len());
    clean.push('\n');
    clean
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
