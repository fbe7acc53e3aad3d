//! Checks that a caller may make a change, and may read the fields that it selects.

use async_graphql::Context;

use crate::{
    access::Permission,
    schema::operation::{Operation, allowed, reading},
};

/// `Asset` fields with its content or other assets: they need the scope `assets:read`.
const CONTENT: [&str; 9] = [
    "url",
    "urlExpiresAt",
    "thumbnailUrl",
    "raw",
    "details",
    "preview",
    "parent",
    "root",
    "children",
];

/// Returns the current operation, for a write. Its loader forgets earlier reads, so that later ones
/// are fresh. `FORBIDDEN` when the caller lacks `permission`, or may not read selected content.
pub async fn changing<'a>(
    context: &Context<'a>,
    permission: Permission,
) -> async_graphql::Result<&'a Operation> {
    let operation = allowed(context, permission)?;
    // Reject a payload that the caller may not read before the write, not after it.
    let is_shown = |payload: &&str| {
        let asset = context.look_ahead().field(payload);
        CONTENT.iter().any(|field| asset.field(field).exists())
            || asset.field("source").field("assets").exists()
    };
    if !operation.caller.may(Permission::Read) && ["asset", "assets"].iter().any(is_shown) {
        reading(context)?;
    }
    operation.loader.forget().await;
    Ok(operation)
}
