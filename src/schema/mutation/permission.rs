//! Whether a caller may make a change, and select what its payload shows.

use async_graphql::Context;

use crate::{
    access::Permission,
    schema::operation::{Operation, allowed, reading},
};

/// Fields of an asset that are its content, or lead to others: for those who may read.
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

/// The operation under way, which is about to change something: what it has read before is read
/// again after.
pub async fn changing<'a>(
    context: &Context<'a>,
    permission: Permission,
) -> async_graphql::Result<&'a Operation> {
    let operation = allowed(context, permission)?;
    // What could not be shown afterwards is refused before anything is written.
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
