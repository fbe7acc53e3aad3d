//! The mutation `uploadAsset`, and the scalar `Upload`.

pub mod types;

use std::{borrow::Cow, sync::Arc};

use async_graphql::{Context, ErrorExtensions, ID};
use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

use self::types::{
    AssetUploadStatus, AssetUploadStep, SourceUpload, UploadAssetInput, UploadAssetPayload,
};
use super::{
    input::{key, key_conflict},
    note::note,
    permission::changing,
    tags::tags,
};
use crate::{
    access::Permission,
    asset::{GlobalId, SourceName},
    schema::{
        asset::AssetNode,
        error::{AssetMutationError, Code, bad_input, coded},
        filter::unknown_source,
        operation::Operation,
    },
    source::SourceError,
    write::{FileError, FileInput, NewAsset, Step, StepState, UploadError, UploadOutcome},
};

/// The most characters of a name.
const MAX_NAME: usize = 200;

/// Validates the input, before any byte is read or sent.
fn checked_input(
    operation: &Operation,
    input: &UploadAssetInput,
) -> async_graphql::Result<NewAsset> {
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
                    "send a file as multipart/form-data (graphql-multipart-request-spec): null \
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
                    "a name has 1 to {MAX_NAME} characters, no `/`, `\\` or control characters"
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
        options: input
            .options
            .as_ref()
            .map(|options| options.options(source.as_ref(), registry))
            .transpose()?
            .unwrap_or_default(),
        limit: uploads.limit,
        key: key(input.idempotency_key.clone())?,
        budget: uploads.budget.clone(),
    })
}

/// Decodes base64, with or without padding or line breaks, or a base64 data URL.
fn decoded(text: &str, limit: usize) -> async_graphql::Result<Bytes> {
    let path = ["input", "base64"];
    let encoded = match text.split_at_checked(5) {
        Some((scheme, url)) if scheme.eq_ignore_ascii_case("data:") => url
            .split_once(',')
            .filter(|(head, _)| head.to_ascii_lowercase().ends_with(";base64"))
            .map(|(_, data)| data)
            .ok_or_else(|| bad_input(&path, "a data URL must be in base64"))?,
        _ => text,
    };
    // Mail and some tools break it into lines (RFC 2045, 6.8).
    let encoded: Cow<'_, str> = if encoded.contains(char::is_whitespace) {
        encoded.split_whitespace().collect::<String>().into()
    } else {
        encoded.into()
    };
    if encoded.len() / 4 * 3 > limit.saturating_add(3) {
        return Err(too_large(limit));
    }
    let engine = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = engine.decode(&*encoded).map_err(|_| {
        bad_input(
            &path,
            "`base64` is not base64 (RFC 4648, section 4): it has another character, or is cut",
        )
    })?;
    if bytes.len() > limit {
        return Err(too_large(limit));
    }
    Ok(bytes.into())
}

fn too_large(limit: usize) -> async_graphql::Error {
    coded(
        Code::PayloadTooLarge,
        format!(
            "a base64 file has at most {limit} bytes, decoded: send larger ones as `file`, by a \
             multipart request"
        ),
    )
    .extend_with(|_, e| e.set("field", vec!["input", "base64"]))
}

pub async fn upload(
    context: &Context<'_>,
    input: UploadAssetInput,
) -> async_graphql::Result<UploadAssetPayload> {
    let operation = changing(context, Permission::Write).await?;
    let new = checked_input(operation, &input)?;
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
    /// `file` is the input field that carried the file: `file` or `base64`.
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
            name: step.into(),
            status: state.into(),
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
            let mut reported = AssetMutationError::at(&outcome.source, id, error);
            if matches!(error, SourceError::Invalid(_)) {
                reported.name_argument(&["input", field]);
            }
            reported
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
