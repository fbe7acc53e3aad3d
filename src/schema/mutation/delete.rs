//! `deleteAsset`, `bulkDeleteAssets`.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::{
    input::{Meant, bad_id, key, key_conflict, target},
    permission::changing,
};
use crate::{access::Permission, schema::error::AssetMutationError, source::SourceError};

/// An asset to delete.
#[derive(InputObject)]
pub struct DeleteAssetInput {
    /// The asset.
    pub asset_id: ID,
    /// Comes back in the payload.
    pub client_mutation_id: Option<String>,
}

/// The result of `deleteAsset`.
#[derive(SimpleObject)]
pub struct DeleteAssetPayload {
    /// The asset's id; null when it was not deleted.
    pub deleted_id: Option<ID>,
    /// What failed: at most one error.
    pub errors: Vec<AssetMutationError>,
    /// As it was given.
    pub client_mutation_id: Option<String>,
}

/// Assets to delete.
#[derive(InputObject)]
pub struct BulkDeleteAssetsInput {
    /// 1 to 1,000 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// 1 to 255 characters, no control characters. Within 24 hours the same key with the same assets gives the first outcome
    /// again, also while the first call still runs; with anything else it is `CONFLICT`. One gateway
    /// process keeps keys in memory, and drops each caller's oldest when there are too many. A delete
    /// that changed nothing is not kept. In access mode `open` all callers share their keys: choose
    /// unique ones, such as UUIDs. To try ids of `errors` or `notTriedIds` again, use a new key.
    pub idempotency_key: Option<String>,
    /// Comes back in the payload.
    pub client_mutation_id: Option<String>,
}

/// The result of `bulkDeleteAssets`: each id is in one of the three lists.
#[derive(SimpleObject)]
pub struct BulkDeleteAssetsPayload {
    /// Ids of assets that are gone: at most 1,000.
    pub deleted_ids: Vec<ID>,
    /// Ids that could not be deleted, each with its reason: at most 1,000.
    pub errors: Vec<AssetMutationError>,
    /// Ids that were not tried because the time ran out, at most 1,000: ask again.
    pub not_tried_ids: Vec<ID>,
    /// As it was given.
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
    let mut meant = Meant::read(
        &operation.registry,
        &input.asset_ids,
        operation.bulk_delete_ids,
    )?;
    let targets = std::mem::take(&mut meant.targets);
    let report = match key {
        None => operation.writer.delete(targets, &operation.context).await,
        Some(key) => operation
            .writer
            .delete_once(&key, targets, &operation.context)
            .await
            .ok_or_else(key_conflict)?,
    };
    for (id, error) in &report.failed {
        meant.failed(id, error);
    }
    Ok(BulkDeleteAssetsPayload {
        deleted_ids: meant.ids(report.deleted),
        not_tried_ids: meant.ids(report.not_tried),
        errors: meant.errors,
        client_mutation_id: input.client_mutation_id,
    })
}
