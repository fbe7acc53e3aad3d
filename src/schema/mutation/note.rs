//! `setAssetNote`.

use async_graphql::{Context, ID, InputObject, SimpleObject};

use super::{
    input::{bad_id, target},
    permission::changing,
};
use crate::{
    access::Permission,
    schema::{
        asset::AssetNode,
        error::{AssetMutationError, Code, bad_input, coded},
    },
};

/// Characters of a note.
const MAX_NOTE: usize = 10_000;

/// A note and the asset it is for.
#[derive(InputObject)]
pub struct SetAssetNoteInput {
    /// The asset.
    pub asset_id: ID,
    /// At most 10,000 characters. A text that is empty or blank clears the note.
    pub note: String,
    /// Comes back in the payload.
    pub client_mutation_id: Option<String>,
}

/// The result of `setAssetNote`.
#[derive(SimpleObject)]
pub struct SetAssetNotePayload {
    /// The asset as it is now; null when it failed.
    pub asset: Option<AssetNode>,
    /// What failed: at most one error.
    pub errors: Vec<AssetMutationError>,
    /// As it was given.
    pub client_mutation_id: Option<String>,
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

pub async fn set_note(
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
