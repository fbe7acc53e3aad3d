//! Uploads to Scenario: a small picture in one call (docs/providers/scenario.md 5.5), any other
//! file in parts (5.6). Parts are PUT to signed URLs, then completed and processed asynchronously.

use std::future::ready;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::{
    Scenario,
    file_slices::{FileParts, in_base64},
    upload_rules::{self, default_kind, media_type, scenario, word},
    upload_rules::{ScenarioUpload, ScenarioUploadKind},
    wire,
};
use crate::{
    asset::{FileType, is_upstream_id_text},
    providers::{api_client::UploadReply, decode::response, write_answer::done},
    source::{
        FileContent, FileStream, ListKind, NewFile, POLL, RequestContext, SourceError, Upload,
        UploadFailure, UploadOptions, Uploaded, error_after_upload,
    },
    upstream::{Call, Content},
};

/// Maximum bytes of a picture in one call; this size is known to work (5.5).
const SMALL: u64 = 3_500_000;
/// Bytes per part; clients use 8 to 32 MB (5.6).
const PART: u64 = 16 * 1024 * 1024;

impl Scenario {
    /// Uploads a picture in one call (5.5).
    async fn create(
        &self,
        file: &NewFile<'_>,
        length: u64,
        options: &ScenarioUpload,
        bytes: FileStream,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let mut body = json!({ "name": file.name });
        merge(&mut body, asset_options(options));
        let body = body.to_string();
        // The picture is the last field, so that it can be streamed.
        let (start, media_type) = (body.trim_end_matches('}'), media_type(file.kind));
        let start = format!("{start},\"image\":\"data:{media_type};base64,");
        let end = "\"}";
        let encoded = length.div_ceil(3) * 4;
        let pairs: Vec<_> = self.project(ListKind::Own).into_iter().collect();
        let (url, headers) = (
            self.client.url(&["assets"], &pairs)?,
            self.headers(ListKind::Own),
        );
        let content = Content {
            length: Some((start.len() + end.len()) as u64 + encoded),
            bytes: stream::once(ready(Ok(Bytes::from(start))))
                .chain(in_base64(bytes))
                .chain(stream::once(ready(Ok(Bytes::from_static(end.as_bytes())))))
                .boxed(),
            media_type: Some("application/json".to_owned()),
            form: None,
        };
        let call = Call::write("upload", Method::POST, url, headers);
        let UploadReply { answer, is_whole } = self.client.push(call, content, context).await?;
        done(&answer).map_err(|error| error_after_upload(error, is_whole))?;
        // The asset exists, so an unreadable response must not pass for a failure.
        let response_body: wire::One =
            response::json(&answer).map_err(|_| SourceError::UnknownOutcome)?;
        let id: wire::Id = serde_json::from_str(response_body.asset.get())
            .map_err(|_| SourceError::UnknownOutcome)?;
        Ok(Uploaded::Ready {
            id: id.id,
            upload: None,
            created: true,
        })
    }

    /// Uploads a file in parts (5.6).
    async fn send_parts(
        &self,
        mut body: Value,
        length: u64,
        options: &ScenarioUpload,
        content: FileContent,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let count = length.div_ceil(PART).max(1);
        let shared_options = asset_options(options);
        if shared_options
            .as_object()
            .is_some_and(|fields| !fields.is_empty())
        {
            body["assetOptions"] = shared_options;
        }
        let answer = self
            .write("upload", Method::POST, &["uploads"], body, context)
            .await?;
        let wire::UploadAnswer { upload } = response::json(&answer)?;
        let failed = |error| UploadFailure::of(&upload.id, error);
        let mut parts: Vec<_> = upload.parts.iter().flatten().collect();
        parts.sort_by(|a, b| a.number.total_cmp(&b.number));
        if parts.len() as u64 != count {
            return Err(failed(SourceError::Malformed {
                status: answer.status.as_u16(),
                path: "upload.parts".to_owned(),
                message: format!("{count} parts were requested, but {} came", parts.len()),
            }));
        }
        let slices = FileParts::new(content);
        let mut at = 0;
        for part in parts {
            let part_length = (length - at).min(PART);
            let url = self
                .client
                .presigned(&part.url, "upload.parts.url")
                .map_err(failed)?;
            let mut tries = if slices.may_be_sent_again() { TRIES } else { 1 };
            // A part has no effect until the upload is completed, so it may be sent again.
            while let Err(error) = self
                .put_part(&url, slices.next(at, part_length), part_length, context)
                .await
            {
                tries -= 1;
                let is_late = Instant::now() + POLL >= context.last_start();
                if tries == 0 || is_late || !error.is_transient() || context.spend(1).is_err() {
                    return Err(failed(error));
                }
                tracing::info!(
                    upload = &*upload.id,
                    error = error.to_string(),
                    "a part of an upload is sent again"
                );
                tokio::time::sleep(POLL).await;
            }
            at += part_length;
        }
        let path = ["uploads", &*upload.id, "action"];
        let body = json!({ "action": "complete" });
        let completed = self.write("complete-upload", Method::POST, &path, body, context);
        match completed.await {
            // After an unclear response, the upload's state shows the outcome.
            Err(error) if !error.may_have_taken_effect() => Err(failed(error)),
            Ok(_) | Err(_) => self.upload_state(&upload.id, context).await,
        }
    }

    /// PUTs a part to its signed URL.
    async fn put_part(
        &self,
        url: &Url,
        bytes: FileStream,
        length: u64,
        context: &RequestContext,
    ) -> Result<(), SourceError> {
        let content = Content {
            bytes,
            length: Some(length),
            media_type: None,
            form: None,
        };
        // The URL is signed: no credential goes there.
        let call = Call::write("upload-part", Method::PUT, url.clone(), HeaderMap::new());
        let UploadReply { answer, is_whole } = match self.client.push(call, content, context).await
        {
            Ok(pushed) => pushed,
            // A part alone has no effect.
            Err(SourceError::UnknownOutcome) => return Err(SourceError::Timeout),
            Err(error) => return Err(error),
        };
        done(&answer)?;
        if is_whole {
            return Ok(());
        }
        Err(SourceError::Malformed {
            status: answer.status.as_u16(),
            path: "the whole answer".to_owned(),
            message: "it came before the whole part was sent".to_owned(),
        })
    }

    async fn upload_status(
        &self,
        id: &str,
        context: &RequestContext,
    ) -> Result<wire::Upload, SourceError> {
        context.spend(1)?;
        let pairs: Vec<_> = self.project(ListKind::Own).into_iter().collect();
        let url = self.client.url(&["uploads", id], &pairs)?;
        let call = Call::get_item("upload-state", url, self.headers(ListKind::Own));
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        response::json::<wire::UploadAnswer>(&answer).map(|answer| answer.upload)
    }
}

#[async_trait]
impl Upload for Scenario {
    fn file_type(&self, sniffed: FileType, name: &str, options: &UploadOptions) -> FileType {
        upload_rules::file_type(sniffed, name, options)
    }

    fn check(&self, kind: FileType, options: &UploadOptions) -> Result<(), SourceError> {
        upload_rules::check(kind, options)
    }

    fn needs_length(&self) -> bool {
        true
    }

    async fn upload(
        &self,
        file: &NewFile<'_>,
        content: FileContent,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let options = scenario(file.options)?;
        let kind = options
            .kind
            .or_else(|| default_kind(file.kind))
            .ok_or_else(SourceError::no_uploads)?;
        let length = file.length.ok_or(SourceError::Internal)?;
        if kind == ScenarioUploadKind::Image && length <= SMALL {
            self.create(file, length, &options, content.whole(), context)
                .await
        } else {
            let body = json!({
                "fileName": file.name,
                "fileSize": length,
                "contentType": media_type(file.kind),
                "parts": length.div_ceil(PART).max(1),
                "kind": word(kind),
            });
            self.send_parts(body, length, &options, content, context)
                .await
        }
    }

    /// Polls an upload until it is an asset or has failed. Returns [`Uploaded::Pending`] near the
    /// end of the operation's time.
    async fn upload_state(
        &self,
        upload: &str,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let end = context.last_start();
        loop {
            match self.upload_status(upload, context).await {
                Ok(progress) => match (progress.status.as_str(), progress.entity_id) {
                    ("imported", Some(entity)) if is_upstream_id_text(&entity) => {
                        return Ok(Uploaded::Ready {
                            id: entity,
                            upload: Some(upload.into()),
                            created: true,
                        });
                    }
                    ("failed", _) => {
                        let reason = progress
                            .error_message
                            .as_deref()
                            .unwrap_or("no reason given");
                        return Err(UploadFailure::of(
                            upload,
                            SourceError::Rejected {
                                status: 200,
                                message: format!(
                                    "its processing failed: {}",
                                    response::presentable(reason)
                                ),
                            },
                        ));
                    }
                    // `complete`, `validating` and `validated` are intermediate states.
                    _ => {}
                },
                // These errors are final.
                Err(
                    error @ (SourceError::Unauthenticated(_)
                    | SourceError::Forbidden(_)
                    | SourceError::NotFound),
                ) => return Err(UploadFailure::of(upload, error)),
                // The file was sent and only its state is unreadable, so poll again.
                Err(error) => tracing::info!(
                    upload,
                    error = error.to_string(),
                    "an upload's state cannot be read"
                ),
            }
            if Instant::now() + POLL >= end {
                return Ok(Uploaded::Pending {
                    upload: upload.into(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Returns the options that both upload methods share.
fn asset_options(options: &ScenarioUpload) -> Value {
    let mut fields = json!({});
    if options.hide {
        fields["hide"] = json!(true);
    }
    if !options.collection_ids.is_empty() {
        fields["collectionIds"] = json!(options.collection_ids);
    }
    if let Some(parent) = &options.parent_id {
        fields["parentId"] = json!(parent);
    }
    fields
}

fn merge(body: &mut Value, more: Value) {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
}

/// Maximum number of attempts per part.
const TRIES: u32 = 3;
