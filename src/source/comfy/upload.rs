//! An upload to Comfy: one form, the file last (comfy.md 4.3).

use http::Method;
use serde_json::json;

use super::{Comfy, read, refusal, wire};
use crate::{
    source::{
        ComfyDestination, ComfyUpload, Context, FileStream, NewFile, SourceError, UploadFailure,
        UploadOptions, Uploaded, upload::after_the_file,
    },
    upstream::{Content, Form},
};

/// Takes any type of file.
pub fn check(options: &UploadOptions) -> Result<(), SourceError> {
    let options = comfy(options)?;
    match (options.destination, &options.model_type) {
        (ComfyDestination::Models, None) => Err(SourceError::Invalid(
            "the destination MODELS needs `modelType`, the folder of models: such as `checkpoints`"
                .to_owned(),
        )),
        (ComfyDestination::Input | ComfyDestination::Output, Some(_)) => Err(SourceError::Invalid(
            "`modelType` goes with the destination MODELS".to_owned(),
        )),
        (_, Some(folder)) if !is_folder(folder) => Err(SourceError::Invalid(
            "`modelType` must be a folder's name: letters, digits, `_`, `-` and `.`".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn is_folder(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(fits)
}

fn comfy(options: &UploadOptions) -> Result<ComfyUpload, SourceError> {
    match options {
        UploadOptions::None => Ok(ComfyUpload::default()),
        UploadOptions::Comfy(options) => Ok(options.clone()),
        UploadOptions::Scenario(_) => Err(SourceError::Invalid(
            "the source is Comfy's: give `options.comfy`".to_owned(),
        )),
    }
}

impl Comfy {
    pub(super) async fn send(
        &self,
        file: &NewFile<'_>,
        bytes: FileStream,
        context: &Context,
    ) -> Result<Uploaded, UploadFailure> {
        let content = Content {
            bytes,
            length: file.length,
            media_type: Some(file.kind.media_type.to_owned()),
            form: Some(Form {
                fields: fields(file)?,
                // The name as it shall be is a field: header escapes are read in many ways.
                file_name: format!("upload.{}", file.kind.ending),
            }),
        };
        let url = self.link.url(&["api", "assets"], &[]);
        let headers = self.headers.clone();
        let answer = self
            .link
            .push("upload", Method::POST, url, headers, content, context)
            .await?;
        if !answer.status.is_success() {
            let error = refusal(answer.status, &answer.headers, &answer.body);
            return Err(after_the_file(error).into());
        }
        // 200 and 201 both (comfy-observed.md 10). It is there: that its answer cannot be read
        // must not pass for a failure.
        let asset: wire::Created = read(&answer).map_err(|_| SourceError::UnknownOutcome)?;
        Ok(Uploaded::Ready {
            id: asset.id,
            upload: None,
            created: asset
                .created_new
                .unwrap_or(answer.status == http::StatusCode::CREATED),
        })
    }
}

/// The hash before the file: only then known bytes are not stored again (4.3).
fn fields(file: &NewFile<'_>) -> Result<Vec<(&'static str, String)>, SourceError> {
    let options = comfy(file.options)?;
    let root = match options.destination {
        ComfyDestination::Input => "input",
        ComfyDestination::Output => "output",
        ComfyDestination::Models => "models",
    };
    let mut tags = vec![root.to_owned()];
    tags.extend(
        options
            .model_type
            .map(|folder| format!("model_type:{folder}")),
    );
    for tag in file.tags {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    let mut fields = Vec::new();
    if let Some(hash) = file.hash {
        fields.push(("hash", hash.to_owned()));
    }
    fields.push(("tags", json!(tags).to_string()));
    fields.push(("name", file.name.clone()));
    fields.push(("mime_type", file.kind.media_type.to_owned()));
    if let Some(note) = file.note {
        fields.push((
            "user_metadata",
            json!({ "user_description": note }).to_string(),
        ));
    }
    Ok(fields)
}
