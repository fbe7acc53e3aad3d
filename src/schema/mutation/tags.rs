//! The mutations `addAssetTags`, `removeAssetTags` and `setAssetTags`.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::{input::RequestedAssets, permission::changing};
use crate::{
    access::Permission,
    asset::{composed, spellings},
    schema::{
        asset::AssetNode,
        error::{AssetMutationError, bad_input},
    },
    source::TagChange,
    write::Outcome,
};

/// The most tags in one mutation.
const MAX_TAGS: usize = 10;
/// The most characters of a tag.
const MAX_TAG: usize = 100;

/// The input of `addAssetTags`.
#[derive(InputObject)]
pub struct AddAssetTagsInput {
    /// Global ids of 1 to 100 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// 1 to 10 tags, each of 1 to 100 characters without commas. The gateway trims spaces around
    /// them. A source may accept only those of `capabilities.tagVocabulary`.
    pub tags: Vec<String>,
    /// Any text; the payload returns it unchanged.
    pub client_mutation_id: Option<String>,
}

/// The input of `removeAssetTags`.
#[derive(InputObject)]
pub struct RemoveAssetTagsInput {
    /// Global ids of 1 to 100 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// 1 to 10 tags, each of 1 to 100 characters without commas. The gateway trims spaces around
    /// them. A source may accept only those of `capabilities.tagVocabulary`.
    pub tags: Vec<String>,
    /// Any text; the payload returns it unchanged.
    pub client_mutation_id: Option<String>,
}

/// The input of `setAssetTags`.
#[derive(InputObject)]
pub struct SetAssetTagsInput {
    /// Global ids of 1 to 100 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// At most 10 tags, each of 1 to 100 characters without commas. An empty list clears the tags.
    /// Spaces around tags are trimmed. A source may accept only those of
    /// `capabilities.tagVocabulary`.
    pub tags: Vec<String>,
    /// Any text; the payload returns it unchanged.
    pub client_mutation_id: Option<String>,
}

/// The result of `addAssetTags`.
#[derive(SimpleObject)]
pub struct AddAssetTagsPayload {
    /// The written assets in their new state, in the order of `assetIds`; at most 100.
    pub assets: Vec<AssetNode>,
    /// At most one error for each id; empty when all succeeded.
    pub errors: Vec<AssetMutationError>,
    /// The input's `clientMutationId`.
    pub client_mutation_id: Option<String>,
}

/// The result of `removeAssetTags`.
#[derive(SimpleObject)]
pub struct RemoveAssetTagsPayload {
    /// The written assets in their new state, in the order of `assetIds`; at most 100.
    pub assets: Vec<AssetNode>,
    /// At most one error for each id; empty when all succeeded.
    pub errors: Vec<AssetMutationError>,
    /// The input's `clientMutationId`.
    pub client_mutation_id: Option<String>,
}

/// The result of `setAssetTags`.
#[derive(SimpleObject)]
pub struct SetAssetTagsPayload {
    /// The written assets in their new state, in the order of `assetIds`; at most 100.
    pub assets: Vec<AssetNode>,
    /// At most one error for each id; empty when all succeeded.
    pub errors: Vec<AssetMutationError>,
    /// The input's `clientMutationId`.
    pub client_mutation_id: Option<String>,
}

/// Checks tags, then trims, sorts and deduplicates them.
pub fn tags(tags: &[String], least: usize) -> async_graphql::Result<Vec<String>> {
    let path = ["input", "tags"];
    if tags.len() < least || tags.len() > MAX_TAGS {
        return Err(bad_input(
            &path,
            format!(
                "`tags` must have {least} to {MAX_TAGS} tags; it has {}",
                tags.len()
            ),
        ));
    }
    for (index, tag) in tags.iter().enumerate() {
        let path = ["input", "tags", &index.to_string()];
        let tag = tag.trim();
        if tag.is_empty() || tag.chars().count() > MAX_TAG {
            let rule = format!("a tag must have 1 to {MAX_TAG} characters");
            return Err(bad_input(&path, rule));
        }
        // Upstream filters separate tags with commas.
        if tag.contains(',') {
            let rule = "a tag must not contain a comma: no filter could match it";
            return Err(bad_input(&path, rule));
        }
    }
    let cleaned = tags.iter().map(|tag| composed(tag.trim()).into_owned());
    let mut cleaned: Vec<String> = cleaned.collect();
    cleaned.sort();
    cleaned.dedup();
    Ok(cleaned)
}

/// Removes tags in every spelling: an asset's tag may be in another one.
pub fn remove_tags(tags: Vec<String>) -> TagChange {
    TagChange::Remove(tags.iter().flat_map(|tag| spellings(tag)).collect())
}

pub async fn change_tags(
    context: &Context<'_>,
    ids: &[ID],
    tags: &[String],
    change: impl FnOnce(Vec<String>) -> TagChange,
    least: usize,
) -> async_graphql::Result<(Vec<AssetNode>, Vec<AssetMutationError>)> {
    let operation = changing(context, Permission::Write).await?;
    let change = change(self::tags(tags, least)?);
    let mut requested = RequestedAssets::read(&operation.registry, ids, operation.ids)?;
    let targets = std::mem::take(&mut requested.targets);
    let outcomes = operation
        .writer
        .tags(targets, change, &operation.context)
        .await;
    let mut assets = Vec::new();
    for Outcome { id, result } in outcomes {
        match result {
            Ok(asset) => assets.push(AssetNode(asset)),
            Err(error) => requested.failed_by_tags(&id, &error),
        }
    }
    Ok((assets, requested.take_errors()))
}
