//! The state of one operation, and checks of its caller's permissions.

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

/// The state of one operation. The server creates it; resolvers read it from the context.
pub struct Operation {
    pub registry: Arc<Registry>,
    pub asset_cache: Arc<AssetCache>,
    pub writer: Writer,
    pub loader: Loader,
    pub context: Arc<RequestContext>,
    pub caller: Caller,
    pub media: MediaUrls,
    pub uploads: Uploads,
    /// Resolvers may serialize values to JSON early, for [`super::write_json`]. Otherwise the engine
    /// serializes them.
    pub writes_json: bool,
    /// The most ids in one argument. `bulk_delete_ids` is the limit of `bulkDeleteAssets`.
    pub ids: usize,
    pub bulk_delete_ids: usize,
}

/// Returns the current [`Operation`].
pub fn operation<'a>(context: &Context<'a>) -> async_graphql::Result<&'a Operation> {
    context
        .data::<Operation>()
        .map_err(|_| coded(Code::Internal, "a fault in the gateway: it is in its log"))
}

/// Returns the current [`Operation`], or `FORBIDDEN` when its caller lacks `permission`.
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

/// Returns the current [`Operation`], or `FORBIDDEN` when its caller may not read.
pub fn reading<'a>(context: &Context<'a>) -> async_graphql::Result<&'a Operation> {
    allowed(context, Permission::Read)
}
