//! What one operation works with, and whether its caller may.

use std::sync::Arc;

use async_graphql::Context;

use super::{
    error::{Code, coded},
    mutation::upload_scalar::Uploads,
};
use crate::{
    access::{Caller, Permission},
    cache::AssetCache,
    loader::Loader,
    media::MediaUrls,
    source::{Registry, RequestContext},
    write::Writer,
};

/// What one operation works with: made by the server for each, found by resolvers in the context.
pub struct Operation {
    pub registry: Arc<Registry>,
    pub asset_cache: Arc<AssetCache>,
    pub writer: Writer,
    pub loader: Loader,
    pub context: Arc<RequestContext>,
    pub caller: Caller,
    pub media: MediaUrls,
    pub uploads: Uploads,
    /// Values may be written as JSON before their time ([`super::write_json`]); else they are the engine's
    /// to write.
    pub writes_json: bool,
    /// Ids that a field takes at once, and a bulk delete.
    pub ids: usize,
    pub bulk_delete_ids: usize,
}

/// The operation under way.
pub fn operation<'a>(context: &Context<'a>) -> async_graphql::Result<&'a Operation> {
    context
        .data::<Operation>()
        .map_err(|_| coded(Code::Internal, "a fault in the gateway: it is in its log"))
}

/// The operation under way, whose caller may do this.
pub fn allowed<'a>(
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
    Err(coded(
        Code::Forbidden,
        format!(
            "this needs the scope `{}`, which your key or token does not have",
            permission.word()
        ),
    ))
}

/// The operation under way, whose caller may read.
pub fn reading<'a>(context: &Context<'a>) -> async_graphql::Result<&'a Operation> {
    allowed(context, Permission::Read)
}
