//! The mutations `deleteAsset` and `bulkDeleteAssets`.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::{
    input::{RequestedAssets, bad_id, key, key_conflict, target},
    permission::changing,
};
use crate::{access::Permission, schema::error::AssetMutationError, source::SourceError};

/// The input of `deleteAsset`.
#[derive(InputObject)]
pub struct DeleteAssetInput {
    /// The asset's global id.
    pub asset_id: ID,
    /// Any text; the payload returns it unchanged.
    pub client_mutation_id: Option<String>,
}

/// The result of `deleteAsset`.
#[derive(SimpleObject)]
pub struct DeleteAssetPayload {
    /// The deleted asset's id, as the input gave it; null when the asset was not deleted.
    pub deleted_id: Option<ID>,
    /// At most one error; empty when the asset was deleted.
    pub errors: Vec<AssetMutationError>,
    /// The input's `clientMutationId`.
    pub client_mutation_id: Option<String>,
}

/// The input of `bulkDeleteAssets`.
#[derive(InputObject)]
pub struct BulkDeleteAssetsInput {
    /// Global ids of 1 to 1,000 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// 1 to 255 characters, no control characters. For 24 hours the same key and assets return the
    /// first result, even while the first call is running. Other input is `CONFLICT`. One gateway
    /// process keeps keys in memory, and drops each caller's oldest when there are too many. A
    /// delete that changed nothing frees its key. In access mode `open` all callers share keys: use
    /// unique ones, such as UUIDs. To retry ids of `errors` or `notTriedIds`, use a new key.
    pub idempotency_key: Option<String>,
    /// Any text; the payload returns it unchanged.
    pub client_mutation_id: Option<String>,
}

/// The result of `bulkDeleteAssets`: each id is in exactly one of the three lists.
#[derive(SimpleObject)]
pub struct BulkDeleteAssetsPayload {
    /// Ids of the deleted assets, at most 1,000.
    pub deleted_ids: Vec<ID>,
    /// One error for each asset that could not be deleted, at most 1,000.
    pub errors: Vec<AssetMutationError>,
    /// Ids not tried because the operation's time ran out, at most 1,000. Send them again.
    pub not_tried_ids: Vec<ID>,
    /// The input's `clientMutationId`.
    pub client_mutation_id: Option<String>,
}

pub async fn delete_one(
    context: &Context<'_>,
    input: DeleteAssetInput,
) -> async_graphql::Result<DeleteAssetPayload> {
    let operation = changing(context, Permission::Delete).await?;
    let target = match target(&operation.registry, &input.asset_id) {
        Ok(target) => target,
        Err(message) => {
            let error = bad_id(&input.asset_id, &["input", "assetId"], message);
            return Ok(DeleteAssetPayload {
                deleted_id: None,
                errors: vec![error],
                client_mutation_id: input.client_mutation_id,
            });
        }
    };
    let report = operation
        .writer
        .delete(vec![target], &operation.context)
        .await;
    let not_tried = report.not_tried.iter();
    let errors = report
        .failed
        .iter()
        .map(|(id, error)| (id, error))
        .chain(not_tried.map(|id| (id, &SourceError::NotTried)))
        .map(|(id, error)| AssetMutationError::at(&id.source, Some(input.asset_id.clone()), error))
        .collect();
    Ok(DeleteAssetPayload {
        deleted_id: report.deleted.first().map(|_| input.asset_id.clone()),
        errors,
        client_mutation_id: input.client_mutation_id,
    })
}

pub async fn delete_all(
    context: &Context<'_>,
    input: BulkDeleteAssetsInput,
) -> async_graphql::Result<BulkDeleteAssetsPayload> {
    let operation = changing(context, Permission::Delete).await?;
    let key = key(input.idempotency_key)?;
    let mut requested = RequestedAssets::read(
        &operation.registry,
        &input.asset_ids,
        operation.bulk_delete_ids,
    )?;
    let targets = std::mem::take(&mut requested.targets);
    let report = match key {
        None => operation.writer.delete(targets, &operation.context).await,
        Some(key) => operation
            .writer
            .delete_once(&key, targets, &operation.context)
            .await
            .ok_or_else(key_conflict)?,
    };
    for (id, error) in &report.failed {
        requested.failed(id, error);
    }
    Ok(BulkDeleteAssetsPayload {
        deleted_ids: requested.ids(report.deleted),
        not_tried_ids: requested.ids(report.not_tried),
        errors: requested.take_errors(),
        client_mutation_id: input.client_mutation_id,
    })
}
