//! The input and payload of `uploadAsset`.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::schema::{
    asset::AssetNode, error::AssetMutationError, mutation::upload_scalar::Upload,
    providers::AssetUploadOptionsInput, scalars::ByteSize,
};

/// The input of `uploadAsset`: a file, its source, and the new asset's name, tags and note.
#[derive(InputObject)]
pub struct UploadAssetInput {
    /// The name of the source to upload to, as `AssetSource.name` has it.
    pub source: String,
    /// The file, as a multipart upload. Set exactly one of `file` and `base64`.
    pub file: Option<Upload>,
    /// A small file in base64: at most 512 KiB decoded, unless configured otherwise. A base64 data
    /// URL works too; its media type is ignored.
    pub base64: Option<String>,
    /// The asset's name: 1 to 200 characters without slashes, backslashes and control characters.
    /// Default: the file's name. The gateway gives it an extension that fits the bytes.
    pub name: Option<String>,
    /// At most 10 tags, under the rules of `addAssetTags`.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// The asset's note, under the rules of `setAssetNote`.
    pub note: Option<String>,
    /// The file's length in bytes. Where a source needs it before the first byte, the gateway
    /// spools a file without it to disk first. A file of another length is rejected.
    pub byte_length: Option<ByteSize>,
    /// The file's hash: `blake3:` and 64 hexadecimal digits. A file with another hash is rejected.
    /// With it, a source that knows the bytes does not store them again.
    pub content_hash: Option<String>,
    /// Provider-specific options.
    pub options: Option<AssetUploadOptionsInput>,
    /// 1 to 255 characters, no control characters. For 24 hours the same key, file and arguments
    /// (`clientMutationId` aside) return the first result, even while the first call is running.
    /// Nothing is uploaded twice, and a `PENDING` upload is checked again. Other input is
    /// `CONFLICT`. One gateway process keeps keys in memory, and drops each caller's oldest when
    /// there are too many. An upload that created nothing frees its key. In access mode `open` all
    /// callers share keys: use unique ones, such as UUIDs.
    pub idempotency_key: Option<String>,
    /// Any text; the payload returns it unchanged.
    pub client_mutation_id: Option<String>,
}

/// The result of `uploadAsset`.
#[derive(SimpleObject)]
pub struct UploadAssetPayload {
    /// The asset in its new state. Null when the upload failed or is `PENDING`, and when the asset
    /// could not be read back: its id is then in `errors`.
    pub asset: Option<AssetNode>,
    /// Whether the bytes were new to the source; null until the source has them and reports it.
    pub created: Option<bool>,
    /// The state of the upload at the source; null when the source has no trace of it.
    pub upload: Option<SourceUpload>,
    /// The steps of the upload in the order of execution, at most four.
    pub steps: Vec<AssetUploadStep>,
    /// At most one error for each step, and one for the file. Empty when nothing failed.
    pub errors: Vec<AssetMutationError>,
    /// The input's `clientMutationId`.
    pub client_mutation_id: Option<String>,
}

/// The state of an upload at the source.
#[derive(SimpleObject)]
pub struct SourceUpload {
    /// The source's own id of the upload, if it has one. It is not an asset's id.
    pub upstream_id: Option<String>,
    /// Whether the source has processed the file.
    pub status: AssetUploadStatus,
}

/// Whether a source has processed a file. Values may be added: treat an unknown one as `PENDING`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetUploadStatus {
    /// The source is still processing the file. Retry with the same `idempotencyKey`.
    Pending,
    /// The source has processed the file.
    Done,
    /// The upload failed; `errors` has the reason.
    Failed,
}

/// A step of an upload, and its state.
#[derive(SimpleObject)]
pub struct AssetUploadStep {
    /// The step.
    pub name: AssetUploadStepName,
    /// The state of the step.
    pub status: AssetUploadStepStatus,
}

/// A step of an upload. Values may be added: display an unknown one by its name.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "crate::write::Step")]
pub enum AssetUploadStepName {
    /// Send the file.
    File,
    /// Give the asset the requested name.
    Name,
    /// Set the tags.
    Tags,
    /// Set the note.
    Note,
}

/// The state of an upload step. Values may be added: treat an unknown one as `UNKNOWN`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "crate::write::StepState")]
pub enum AssetUploadStepStatus {
    /// The step succeeded.
    Done,
    /// The step failed; `errors` has the reason.
    Failed,
    /// The step was sent, but its effect is unknown: read the asset before you try again.
    Unknown,
    /// The step waits until the source has processed the file.
    Pending,
    /// An earlier step failed.
    NotTried,
}
