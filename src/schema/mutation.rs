//! What can be changed.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use async_graphql::{Context, ErrorExtensions, ID, InputObject, Object, SimpleObject};

use super::{
    Code, Operation, allowed,
    asset::AssetNode,
    coded,
    error::{AssetMutationError, bad_input},
    filter::unknown_source,
    reading,
    upload::{self, UploadAssetInput, UploadAssetPayload},
};
use crate::{
    access::Permission,
    asset::{AssetId, GlobalId},
    source::{Registry, SourceError, TagChange},
    write::{Outcome, Target, UploadError},
};

/// Tags in one change.
const MAX_TAGS: usize = 10;
/// Characters of a tag, and of a note.
const MAX_TAG: usize = 100;
const MAX_NOTE: usize = 10_000;
/// Letters of an idempotency key.
const MAX_KEY: usize = 255;

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

/// What can be changed.
pub struct Mutation;

/// The root of mutations. Failures have two channels, and each failure is in one of them.
///
/// - The payload's `errors`: what is wrong with one item, and everything about a single asset to
///   change. Examples are an `assetId` that is no id, an asset that is gone, and what the source says
///   of an upload or its file. The other items go on.
/// - An error of the field, with a null payload: what is wrong with the input as a whole. Examples are
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

/// Tags to add, and the assets they are for.
#[derive(InputObject)]
pub struct AddAssetTagsInput {
    /// 1 to 100 assets, of any sources.
    asset_ids: Vec<ID>,
    /// 1 to 10 tags, of 1 to 100 characters, without commas. Blanks around them are cut off. PiktID
    /// knows `model`, `product`, `background` and `other` only.
    tags: Vec<String>,
    /// Comes back in the payload.
    client_mutation_id: Option<String>,
}

/// Tags to take away, and the assets that have them.
#[derive(InputObject)]
pub struct RemoveAssetTagsInput {
    /// 1 to 100 assets, of any sources.
    asset_ids: Vec<ID>,
    /// 1 to 10 tags, of 1 to 100 characters, without commas. Blanks around them are cut off. PiktID
    /// knows `model`, `product`, `background` and `other` only.
    tags: Vec<String>,
    /// Comes back in the payload.
    client_mutation_id: Option<String>,
}

/// Tags that replace those of the assets.
#[derive(InputObject)]
pub struct SetAssetTagsInput {
    /// 1 to 100 assets, of any sources.
    asset_ids: Vec<ID>,
    /// At most 10 tags; none clears them. Each has 1 to 100 characters, without commas. Blanks
    /// around them are cut off. PiktID knows `model`, `product`, `background` and `other` only.
    tags: Vec<String>,
    /// Comes back in the payload.
    client_mutation_id: Option<String>,
}

/// The result of `addAssetTags`.
#[derive(SimpleObject)]
pub struct AddAssetTagsPayload {
    /// The assets that were written, as they are now, in the order of the ids: at most 100.
    assets: Vec<AssetNode>,
    /// What failed: at most one for each id.
    errors: Vec<AssetMutationError>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// The result of `removeAssetTags`.
#[derive(SimpleObject)]
pub struct RemoveAssetTagsPayload {
    /// The assets that were written, as they are now, in the order of the ids: at most 100.
    assets: Vec<AssetNode>,
    /// What failed: at most one for each id.
    errors: Vec<AssetMutationError>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// The result of `setAssetTags`.
#[derive(SimpleObject)]
pub struct SetAssetTagsPayload {
    /// The assets that were written, as they are now, in the order of the ids: at most 100.
    assets: Vec<AssetNode>,
    /// What failed: at most one for each id.
    errors: Vec<AssetMutationError>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// A note and the asset it is for.
#[derive(InputObject)]
pub struct SetAssetNoteInput {
    /// The asset.
    asset_id: ID,
    /// At most 10,000 characters. A text that is empty or blank clears the note.
    note: String,
    /// Comes back in the payload.
    client_mutation_id: Option<String>,
}

/// The result of `setAssetNote`.
#[derive(SimpleObject)]
pub struct SetAssetNotePayload {
    /// The asset as it is now; null when it failed.
    asset: Option<AssetNode>,
    /// What failed: at most one error.
    errors: Vec<AssetMutationError>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// An asset to delete.
#[derive(InputObject)]
pub struct DeleteAssetInput {
    /// The asset.
    asset_id: ID,
    /// Comes back in the payload.
    client_mutation_id: Option<String>,
}

/// The result of `deleteAsset`.
#[derive(SimpleObject)]
pub struct DeleteAssetPayload {
    /// The asset's id; null when it was not deleted.
    deleted_id: Option<ID>,
    /// What failed: at most one error.
    errors: Vec<AssetMutationError>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// Assets to delete.
#[derive(InputObject)]
pub struct BulkDeleteAssetsInput {
    /// 1 to 1,000 assets, of any sources.
    asset_ids: Vec<ID>,
    /// 1 to 255 characters, no control characters. Within 24 hours the same key with the same assets gives the first outcome
    /// again, also while the first call still runs; with anything else it is `CONFLICT`. One gateway
    /// process keeps keys in memory, and drops each caller's oldest when there are too many. A delete
    /// that changed nothing is not kept. In access mode `open` all callers share their keys: choose
    /// unique ones, such as UUIDs. To try ids of `errors` or `notTriedIds` again, use a new key.
    idempotency_key: Option<String>,
    /// Comes back in the payload.
    client_mutation_id: Option<String>,
}

/// The result of `bulkDeleteAssets`: each id is in one of the three lists.
#[derive(SimpleObject)]
pub struct BulkDeleteAssetsPayload {
    /// Ids of assets that are gone: at most 1,000.
    deleted_ids: Vec<ID>,
    /// Ids that could not be deleted, each with its reason: at most 1,000.
    errors: Vec<AssetMutationError>,
    /// Ids that were not tried because the time ran out, at most 1,000: ask again.
    not_tried_ids: Vec<ID>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

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
    };
    if !operation.caller.may(Permission::Read) && ["asset", "assets"].iter().any(is_shown) {
        reading(context)?;
    }
    operation.loader.forget().await;
    Ok(operation)
}

/// The assets meant, each once, and what is wrong with the other ids.
#[derive(Default)]
struct Meant {
    targets: Vec<Target>,
    errors: Vec<AssetMutationError>,
    /// As the client names them: it may use a source's former name.
    given: HashMap<AssetId, ID>,
}

impl Meant {
    fn read(registry: &Registry, ids: &[ID], limit: usize) -> async_graphql::Result<Self> {
        if ids.is_empty() || ids.len() > limit {
            return Err(bad_input(
                &["input", "assetIds"],
                format!(
                    "`assetIds` must have 1 to {limit} ids; it has {}",
                    ids.len()
                ),
            ));
        }
        let (mut meant, mut bad) = (Self::default(), HashSet::new());
        for (index, id) in ids.iter().enumerate() {
            match target(registry, id) {
                Ok(target) => {
                    let own = target.id.clone();
                    if let Entry::Vacant(place) = meant.given.entry(own) {
                        place.insert(id.clone());
                        meant.targets.push(target);
                    }
                }
                Err(message) => {
                    if bad.insert(id) {
                        let path = ["input", "assetIds", &index.to_string()];
                        meant.errors.push(bad_id(id, &path, message));
                    }
                }
            }
        }
        Ok(meant)
    }

    /// The asset's id as the client gave it.
    fn id(&self, id: &AssetId) -> ID {
        let given = self.given.get(id).cloned();
        given.unwrap_or_else(|| global(id.clone()))
    }

    fn ids(&self, ids: Vec<AssetId>) -> Vec<ID> {
        ids.iter().map(|id| self.id(id)).collect()
    }

    /// Tags that break a rule of the asset's source are the argument at fault.
    fn failed_by_tags(&mut self, id: &AssetId, error: &SourceError) {
        self.failed(id, error);
        if let (SourceError::Invalid(_), Some(last)) = (error, self.errors.last_mut()) {
            last.name_argument(&["input", "tags"]);
        }
    }

    fn failed(&mut self, id: &AssetId, error: &SourceError) {
        let given = self.id(id);
        self.errors
            .push(AssetMutationError::at(&id.source, Some(given), error));
    }
}

/// An id that names no asset of this gateway.
fn bad_id(id: &ID, path: &[&str], message: String) -> AssetMutationError {
    AssetMutationError::argument(Code::BadUserInput, Some(id.clone()), path, message)
}

fn target(registry: &Registry, id: &ID) -> Result<Target, String> {
    match GlobalId::parse(id) {
        Ok(GlobalId::Asset(asset)) => match registry.named(&asset.source) {
            Some(source) => Ok(Target {
                source: Arc::clone(source),
                id: AssetId {
                    source: source.profile().name.clone(),
                    upstream: asset.upstream,
                },
            }),
            None => Err(unknown_source(&[], asset.source.as_str(), registry).message),
        },
        Ok(GlobalId::Source(name)) => Err(format!(
            "this is the id of source `{name}`, not of an asset"
        )),
        Err(invalid) => Err(invalid.to_string()),
    }
}

/// An idempotency key.
pub fn key(key: Option<String>) -> async_graphql::Result<Option<String>> {
    let is_bad = |key: &String| {
        key.is_empty() || key.chars().count() > MAX_KEY || key.chars().any(char::is_control)
    };
    if key.as_ref().is_some_and(is_bad) {
        return Err(bad_input(
            &["input", "idempotencyKey"],
            format!("a key has 1 to {MAX_KEY} letters and no control characters"),
        ));
    }
    Ok(key)
}

/// The key belongs to another write.
pub fn key_conflict() -> async_graphql::Error {
    coded(Code::Conflict, UploadError::Conflict.to_string())
        .extend_with(|_, e| e.set("field", vec!["input", "idempotencyKey"]))
}

/// A note as it is meant: none where it is empty.
pub fn note(note: Option<String>) -> async_graphql::Result<Option<String>> {
    let note = note.filter(|note| !note.trim().is_empty());
    let length = note.as_ref().map_or(0, |note| note.chars().count());
    if length > MAX_NOTE {
        return Err(bad_input(
            &["input", "note"],
            format!("a note has at most {MAX_NOTE} characters; it has {length}"),
        ));
    }
    Ok(note)
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

async fn change_tags(
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

async fn set_note(
    context: &Context<'_>,
    input: SetAssetNoteInput,
) -> async_graphql::Result<SetAssetNotePayload> {
    let operation = changing(context, Permission::Write).await?;
    let note = note(Some(input.note))?;
    let target = match target(&operation.registry, &input.asset_id) {
        Ok(target) => target,
        Err(message) => {
            let error = bad_id(&input.asset_id, &["input", "assetId"], message);
            return Ok(SetAssetNotePayload {
                asset: None,
                errors: vec![error],
                client_mutation_id: input.client_mutation_id,
            });
        }
    };
    let outcome = operation
        .writer
        .note(target, note, &operation.context)
        .await
        .ok_or_else(|| coded(Code::Internal, "a fault in the gateway: it is in its log"))?;
    let (asset, errors) = match outcome.result {
        Ok(asset) => (Some(AssetNode(asset)), Vec::new()),
        Err(error) => {
            let (source, id) = (&outcome.id.source, Some(input.asset_id));
            (None, vec![AssetMutationError::at(source, id, &error)])
        }
    };
    Ok(SetAssetNotePayload {
        asset,
        errors,
        client_mutation_id: input.client_mutation_id,
    })
}

async fn delete_one(
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

async fn delete_all(
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

fn global(id: AssetId) -> ID {
    GlobalId::Asset(id).to_string().into()
}
