//! The options of an upload to Scenario.

use async_graphql::{Enum, ID, InputObject};

use crate::{
    asset::{GlobalId, Provider, is_upstream_id_text},
    providers::scenario::upload_rules::{ScenarioUpload, ScenarioUploadKind},
    schema::error::bad_input,
    source::{Registry, Source, UploadOptions},
};

/// Options of an upload to Scenario.
#[derive(InputObject)]
pub struct ScenarioUploadInput {
    /// The kind of the file. Default: detected from the bytes. Meshes in text or archives (OBJ,
    /// glTF, USDZ) require `MODEL_3D`.
    pub kind: Option<ScenarioUploadKindInput>,
    /// Scenario ids of the collections to add the asset to, at most 20.
    #[graphql(default)]
    pub collection_ids: Vec<String>,
    /// The `id` of the asset that this one was made from, in the same source.
    pub parent_asset_id: Option<ID>,
    /// Whether to hide the asset from Scenario's own lists.
    #[graphql(default)]
    pub hide: bool,
}

/// The kind of file that Scenario processes. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ScenarioUploadKind")]
#[graphql(name = "ScenarioUploadKind")]
pub enum ScenarioUploadKindInput {
    /// An image.
    Image,
    /// A video.
    Video,
    /// Audio.
    Audio,
    /// Text.
    Text,
    /// A 3D mesh.
    #[graphql(name = "MODEL_3D")]
    Model3d,
}

impl ScenarioUploadInput {
    /// Checks the options and translates them for an upload to `source`.
    pub fn options(
        &self,
        source: &dyn Source,
        registry: &Registry,
    ) -> async_graphql::Result<UploadOptions> {
        let path = ["input", "options", "scenario"];
        let ids = &self.collection_ids;
        if ids.len() > 20 {
            return Err(bad_input(
                &[&path[..], &["collectionIds"]].concat(),
                format!("at most 20 collections are allowed, not {}", ids.len()),
            ));
        }
        if let Some(index) = ids.iter().position(|id| !is_upstream_id_text(id)) {
            return Err(bad_input(
                &[&path[..], &["collectionIds", &index.to_string()]].concat(),
                "an id has 1 to 128 bytes and no control characters",
            ));
        }
        let id = self.parent_asset_id.as_ref();
        let options = ScenarioUpload {
            kind: self.kind.map(Into::into),
            collection_ids: ids.clone(),
            parent_id: id.map(|id| parent(source, registry, id)).transpose()?,
            hide: self.hide,
        };
        Ok(UploadOptions::of(Provider::Scenario, &options))
    }
}

/// Returns the upstream id of the parent asset, which must be in the same source.
fn parent(source: &dyn Source, registry: &Registry, id: &ID) -> async_graphql::Result<String> {
    let name = &source.profile().name;
    let wrong = |message: String| {
        let path = ["input", "options", "scenario", "parentAssetId"];
        Err(bad_input(&path, message))
    };
    match GlobalId::parse(id) {
        Ok(GlobalId::Asset(id)) => {
            let parent_source = registry.named(&id.source);
            if parent_source.is_some_and(|parent_source| parent_source.profile().name == *name) {
                Ok(id.upstream.to_string())
            } else {
                wrong(format!(
                    "the parent is an asset of source `{}`, and the upload goes to `{name}`",
                    id.source
                ))
            }
        }
        Ok(GlobalId::Source(_)) => wrong("this is the id of a source, not of an asset".to_owned()),
        Err(invalid) => wrong(invalid.to_string()),
    }
}
