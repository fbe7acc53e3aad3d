//! The mutation root: uploads, tags, notes and deletes.

mod delete;
mod input;
mod note;
mod permission;
mod tags;
mod upload;
pub mod upload_scalar;

use async_graphql::{Context, Object};

use self::{
    delete::{
        BulkDeleteAssetsInput, BulkDeleteAssetsPayload, DeleteAssetInput, DeleteAssetPayload,
        delete_all, delete_one,
    },
    note::{SetAssetNoteInput, SetAssetNotePayload, set_note},
    tags::{
        AddAssetTagsInput, AddAssetTagsPayload, RemoveAssetTagsInput, RemoveAssetTagsPayload,
        SetAssetTagsInput, SetAssetTagsPayload, change_tags, remove_tags,
    },
    upload::types::{UploadAssetInput, UploadAssetPayload},
};
use crate::source::TagChange;

pub use upload_scalar::{Upload, Uploads};

/// The mutation root.
pub struct Mutation;

/// The mutation root. Each failure is reported in exactly one of two places.
///
/// - The payload's `errors`: one item failed, even when it is the only item. Examples are a
///   malformed `assetId`, an asset that is gone, and a rejected upload or file. The other items are
///   still processed.
/// - The response's `errors`, with a null payload: the input as a whole is invalid. Examples are an
///   empty list, an overlong tag, malformed base64, the `idempotencyKey` of another write, and a
///   scope that your key lacks. Nothing is changed.
#[Object]
impl Mutation {
    /// Uploads a file and creates an asset from it. The gateway streams the bytes to the source. It
    /// stores them first only if the source must know the length and `byteLength` is missing. The
    /// bytes determine the file type, not the name. Nothing is sent twice: after a failure, `steps`
    /// and `errors` show which parts are done.
    async fn upload_asset(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The file, and the source to upload to.")] input: UploadAssetInput,
    ) -> Option<async_graphql::Result<UploadAssetPayload>> {
        Some(upload::upload(context, input).await)
    }

    /// Adds tags to assets; existing tags stay. Where a source can only replace all tags, the gateway
    /// reads them first. Concurrent additions through this gateway are safe. Tags that another
    /// program or gateway adds between read and write are lost.
    async fn add_asset_tags(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The tags to add, and the assets.")] input: AddAssetTagsInput,
    ) -> Option<async_graphql::Result<AddAssetTagsPayload>> {
        let (assets, errors) =
            match change_tags(context, &input.asset_ids, &input.tags, TagChange::Add, 1).await {
                Ok(changed) => changed,
                Err(error) => return Some(Err(error)),
            };
        Some(Ok(AddAssetTagsPayload {
            assets,
            errors,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Removes tags from assets; missing tags are ignored. Where a source can only replace all tags,
    /// another program's change between read and write is lost, one through this gateway is not.
    /// Keep the tags that a source lists assets by, such as `input`, `output` and `models`.
    async fn remove_asset_tags(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The tags to remove, and the assets.")] input: RemoveAssetTagsInput,
    ) -> Option<async_graphql::Result<RemoveAssetTagsPayload>> {
        let (assets, errors) =
            match change_tags(context, &input.asset_ids, &input.tags, remove_tags, 1).await {
                Ok(changed) => changed,
                Err(error) => return Some(Err(error)),
            };
        Some(Ok(RemoveAssetTagsPayload {
            assets,
            errors,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Replaces all tags of assets; an empty list clears them. Keep the tags that a source lists
    /// assets by, such as `input`, `output` and `models`: `assets` does not list assets without one.
    async fn set_asset_tags(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The new tags, and the assets.")] input: SetAssetTagsInput,
    ) -> Option<async_graphql::Result<SetAssetTagsPayload>> {
        let (assets, errors) =
            match change_tags(context, &input.asset_ids, &input.tags, TagChange::Set, 0).await {
                Ok(changed) => changed,
                Err(error) => return Some(Err(error)),
            };
        Some(Ok(SetAssetTagsPayload {
            assets,
            errors,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Sets an asset's note, which providers call a description or a styling note. An empty text
    /// clears it. Other metadata of the asset stays, except for changes that another program or
    /// gateway makes at the same moment.
    async fn set_asset_note(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The note, and the asset.")] input: SetAssetNoteInput,
    ) -> Option<async_graphql::Result<SetAssetNotePayload>> {
        Some(set_note(context, input).await)
    }

    /// Deletes an asset. `AssetSource.capabilities { deleteEffect }` has the effect at its source.
    async fn delete_asset(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The asset to delete.")] input: DeleteAssetInput,
    ) -> Option<async_graphql::Result<DeleteAssetPayload>> {
        Some(delete_one(context, input).await)
    }

    /// Deletes up to 1,000 assets of any sources. The payload has each id once: as deleted, as
    /// failed with an error, or as not tried because the operation's time ran out.
    async fn bulk_delete_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The assets to delete.")] input: BulkDeleteAssetsInput,
    ) -> Option<async_graphql::Result<BulkDeleteAssetsPayload>> {
        Some(delete_all(context, input).await)
    }
}
