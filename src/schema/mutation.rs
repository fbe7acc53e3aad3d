//! What can be changed.

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
        SetAssetTagsInput, SetAssetTagsPayload, change_tags,
    },
    upload::types::{UploadAssetInput, UploadAssetPayload},
};
use crate::source::TagChange;

pub use upload_scalar::{Upload, Uploads};

/// What can be changed.
pub struct Mutation;

/// The root of mutations. Failures have two channels, and each failure is in one of them.
///
/// - The payload's `errors`: a fault of one item, also where there is only one. Examples are
///   an `assetId` that is no id, an asset that is gone, and what the source says of an upload or its
///   file. The other items go on.
/// - An error of the field, with a null payload: a fault of the input as a whole. Examples are
///   an empty list, a tag that is too long, base64 that cannot be decoded, an `idempotencyKey` of
///   another write, and a scope that your key does not have. Nothing is changed.
#[Object]
impl Mutation {
    /// Uploads a file and makes an asset of it. The bytes go on to the source as they come, without
    /// being kept, unless the source must know their length first and `byteLength` is not given.
    /// What the file is, its bytes tell, not its name. Nothing is sent twice: after a failure,
    /// `steps` and `errors` say what is done and what is not.
    async fn upload_asset(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which file, to which source.")] input: UploadAssetInput,
    ) -> Option<async_graphql::Result<UploadAssetPayload>> {
        Some(upload::upload(context, input).await)
    }

    /// Adds tags to assets. Tags that are there already stay. PiktID only replaces tags: adding
    /// reads them first, and loses none to others that add through this gateway at the same time; what
    /// another program or gateway adds in between is lost.
    async fn add_asset_tags(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which tags to which assets.")] input: AddAssetTagsInput,
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

    /// Takes tags away from assets. Tags that are not there do not matter. PiktID only replaces tags:
    /// through this gateway no change is lost, but another program's between reading and writing
    /// is. Comfy's own tags (`input`, `output`, `models`) keep an asset in its lists: leave them.
    async fn remove_asset_tags(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which tags from which assets.")] input: RemoveAssetTagsInput,
    ) -> Option<async_graphql::Result<RemoveAssetTagsPayload>> {
        let (assets, errors) =
            match change_tags(context, &input.asset_ids, &input.tags, TagChange::Remove, 1).await {
                Ok(changed) => changed,
                Err(error) => return Some(Err(error)),
            };
        Some(Ok(RemoveAssetTagsPayload {
            assets,
            errors,
            client_mutation_id: input.client_mutation_id,
        }))
    }

    /// Gives assets these tags and no others; none clears them. Comfy sorts its assets by tags of
    /// its own (`input`, `output`, `models`): leave them in, or `assets` does not list them.
    async fn set_asset_tags(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which tags for which assets.")] input: SetAssetTagsInput,
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

    /// Writes a note on an asset: Scenario's description, PiktID's styling note, Comfy's
    /// `user_metadata.user_description` (its other keys stay, but for what another program or gateway
    /// writes at the same moment). An empty text clears it.
    async fn set_asset_note(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which note on which asset.")] input: SetAssetNoteInput,
    ) -> Option<async_graphql::Result<SetAssetNotePayload>> {
        Some(set_note(context, input).await)
    }

    /// Deletes an asset. What that means at its source is in `AssetSource.capabilities`.
    async fn delete_asset(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which asset.")] input: DeleteAssetInput,
    ) -> Option<async_graphql::Result<DeleteAssetPayload>> {
        Some(delete_one(context, input).await)
    }

    /// Deletes up to 1,000 assets of any sources. The payload lists each id once: deleted, failed with
    /// its reason, or not tried because the time ran out.
    async fn bulk_delete_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which assets.")] input: BulkDeleteAssetsInput,
    ) -> Option<async_graphql::Result<BulkDeleteAssetsPayload>> {
        Some(delete_all(context, input).await)
    }
}
