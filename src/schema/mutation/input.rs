//! Input that mutations share: asset ids and idempotency keys.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use async_graphql::{ErrorExtensions, ID};

use crate::{
    asset::{AssetId, GlobalId},
    schema::{
        Code, coded,
        error::{AssetMutationError, bad_input},
        filter::unknown_source,
    },
    source::{Registry, SourceError},
    write::{Target, UploadError},
};

/// The most characters of an idempotency key.
const MAX_KEY: usize = 255;

/// The assets that a list of ids names, without duplicates, and an error for each invalid id.
#[derive(Default)]
pub struct RequestedAssets {
    pub targets: Vec<Target>,
    pub errors: Vec<AssetMutationError>,
    /// The first position of each id that the client sent.
    positions: HashMap<ID, usize>,
    /// The ids as the client sent them: they may contain a source's former name.
    pub given: HashMap<AssetId, ID>,
}

impl RequestedAssets {
    pub fn read(registry: &Registry, ids: &[ID], limit: usize) -> async_graphql::Result<Self> {
        if ids.is_empty() || ids.len() > limit {
            return Err(bad_input(
                &["input", "assetIds"],
                format!(
                    "`assetIds` must have 1 to {limit} ids; it has {}",
                    ids.len()
                ),
            ));
        }
        let (mut requested, mut invalid_ids) = (Self::default(), HashSet::new());
        for (index, id) in ids.iter().enumerate() {
            requested.positions.entry(id.clone()).or_insert(index);
            match target(registry, id) {
                Ok(target) => {
                    let asset = target.id.clone();
                    if let Entry::Vacant(vacant) = requested.given.entry(asset) {
                        vacant.insert(id.clone());
                        requested.targets.push(target);
                    }
                }
                Err(message) => {
                    if invalid_ids.insert(id) {
                        let path = ["input", "assetIds", &index.to_string()];
                        requested.errors.push(bad_id(id, &path, message));
                    }
                }
            }
        }
        Ok(requested)
    }

    /// Returns the asset's id as the client sent it.
    pub fn id(&self, id: &AssetId) -> ID {
        let given = self.given.get(id).cloned();
        given.unwrap_or_else(|| global(id.clone()))
    }

    /// Returns the assets' ids as the client sent them, in its order.
    pub fn ids(&self, ids: Vec<AssetId>) -> Vec<ID> {
        let mut ids: Vec<ID> = ids.iter().map(|id| self.id(id)).collect();
        ids.sort_by_key(|id| self.position(id));
        ids
    }

    /// Returns the errors in the order of the ids that the client sent.
    pub fn take_errors(&mut self) -> Vec<AssetMutationError> {
        let mut errors = std::mem::take(&mut self.errors);
        errors.sort_by_key(|error| error.asset_id.as_ref().and_then(|id| self.position(id)));
        errors
    }

    fn position(&self, id: &ID) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// Records a failure. If the tags break a rule of the source, `field` names them.
    pub fn failed_by_tags(&mut self, id: &AssetId, error: &SourceError) {
        self.failed(id, error);
        if let (SourceError::Invalid(_), Some(last)) = (error, self.errors.last_mut()) {
            last.name_argument(&["input", "tags"]);
        }
    }

    pub fn failed(&mut self, id: &AssetId, error: &SourceError) {
        let given = self.id(id);
        self.errors
            .push(AssetMutationError::at(&id.source, Some(given), error));
    }
}

/// Creates the error for an id that names no asset of this gateway.
pub fn bad_id(id: &ID, path: &[&str], message: String) -> AssetMutationError {
    AssetMutationError::argument(Code::BadUserInput, Some(id.clone()), path, message)
}

pub fn target(registry: &Registry, id: &ID) -> Result<Target, String> {
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

/// Checks an idempotency key.
pub fn key(key: Option<String>) -> async_graphql::Result<Option<String>> {
    let is_bad = |key: &String| {
        key.is_empty() || key.chars().count() > MAX_KEY || key.chars().any(char::is_control)
    };
    if key.as_ref().is_some_and(is_bad) {
        return Err(bad_input(
            &["input", "idempotencyKey"],
            format!("a key has 1 to {MAX_KEY} characters and no control characters"),
        ));
    }
    Ok(key)
}

/// Creates the error for a key that belongs to another write.
pub fn key_conflict() -> async_graphql::Error {
    coded(Code::Conflict, UploadError::Conflict.to_string())
        .extend_with(|_, e| e.set("field", vec!["input", "idempotencyKey"]))
}

fn global(id: AssetId) -> ID {
    GlobalId::Asset(id).to_string().into()
}
