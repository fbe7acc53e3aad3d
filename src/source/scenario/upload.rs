//! An upload to Scenario: a small picture in one call (scenario.md 5.5), everything else in parts
//! that are put to signed addresses, completed, and processed in Scenario's own time (5.6).

use std::{future::ready, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use super::{Scenario, wire};
use crate::{
    asset::{FileType, is_upstream_id_text},
    source::{
        FileContent, FileStream, ListKind, NewFile, RequestContext, ScenarioUpload,
        ScenarioUploadKind, SourceError, UploadFailure, UploadOptions, UploadReply, Uploaded, done,
        response,
        upload::{POLL, settled},
    },
    upstream::{Call, Content},
};

/// The largest picture that travels in one call: known to work at this size (5.5 [Blender]).
const SMALL: u64 = 3_500_000;
/// Bytes of a part: clients use 8 to 32 MB (5.6 [Blender]).
const PART: u64 = 16 * 1024 * 1024;
/// Pictures taken (5.5 [docs]).
const PICTURES: [&str; 8] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/svg+xml",
    "image/webp",
    "image/avif",
    "image/tiff",
    "image/heif",
];

pub fn check(kind: FileType, options: &UploadOptions) -> Result<(), SourceError> {
    let wanted = scenario(options)?.kind;
    let refused = |what: &str| {
        Err(SourceError::UnsupportedMediaType(format!(
            "{what}; the bytes are {}",
            kind.media_type
        )))
    };
    let is_picture = PICTURES.contains(&kind.media_type);
    let may_be_a_mesh = kind.family() == "model"
        || matches!(
            kind.media_type,
            "application/vnd.autodesk.fbx"
                | "application/octet-stream"
                | "application/json"
                | "application/zip"
                | "text/plain"
        );
    match wanted.or_else(|| natural(kind)) {
        Some(ScenarioUploadKind::Image) if !is_picture => {
            refused("Scenario takes pictures in JPEG, PNG, GIF, SVG, WebP, AVIF, TIFF and HEIF")
        }
        Some(ScenarioUploadKind::Video) if kind.family() != "video" => {
            refused("the kind VIDEO needs a video")
        }
        Some(ScenarioUploadKind::Audio) if !matches!(kind.family(), "audio" | "video") => {
            refused("the kind AUDIO needs a sound")
        }
        Some(ScenarioUploadKind::Text)
            if kind.family() != "text" && kind.media_type != "application/json" =>
        {
            refused("the kind TEXT needs a text")
        }
        Some(ScenarioUploadKind::Model3d) if !may_be_a_mesh => {
            refused("the kind MODEL_3D needs a mesh")
        }
        Some(_) => Ok(()),
        None => refused(
            "Scenario takes pictures, videos, sounds, texts and meshes: if it is one, say so in \
             `options.scenario.kind`",
        ),
    }
}

/// What a file is by itself.
fn natural(kind: FileType) -> Option<ScenarioUploadKind> {
    match kind.family() {
        "image" => Some(ScenarioUploadKind::Image),
        "video" => Some(ScenarioUploadKind::Video),
        "audio" => Some(ScenarioUploadKind::Audio),
        "text" => Some(ScenarioUploadKind::Text),
        "model" => Some(ScenarioUploadKind::Model3d),
        _ if kind.media_type == "application/vnd.autodesk.fbx" => Some(ScenarioUploadKind::Model3d),
        _ => None,
    }
}

/// In the contract's words (5.6 [SDK]).
const fn word(kind: ScenarioUploadKind) -> &'static str {
    match kind {
        ScenarioUploadKind::Image => "image",
        ScenarioUploadKind::Video => "video",
        ScenarioUploadKind::Audio => "audio",
        ScenarioUploadKind::Text => "text",
        ScenarioUploadKind::Model3d => "3d",
    }
}

fn scenario(options: &UploadOptions) -> Result<ScenarioUpload, SourceError> {
    match options {
        UploadOptions::None => Ok(ScenarioUpload::default()),
        UploadOptions::Scenario(options) => Ok(options.clone()),
        UploadOptions::Comfy(_) => Err(SourceError::Invalid(
            "the source is Scenario's: give `options.scenario`".to_owned(),
        )),
    }
}

impl Scenario {
    pub(super) async fn send(
        &self,
        file: &NewFile<'_>,
        content: FileContent,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let options = scenario(file.options)?;
        let kind = options
            .kind
            .or_else(|| natural(file.kind))
            .ok_or_else(SourceError::no_uploads)?;
        let length = file.length.ok_or(SourceError::Internal)?;
        if kind == ScenarioUploadKind::Image && length <= SMALL {
            self.create(file, length, &options, content.whole(), context)
                .await
        } else {
            self.send_parts(file, kind, length, &options, content, context)
                .await
        }
    }

    /// In one call (5.5).
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
        // The picture is the last field, so that it can be sent as it comes.
        let (start, media_type) = (body.trim_end_matches('}'), file.kind.media_type);
        let start = format!("{start},\"image\":\"data:{media_type};base64,");
        let end = "\"}";
        let encoded = length.div_ceil(3) * 4;
        let pairs: Vec<_> = self.project(ListKind::Own).into_iter().collect();
        let (url, headers) = (
            self.link.url(&["assets"], &pairs)?,
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
        let sent = self
            .link
            .push("upload", Method::POST, url, headers, content, context);
        let UploadReply { answer, is_whole } = sent.await?;
        done(&answer).map_err(|error| settled(error, is_whole))?;
        // It is there: that its answer cannot be read must not pass for a failure.
        let one: wire::One = response::json(&answer).map_err(|_| SourceError::UnknownOutcome)?;
        let id: wire::Id =
            serde_json::from_str(one.asset.get()).map_err(|_| SourceError::UnknownOutcome)?;
        Ok(Uploaded::Ready {
            id: id.id,
            upload: None,
            created: true,
        })
    }

    /// In parts (5.6).
    async fn send_parts(
        &self,
        file: &NewFile<'_>,
        kind: ScenarioUploadKind,
        length: u64,
        options: &ScenarioUpload,
        content: FileContent,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let count = length.div_ceil(PART).max(1);
        let mut body = json!({
            "fileName": file.name,
            "fileSize": length,
            "contentType": file.kind.media_type,
            "parts": count,
            "kind": word(kind),
        });
        let wanted = asset_options(options);
        if wanted.as_object().is_some_and(|all| !all.is_empty()) {
            body["assetOptions"] = wanted;
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
                message: format!("{count} parts were asked for, {} came", parts.len()),
            }));
        }
        let slices = Slices::new(content);
        let mut at = 0;
        for part in parts {
            let own = (length - at).min(PART);
            let url = self
                .link
                .presigned(&part.url, "upload.parts.url")
                .map_err(failed)?;
            let mut tries = if slices.may_be_sent_again() { TRIES } else { 1 };
            // Until the upload is completed nothing has come of a part: it may be sent again.
            while let Err(error) = self
                .put_part(&url, slices.next(at, own), own, context)
                .await
            {
                tries -= 1;
                let is_late = Instant::now() + POLL >= context.last_start();
                if tries == 0 || is_late || !error.is_passing() || context.spend(1).is_err() {
                    return Err(failed(error));
                }
                tracing::info!(
                    upload = &*upload.id,
                    error = error.to_string(),
                    "a part of an upload is sent again"
                );
                tokio::time::sleep(POLL).await;
            }
            at += own;
        }
        let path = ["uploads", &*upload.id, "action"];
        let body = json!({ "action": "complete" });
        let completed = self.write("complete-upload", Method::POST, &path, body, context);
        match completed.await {
            // Its state tells what an unclear answer does not.
            Err(error) if !error.is_open() => Err(failed(error)),
            Ok(_) | Err(_) => self.state(&upload.id, context).await,
        }
    }

    /// Puts a part where it belongs.
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
        // The address is signed: no credential goes there.
        let (url, headers) = (url.clone(), HeaderMap::new());
        let sent = self
            .link
            .push("upload-part", Method::PUT, url, headers, content, context);
        let UploadReply { answer, is_whole } = match sent.await {
            Ok(pushed) => pushed,
            // Nothing comes of a part by itself.
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
            message: "it came before the part had been sent".to_owned(),
        })
    }

    /// Looks at an upload until it is an asset or has failed; at the end of the operation's time
    /// it is still under way.
    pub(super) async fn state(
        &self,
        id: &str,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let end = context.last_start();
        loop {
            match self.look(id, context).await {
                Ok(upload) => match (upload.status.as_str(), upload.entity_id) {
                    ("imported", Some(entity)) if is_upstream_id_text(&entity) => {
                        return Ok(Uploaded::Ready {
                            id: entity,
                            upload: Some(id.into()),
                            created: true,
                        });
                    }
                    ("failed", _) => {
                        let reason = upload.error_message.as_deref().unwrap_or("no reason given");
                        return Err(UploadFailure::of(
                            id,
                            SourceError::Rejected {
                                status: 200,
                                message: format!(
                                    "its processing failed: {}",
                                    response::presentable(reason)
                                ),
                            },
                        ));
                    }
                    // `complete`, `validating` and `validated` are in between.
                    _ => {}
                },
                // No answer will come.
                Err(
                    error @ (SourceError::Unauthenticated
                    | SourceError::Forbidden
                    | SourceError::NotFound),
                ) => return Err(UploadFailure::of(id, error)),
                // The file is there, only its state is not told: it is looked at again.
                Err(error) => tracing::info!(
                    upload = id,
                    error = error.to_string(),
                    "an upload's state is not told"
                ),
            }
            if Instant::now() + POLL >= end {
                return Ok(Uploaded::Pending { upload: id.into() });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn look(&self, id: &str, context: &RequestContext) -> Result<wire::Upload, SourceError> {
        context.spend(1)?;
        let pairs: Vec<_> = self.project(ListKind::Own).into_iter().collect();
        let url = self.link.url(&["uploads", id], &pairs)?;
        let call = Call::get_item("upload-state", url, self.headers(ListKind::Own));
        let answer = self.link.upstream.send(call, context.deadline()).await?;
        response::json::<wire::UploadAnswer>(&answer).map(|answer| answer.upload)
    }
}

/// What both ways call alike.
fn asset_options(options: &ScenarioUpload) -> Value {
    let mut all = json!({});
    if options.hide {
        all["hide"] = json!(true);
    }
    if !options.collection_ids.is_empty() {
        all["collectionIds"] = json!(options.collection_ids);
    }
    if let Some(parent) = &options.parent_id {
        all["parentId"] = json!(parent);
    }
    all
}

fn merge(body: &mut Value, more: Value) {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
}

/// Bytes in base64, as they come.
fn in_base64(bytes: FileStream) -> FileStream {
    // Three bytes make four letters: up to two wait for the next piece.
    let way = (bytes, Vec::with_capacity(3), false);
    stream::unfold(
        way,
        |(mut bytes, mut rest, is_over): (_, Vec<u8>, _)| async move {
            if is_over {
                return None;
            }
            match bytes.next().await {
                Some(Ok(piece)) => {
                    rest.extend_from_slice(&piece);
                    let left = rest.split_off(rest.len() / 3 * 3);
                    let letters = Bytes::from(STANDARD.encode(&rest));
                    Some((Ok(letters), (bytes, left, false)))
                }
                Some(Err(error)) => Some((Err(error), (bytes, Vec::new(), true))),
                None => {
                    let letters = Bytes::from(STANDARD.encode(&rest));
                    Some((Ok(letters), (bytes, Vec::new(), true)))
                }
            }
        },
    )
    .boxed()
}

/// How often a part is sent at most.
const TRIES: u32 = 3;

/// A file cut into stretches that are sent one after another.
enum Slices {
    Once(Arc<Mutex<Rest>>),
    Again(Arc<dyn Fn(u64) -> FileStream + Send + Sync>),
}

struct Rest {
    bytes: FileStream,
    /// Begun, and not used up.
    piece: Bytes,
}

impl Slices {
    fn new(content: FileContent) -> Self {
        match content {
            FileContent::Once(bytes) => Self::Once(Rest::new(bytes)),
            FileContent::Again(from) => Self::Again(from),
        }
    }

    const fn may_be_sent_again(&self) -> bool {
        matches!(self, Self::Again(_))
    }

    /// `length` bytes from `at` on, which is where the stretch before ended.
    fn next(&self, at: u64, length: u64) -> FileStream {
        match self {
            Self::Once(rest) => Rest::next(rest, length),
            Self::Again(from) => Rest::next(&Rest::new(from(at)), length),
        }
    }
}

impl Rest {
    fn new(bytes: FileStream) -> Arc<Mutex<Self>> {
        let piece = Bytes::new();
        Arc::new(Mutex::new(Self { bytes, piece }))
    }

    /// The next `length` bytes, as they come.
    fn next(own: &Arc<Mutex<Self>>, length: u64) -> FileStream {
        let rest = Arc::clone(own);
        stream::unfold(Some(length), move |left| {
            let rest = Arc::clone(&rest);
            async move {
                let left = left.filter(|left| *left > 0)?;
                let mut rest = rest.lock().await;
                if rest.piece.is_empty() {
                    match rest.bytes.next().await? {
                        Ok(piece) => rest.piece = piece,
                        Err(error) => return Some((Err(error), None)),
                    }
                }
                let length = rest.piece.len();
                let own = usize::try_from(left).map_or(length, |left| left.min(length));
                let piece = rest.piece.split_to(own);
                Some((Ok(piece), Some(left - own as u64)))
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn base64_is_the_same_however_the_bytes_come() {
        let whole: Vec<u8> = (0..=255).collect();
        for size in 1..9 {
            for length in [0, 1, 2, 3, 4, 255, 256] {
                let pieces = whole[..length].chunks(size).map(Bytes::copy_from_slice);
                let pieces: Vec<_> = pieces.map(Ok).collect();
                let letters: Vec<_> = in_base64(stream::iter(pieces).boxed()).collect().await;
                let letters: Vec<u8> = letters.into_iter().flatten().flatten().collect();
                assert_eq!(letters, STANDARD.encode(&whole[..length]).into_bytes());
                assert_eq!(letters.len(), length.div_ceil(3) * 4);
            }
        }
    }
}
