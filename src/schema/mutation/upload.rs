//! `uploadAsset`.

use std::sync::Arc;

use async_graphql::{
    Context, Enum, ErrorExtensions, ID, InputObject, InputValueResult, OneofObject, Scalar,
    ScalarType, SimpleObject, Value,
};
use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

use super::{
    changing,
    input::{key, key_conflict},
    note::note,
    tags::tags,
};
use crate::{
    access::Permission,
    asset::{GlobalId, SourceName, is_upstream_id_text},
    schema::{
        Code, Operation,
        asset::AssetNode,
        coded,
        error::{AssetMutationError, bad_input},
        filter::unknown_source,
        scalars::ByteSize,
    },
    source::{
        ComfyDestination, ComfyUpload, Registry, ScenarioUpload, ScenarioUploadKind, Source,
        SourceError, UploadOptions,
    },
    write::{
        FileError, FileInput, NewAsset, Step, StepState, UploadBudget, UploadError, UploadFiles,
        UploadOutcome,
    },
};

/// Letters of a name.
const MAX_NAME: usize = 200;

/// The files that came with a request, and what they must keep to.
pub struct Uploads {
    /// None: the request is no multipart one.
    pub parts: Option<Arc<dyn UploadFiles>>,
    /// Bytes of a file.
    pub limit: u64,
    /// Bytes of a file in base64, decoded.
    pub base64_limit: usize,
    pub budget: UploadBudget,
}

/// The name of a file's part; none where the client sent something else in its place.
pub struct Upload(Option<String>);

impl Upload {
    /// What the server puts in a variable's place: no JSON and no document can say it.
    #[must_use]
    pub fn variable(part: &str) -> Value {
        Value::Binary(Bytes::copy_from_slice(part.as_bytes()))
    }
}

/// A file, sent beside the operation as the GraphQL multipart request specification says: its variable is null in `operations`, and `map` names the part that holds it. Files are read in the order of their parts.
#[Scalar(specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec")]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(match value {
            Value::Binary(name) => String::from_utf8(name.into()).ok(),
            // The field refuses it by its path.
            _ => None,
        }))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

/// A file, and how its asset is named, tagged and stored.
#[derive(InputObject)]
pub struct UploadAssetInput {
    /// The source to upload to, by name, as `assetSources` lists them.
    source: String,
    /// The file. Exactly one of `file` and `base64`.
    file: Option<Upload>,
    /// The file in base64, for small ones (512 KiB decoded, unless configured otherwise); a data
    /// URL is taken too, its media type is not believed.
    base64: Option<String>,
    /// Name of the asset: 1 to 200 characters, without `/`, `\\` and control characters. Default: the
    /// file's name. It gets an ending that fits the bytes.
    name: Option<String>,
    /// At most 10 tags, as `addAssetTags` takes them.
    #[graphql(default)]
    tags: Vec<String>,
    /// A note, as `setAssetNote` takes it.
    note: Option<String>,
    /// The file's length in bytes. PiktID and Scenario need it before the first byte: without it the
    /// gateway spools the file to disk first. A file of another length is refused.
    byte_length: Option<ByteSize>,
    /// The file's hash: `blake3:` and 64 hexadecimal digits. A file of another hash is refused;
    /// Comfy does not store bytes again that it knows.
    content_hash: Option<String>,
    /// Options of one provider.
    options: Option<AssetUploadOptionsInput>,
    /// 1 to 255 characters, no control characters. Within 24 hours the same key with the same file and
    /// arguments (`clientMutationId` aside) gives the
    /// first outcome again, also while the first call still runs: nothing is uploaded twice, and a
    /// `PENDING` upload is looked at again. With anything else it is `CONFLICT`. One gateway process
    /// keeps keys in memory, and drops each caller's oldest when there are too many. An upload that
    /// made nothing is not kept. In access mode `open` all callers share their keys: choose unique
    /// ones, such as UUIDs.
    idempotency_key: Option<String>,
    /// Comes back in the payload.
    client_mutation_id: Option<String>,
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
    kind: Option<ScenarioUploadKindInput>,
    /// Collections it goes to, at most 20.
    #[graphql(default)]
    collection_ids: Vec<String>,
    /// The asset it was made from: the `id` of an asset of the same source.
    parent_asset_id: Option<ID>,
    /// Hidden from Scenario's own lists.
    #[graphql(default)]
    hide: bool,
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
    destination: ComfyUploadDestination,
    /// With MODELS: the folder of models, such as `checkpoints`.
    model_type: Option<String>,
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
    asset: Option<AssetNode>,
    /// Whether the bytes were new to the source; null until it has them and says so.
    created: Option<bool>,
    /// The state of the upload at the source; null where the source has nothing of it.
    upload: Option<SourceUpload>,
    /// The parts of the request, in the order they are done: at most four.
    steps: Vec<AssetUploadStep>,
    /// What failed: at most one error for each part, and one for the file.
    errors: Vec<AssetMutationError>,
    /// As it was given.
    client_mutation_id: Option<String>,
}

/// An upload, as the source sees it.
#[derive(SimpleObject)]
pub struct SourceUpload {
    /// The source's own id of the upload, where it has one. No id of an asset.
    upstream_id: Option<String>,
    /// Whether it is done.
    status: AssetUploadStatus,
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
    name: AssetUploadStepName,
    /// Its state.
    status: AssetUploadStepStatus,
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

/// What is meant, checked before anything is read or sent.
fn meant(operation: &Operation, input: &UploadAssetInput) -> async_graphql::Result<NewAsset> {
    let refuse = |field: &str, message: String| Err(bad_input(&["input", field], message));
    let registry = &operation.registry;
    let name = SourceName::parse(&input.source).ok();
    let Some(source) = name.and_then(|name| registry.named(&name)) else {
        return Err(unknown_source(
            &["input", "source"],
            &input.source,
            registry,
        ));
    };
    let uploads = &operation.uploads;
    let file = match (&input.file, &input.base64) {
        (Some(upload), None) => match (&upload.0, &uploads.parts) {
            (Some(name), Some(parts)) => FileInput::Part {
                parts: Arc::clone(parts),
                name: name.clone(),
            },
            _ => {
                return refuse(
                    "file",
                    "a file is sent as multipart/form-data (graphql-multipart-request-spec): null \
                     in its place, and a part that `map` names"
                        .to_owned(),
                );
            }
        },
        (None, Some(text)) => FileInput::Bytes(decoded(text, uploads.base64_limit)?),
        _ => {
            return refuse("file", "give exactly one of `file` and `base64`".to_owned());
        }
    };
    if let Some(name) = &input.name {
        let letters = name.chars().count();
        let is_bad = name.trim().is_empty() || name.contains(['/', '\\']);
        if is_bad || letters > MAX_NAME || name.chars().any(char::is_control) {
            return refuse(
                "name",
                format!(
                    "a name has 1 to {MAX_NAME} letters, no `/` or `\\` and no control characters"
                ),
            );
        }
    }
    let hash = match input.content_hash.as_deref() {
        None => None,
        Some(text) => match text.strip_prefix("blake3:").map(blake3::Hash::from_hex) {
            Some(Ok(hash)) => Some(hash),
            _ => {
                return refuse(
                    "contentHash",
                    "a hash is `blake3:` and 64 hexadecimal digits".to_owned(),
                );
            }
        },
    };
    let length = input.byte_length.as_ref().map(|length| length.0);
    if length.is_some_and(|length| length > uploads.limit) {
        let error = FileError::TooLarge {
            limit: uploads.limit,
        };
        return Err(coded(Code::PayloadTooLarge, error.to_string()));
    }
    Ok(NewAsset {
        source: Arc::clone(source),
        file,
        name: input.name.as_ref().map(|name| name.trim().to_owned()),
        tags: tags(&input.tags, 0)?,
        note: note(input.note.clone())?,
        length,
        hash,
        options: options(source.as_ref(), registry, input.options.as_ref())?,
        limit: uploads.limit,
        key: key(input.idempotency_key.clone())?,
        budget: uploads.budget.clone(),
    })
}

/// Base64 as people write it: with or without padding, or as a data URL.
fn decoded(text: &str, limit: usize) -> async_graphql::Result<Bytes> {
    let path = ["input", "base64"];
    let encoded = match text.strip_prefix("data:") {
        None => text,
        Some(url) => url
            .split_once(";base64,")
            .map(|(_, data)| data)
            .ok_or_else(|| bad_input(&path, "a data URL must be in base64"))?,
    };
    if encoded.len() / 4 * 3 > limit.saturating_add(3) {
        return Err(too_large(limit));
    }
    let engine = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = engine
        .decode(encoded)
        .map_err(|error| bad_input(&path, format!("`base64` is no base64 (RFC 4648): {error}")))?;
    if bytes.len() > limit {
        return Err(too_large(limit));
    }
    Ok(bytes.into())
}

fn too_large(limit: usize) -> async_graphql::Error {
    coded(
        Code::PayloadTooLarge,
        format!(
            "a file in base64 has at most {limit} bytes, decoded: send larger ones as `file`, by \
             multipart request"
        ),
    )
    .extend_with(|_, e| e.set("field", vec!["input", "base64"]))
}

fn options(
    source: &dyn Source,
    registry: &Registry,
    input: Option<&AssetUploadOptionsInput>,
) -> async_graphql::Result<UploadOptions> {
    match input {
        None => Ok(UploadOptions::None),
        Some(AssetUploadOptionsInput::Comfy(own)) => Ok(UploadOptions::Comfy(ComfyUpload {
            destination: match own.destination {
                ComfyUploadDestination::Input => ComfyDestination::Input,
                ComfyUploadDestination::Output => ComfyDestination::Output,
                ComfyUploadDestination::Models => ComfyDestination::Models,
            },
            model_type: own.model_type.clone(),
        })),
        Some(AssetUploadOptionsInput::Scenario(own)) => {
            let path = ["input", "options", "scenario"];
            let ids = &own.collection_ids;
            if ids.len() > 20 {
                return Err(bad_input(
                    &[&path[..], &["collectionIds"]].concat(),
                    format!("at most 20 collections; these are {}", ids.len()),
                ));
            }
            if let Some(index) = ids.iter().position(|id| !is_upstream_id_text(id)) {
                return Err(bad_input(
                    &[&path[..], &["collectionIds", &index.to_string()]].concat(),
                    "an id has 1 to 128 bytes and no control characters",
                ));
            }
            let id = own.parent_asset_id.as_ref();
            let parent_id = id.map(|id| parent(source, registry, id)).transpose()?;
            Ok(UploadOptions::Scenario(ScenarioUpload {
                kind: own.kind.map(|kind| match kind {
                    ScenarioUploadKindInput::Image => ScenarioUploadKind::Image,
                    ScenarioUploadKindInput::Video => ScenarioUploadKind::Video,
                    ScenarioUploadKindInput::Audio => ScenarioUploadKind::Audio,
                    ScenarioUploadKindInput::Text => ScenarioUploadKind::Text,
                    ScenarioUploadKindInput::Model3d => ScenarioUploadKind::Model3d,
                }),
                collection_ids: own.collection_ids.clone(),
                parent_id,
                hide: own.hide,
            }))
        }
    }
}

/// The upstream id of the asset that an upload was made from.
fn parent(source: &dyn Source, registry: &Registry, id: &ID) -> async_graphql::Result<String> {
    let name = &source.profile().name;
    let wrong = |message: String| {
        let path = ["input", "options", "scenario", "parentAssetId"];
        Err(bad_input(&path, message))
    };
    match GlobalId::parse(id) {
        Ok(GlobalId::Asset(id)) => {
            let of = registry.named(&id.source);
            if of.is_some_and(|of| of.profile().name == *name) {
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

pub async fn upload(
    context: &Context<'_>,
    input: UploadAssetInput,
) -> async_graphql::Result<UploadAssetPayload> {
    let operation = changing(context, Permission::Write).await?;
    let new = meant(operation, &input)?;
    let outcome = operation.writer.upload(new, &operation.context).await;
    let is_conflict = |error: &UploadError| matches!(error, UploadError::Conflict);
    if outcome.errors.iter().any(is_conflict) {
        return Err(key_conflict());
    }
    let file = if input.base64.is_some() {
        "base64"
    } else {
        "file"
    };
    Ok(UploadAssetPayload::of(
        outcome,
        file,
        input.client_mutation_id,
    ))
}

impl UploadAssetPayload {
    /// `file` is the field that the file came in.
    fn of(outcome: UploadOutcome, file: &'static str, client_mutation_id: Option<String>) -> Self {
        let errors = outcome
            .errors
            .iter()
            .map(|error| mutation_error(&outcome, error, file))
            .collect();
        let failed = [StepState::Failed, StepState::Unknown]
            .iter()
            .any(|state| outcome.steps.contains(&(Step::File, *state)));
        Self {
            asset: outcome.asset.map(AssetNode),
            created: outcome.created,
            upload: outcome.progress.map(|progress| SourceUpload {
                upstream_id: progress.id.map(Into::into),
                status: match (progress.is_pending, failed) {
                    (true, _) => AssetUploadStatus::Pending,
                    (false, true) => AssetUploadStatus::Failed,
                    (false, false) => AssetUploadStatus::Done,
                },
            }),
            steps: outcome.steps.into_iter().map(Into::into).collect(),
            errors,
            client_mutation_id,
        }
    }
}

impl From<(Step, StepState)> for AssetUploadStep {
    fn from((step, state): (Step, StepState)) -> Self {
        Self {
            name: match step {
                Step::File => AssetUploadStepName::File,
                Step::Name => AssetUploadStepName::Name,
                Step::Tags => AssetUploadStepName::Tags,
                Step::Note => AssetUploadStepName::Note,
            },
            status: match state {
                StepState::Done => AssetUploadStepStatus::Done,
                StepState::Failed => AssetUploadStepStatus::Failed,
                StepState::Unknown => AssetUploadStepStatus::Unknown,
                StepState::Pending => AssetUploadStepStatus::Pending,
                StepState::NotTried => AssetUploadStepStatus::NotTried,
            },
        }
    }
}

fn mutation_error(
    outcome: &UploadOutcome,
    error: &UploadError,
    file: &'static str,
) -> AssetMutationError {
    let id: Option<ID> = outcome
        .id
        .clone()
        .map(|id| GlobalId::Asset(id).to_string().into());
    match error {
        UploadError::Source(error) => AssetMutationError::at(&outcome.source, id, error),
        UploadError::Argument { field, error } => {
            let mut told = AssetMutationError::at(&outcome.source, id, error);
            if matches!(error, SourceError::Invalid(_)) {
                told.name_argument(&["input", field]);
            }
            told
        }
        UploadError::Conflict | UploadError::FirstFailed => {
            let path = ["input", "idempotencyKey"];
            AssetMutationError::argument(Code::Conflict, id, &path, error.to_string())
        }
        UploadError::File(fault) => {
            let (code, field) = match fault {
                FileError::TooLarge { .. } => (Code::PayloadTooLarge, file),
                FileError::WrongLength { .. } => (Code::BadUserInput, "byteLength"),
                FileError::WrongHash => (Code::BadUserInput, "contentHash"),
                FileError::NoRoom => (Code::Internal, file),
                FileError::Crowded { .. } => (Code::LimitExceeded, file),
                FileError::Empty | FileError::Malformed(_) | FileError::Silent { .. } => {
                    (Code::BadUserInput, file)
                }
            };
            AssetMutationError::argument(code, id, &["input", field], error.to_string())
        }
    }
}
