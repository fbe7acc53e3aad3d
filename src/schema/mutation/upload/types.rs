//! The input and payload of `uploadAsset`.

use async_graphql::{Enum, ID, InputObject, OneofObject, SimpleObject};

use crate::schema::{
    asset::AssetNode, error::AssetMutationError, mutation::upload_scalar::Upload, scalars::ByteSize,
};

/// A file, and how its asset is named, tagged and stored.
#[derive(InputObject)]
pub struct UploadAssetInput {
    /// The source to upload to, by name, as `assetSources` lists them.
    pub source: String,
    /// The file. Exactly one of `file` and `base64`.
    pub file: Option<Upload>,
    /// The file in base64, for small ones (512 KiB decoded, unless configured otherwise); a data
    /// URL is taken too, its media type is not believed.
    pub base64: Option<String>,
    /// Name of the asset: 1 to 200 characters, without `/`, `\\` and control characters. Default: the
    /// file's name. It gets an ending that fits the bytes.
    pub name: Option<String>,
    /// At most 10 tags, as `addAssetTags` takes them.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// A note, as `setAssetNote` takes it.
    pub note: Option<String>,
    /// The file's length in bytes. PiktID and Scenario need it before the first byte: without it the
    /// gateway spools the file to disk first. A file of another length is refused.
    pub byte_length: Option<ByteSize>,
    /// The file's hash: `blake3:` and 64 hexadecimal digits. A file of another hash is refused;
    /// Comfy does not store bytes again that it knows.
    pub content_hash: Option<String>,
    /// Options of one provider.
    pub options: Option<AssetUploadOptionsInput>,
    /// 1 to 255 characters, no control characters. Within 24 hours the same key with the same file and
    /// arguments (`clientMutationId` aside) gives the
    /// first outcome again, also while the first call still runs: nothing is uploaded twice, and a
    /// `PENDING` upload is looked at again. With anything else it is `CONFLICT`. One gateway process
    /// keeps keys in memory, and drops each caller's oldest when there are too many. An upload that
    /// made nothing is not kept. In access mode `open` all callers share their keys: choose unique
    /// ones, such as UUIDs.
    pub idempotency_key: Option<String>,
    /// Comes back in the payload.
    pub client_mutation_id: Option<String>,
}

/// Options of one provider's uploads.
#[derive(OneofObject)]
pub enum AssetUploadOptionsInput {
    /// Scenario's.
    Scenario(ScenarioUploadInput),
    /// Comfy's.
    Comfy(ComfyUploadInput),
}

/// Options of uploads to Scenario.
#[derive(InputObject)]
pub struct ScenarioUploadInput {
    /// What it is; left out: as the bytes tell. Meshes in text or archives (OBJ, glTF, USDZ) must
    /// say MODEL_3D.
    pub kind: Option<ScenarioUploadKindInput>,
    /// Collections it goes to, at most 20.
    #[graphql(default)]
    pub collection_ids: Vec<String>,
    /// The asset it was made from: the `id` of an asset of the same source.
    pub parent_asset_id: Option<ID>,
    /// Hidden from Scenario's own lists.
    #[graphql(default)]
    pub hide: bool,
}

/// What Scenario makes of an upload. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "ScenarioUploadKind")]
pub enum ScenarioUploadKindInput {
    /// A picture.
    Image,
    /// A video.
    Video,
    /// A sound.
    Audio,
    /// A text.
    Text,
    /// A mesh.
    #[graphql(name = "MODEL_3D")]
    Model3d,
}

/// Options of uploads to Comfy.
#[derive(InputObject)]
pub struct ComfyUploadInput {
    /// Which of its folders.
    #[graphql(default_with = "ComfyUploadDestination::Input")]
    pub destination: ComfyUploadDestination,
    /// With MODELS: the folder of models, such as `checkpoints`.
    pub model_type: Option<String>,
}

/// Comfy's folders. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComfyUploadDestination {
    /// What workflows read.
    Input,
    /// What workflows write.
    Output,
    /// Models; needs `modelType`.
    Models,
}

/// The result of `uploadAsset`.
#[derive(SimpleObject)]
pub struct UploadAssetPayload {
    /// The asset as it is now; null while it is PENDING, and where it could not be read back: its
    /// id is then in `errors`.
    pub asset: Option<AssetNode>,
    /// Whether the bytes were new to the source; null until it has them and says so.
    pub created: Option<bool>,
    /// The state of the upload at the source; null where the source has nothing of it.
    pub upload: Option<SourceUpload>,
    /// The parts of the request, in the order they are done: at most four.
    pub steps: Vec<AssetUploadStep>,
    /// What failed: at most one error for each part, and one for the file.
    pub errors: Vec<AssetMutationError>,
    /// As it was given.
    pub client_mutation_id: Option<String>,
}

/// An upload, as the source sees it.
#[derive(SimpleObject)]
pub struct SourceUpload {
    /// The source's own id of the upload, where it has one. No id of an asset.
    pub upstream_id: Option<String>,
    /// Whether it is done.
    pub status: AssetUploadStatus,
}

/// Whether a source is done with a file. Values may be added: treat an unknown one as `PENDING`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetUploadStatus {
    /// It has the file and still works on it. Ask again with the same `idempotencyKey`.
    Pending,
    /// It is done.
    Done,
    /// It failed; `errors` has the reason.
    Failed,
}

/// A part of an upload, and its state.
#[derive(SimpleObject)]
pub struct AssetUploadStep {
    /// Which part it is.
    pub name: AssetUploadStepName,
    /// Its state.
    pub status: AssetUploadStepStatus,
}

/// The parts of an upload. Values may be added: show an unknown one as it is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetUploadStepName {
    /// The file itself.
    File,
    /// The name that was asked for.
    Name,
    /// The tags.
    Tags,
    /// The note.
    Note,
}

/// The state of a part of an upload. Values may be added: treat an unknown one as `UNKNOWN`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetUploadStepStatus {
    /// It is done.
    Done,
    /// It failed; `errors` has the reason.
    Failed,
    /// It was sent, and it is not known whether it took effect: read before you try again.
    Unknown,
    /// It waits for the source, which still works on the file.
    Pending,
    /// Something before it failed.
    NotTried,
}
