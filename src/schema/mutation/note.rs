//! The mutation `setAssetNote`.

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

/// The most characters of a note.
const MAX_NOTE: usize = 10_000;

/// The input of `setAssetNote`.
#[derive(InputObject)]
pub struct SetAssetNoteInput {
    /// The asset's global id.
    pub asset_id: ID,
    /// The note, at most 10,000 characters. An empty or blank text clears it.
    pub note: String,
    /// Any text; the payload returns it unchanged.
    pub client_mutation_id: Option<String>,
}

/// The result of `setAssetNote`.
#[derive(SimpleObject)]
pub struct SetAssetNotePayload {
    /// The asset after the write; null when the write failed.
    pub asset: Option<AssetNode>,
    /// At most one error; empty when the write succeeded.
    pub errors: Vec<AssetMutationError>,
    /// The input's `clientMutationId`.
    pub client_mutation_id: Option<String>,
}

/// Checks the length of a note. An empty or blank note becomes `None`.
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
        .ok_or_else(|| coded(Code::Internal, "internal error: see the gateway's log"))?;
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
