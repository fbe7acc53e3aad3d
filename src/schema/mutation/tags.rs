//! `addAssetTags`, `removeAssetTags`, `setAssetTags`.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::{input::Meant, permission::changing};
use crate::{
    access::Permission,
    schema::{
        asset::AssetNode,
        error::{AssetMutationError, bad_input},
    },
    source::TagChange,
    write::Outcome,
};

/// Tags in one change.
const MAX_TAGS: usize = 10;
/// Characters of a tag.
const MAX_TAG: usize = 100;

/// Tags to add, and the assets they are for.
#[derive(InputObject)]
pub struct AddAssetTagsInput {
    /// 1 to 100 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// 1 to 10 tags, of 1 to 100 characters, without commas. Blanks around them are cut off. PiktID
    /// knows `model`, `product`, `background` and `other` only.
    pub tags: Vec<String>,
    /// Comes back in the payload.
    pub client_mutation_id: Option<String>,
}

/// Tags to take away, and the assets that have them.
#[derive(InputObject)]
pub struct RemoveAssetTagsInput {
    /// 1 to 100 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// 1 to 10 tags, of 1 to 100 characters, without commas. Blanks around them are cut off. PiktID
    /// knows `model`, `product`, `background` and `other` only.
    pub tags: Vec<String>,
    /// Comes back in the payload.
    pub client_mutation_id: Option<String>,
}

/// Tags that replace those of the assets.
#[derive(InputObject)]
pub struct SetAssetTagsInput {
    /// 1 to 100 assets, of any sources.
    pub asset_ids: Vec<ID>,
    /// At most 10 tags; none clears them. Each has 1 to 100 characters, without commas. Blanks
    /// around them are cut off. PiktID knows `model`, `product`, `background` and `other` only.
    pub tags: Vec<String>,
    /// Comes back in the payload.
    pub client_mutation_id: Option<String>,
}

/// The result of `addAssetTags`.
#[derive(SimpleObject)]
pub struct AddAssetTagsPayload {
    /// The assets that were written, as they are now, in the order of the ids: at most 100.
    pub assets: Vec<AssetNode>,
    /// What failed: at most one for each id.
    pub errors: Vec<AssetMutationError>,
    /// As it was given.
    pub client_mutation_id: Option<String>,
}

/// The result of `removeAssetTags`.
#[derive(SimpleObject)]
pub struct RemoveAssetTagsPayload {
    /// The assets that were written, as they are now, in the order of the ids: at most 100.
    pub assets: Vec<AssetNode>,
    /// What failed: at most one for each id.
    pub errors: Vec<AssetMutationError>,
    /// As it was given.
    pub client_mutation_id: Option<String>,
}

/// The result of `setAssetTags`.
#[derive(SimpleObject)]
pub struct SetAssetTagsPayload {
    /// The assets that were written, as they are now, in the order of the ids: at most 100.
    pub assets: Vec<AssetNode>,
    /// What failed: at most one for each id.
    pub errors: Vec<AssetMutationError>,
    /// As it was given.
    pub client_mutation_id: Option<String>,
}

/// Tags as they are meant.
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
        // Commas separate tags in every filter by tags.
        if tag.contains(',') {
            let rule = "a tag must not hold a comma: no filter could ask for it";
            return Err(bad_input(&path, rule));
        }
    }
    let mut meant: Vec<String> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
    meant.sort();
    meant.dedup();
    Ok(meant)
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
    let mut meant = Meant::read(&operation.registry, ids, operation.ids)?;
    let targets = std::mem::take(&mut meant.targets);
    let outcomes = operation
        .writer
        .tags(targets, change, &operation.context)
        .await;
    let mut assets = Vec::new();
    for Outcome { id, result } in outcomes {
        match result {
            Ok(asset) => assets.push(AssetNode(asset)),
            Err(error) => meant.failed_by_tags(&id, &error),
        }
    }
    Ok((assets, meant.errors))
}
