//! Uploads to Comfy: one multipart form with the file last (docs/providers/comfy.md 4.3).

use async_trait::async_trait;
use http::{HeaderValue, Method};
use serde_json::json;

use super::{
    Comfy,
    responses::{read, refusal},
    upload_rules::{self, own_tags},
    wire,
};
use crate::{
    asset::{Asset, Details, FileType, Rendition},
    providers::api_client::UploadReply,
    source::{
        FileContent, NewFile, RequestContext, SourceError, Upload, UploadFailure, UploadOptions,
        Uploaded, error_after_upload,
    },
    upstream::{Call, Content, Form},
};

#[async_trait]
impl Upload for Comfy {
    fn check(&self, _kind: FileType, options: &UploadOptions) -> Result<(), SourceError> {
        upload_rules::check(options)
    }

    fn own_tags(&self, options: &UploadOptions) -> Vec<String> {
        upload_rules::own_tags(options)
    }

    async fn upload(
        &self,
        file: &NewFile<'_>,
        content: FileContent,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let content = Content {
            bytes: content.whole(),
            length: file.length,
            media_type: Some(file.kind.media_type.to_owned()),
            form: Some(Form {
                fields: fields(file)?,
                file_name: plain_name(file),
            }),
        };
        let url = self.client.url(&["api", "assets"], &[])?;
        let call = Call::write("upload", Method::POST, url, self.headers.clone());
        let UploadReply { answer, is_whole } = self.client.push(call, content, context).await?;
        if !answer.status.is_success() {
            let error = refusal(answer.status, &answer.headers, &answer.body);
            return Err(error_after_upload(error, is_whole).into());
        }

        // 200 and 201 both mean success (docs/providers/comfy.md O10). The asset exists, so an
        // unreadable response must not pass for a failure.
        let asset: wire::Created = read(&answer).map_err(|_| SourceError::UnknownOutcome)?;
        if !is_whole {
            return Err(UploadFailure {
                error: SourceError::UnknownOutcome,
                id: Some(asset.id),
                upload: None,
            });
        }
        Ok(Uploaded::Ready {
            id: asset.id,
            upload: None,
            created: asset
                .created_new
                .unwrap_or(answer.status == http::StatusCode::CREATED),
        })
    }

    /// Checks that an asset of known bytes has a file. A self-hosted ComfyUI only adds tags to
    /// known bytes, even if their file is elsewhere or lost (docs/providers/comfy.md O12).
    async fn check_known_bytes(
        &self,
        asset: &Asset,
        options: &UploadOptions,
        context: &RequestContext,
    ) -> Result<(), SourceError> {
        let Details::Comfy(details) = &asset.details else {
            return Ok(());
        };
        // The published contract has no way to check.
        if !details.is_newer {
            return Ok(());
        }
        if let Some(folder) = upload_rules::model_folder(options)
            && details.loader_path.is_none()
        {
            return Err(SourceError::Unsupported(format!(
                "it already had the bytes and put no file into `{folder}`, so no loader finds it \
                 there. The file is where it was uploaded first"
            )));
        }
        context.spend(1)?;
        let first = HeaderValue::from_static("bytes=0-0");
        let opened = self.open(asset, Rendition::Original, Some(&first), context);
        match opened.await {
            Err(SourceError::NotFound) => Err(SourceError::Unsupported(
                "it already had the bytes but has lost their file: delete the assets with this \
                 `contentHash`, then upload the file again"
                    .to_owned(),
            )),
            // Other failures say nothing about the bytes.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Returns the form fields. Known bytes are stored again unless the hash precedes the file (4.3).
fn fields(file: &NewFile<'_>) -> Result<Vec<(&'static str, String)>, SourceError> {
    let mut tags = own_tags(file.options);
    for tag in file.tags {
        if tags.contains(tag) {
            continue;
        }
        // A file has one destination (4.3 (L)).
        if ["input", "output", "models"].contains(&&**tag) || tag.starts_with("model_type:") {
            return Err(SourceError::Invalid(format!(
                "the tag `{}` names another destination: choose it in `options.comfy`",
                tag.chars().take(40).collect::<String>()
            )));
        }
        tags.push(tag.clone());
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

/// Returns a plain file name with the original extension, which ComfyUI stores and its loaders
/// need. The name itself is a form field, because servers read header escapes differently.
fn plain_name(file: &NewFile<'_>) -> String {
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending);
    let plain = ending.filter(|ending| {
        (1..=16).contains(&ending.len()) && ending.chars().all(|c| c.is_ascii_alphanumeric())
    });
    format!("upload.{}", plain.unwrap_or(file.kind.ending))
}
