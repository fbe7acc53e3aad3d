//! An upload to Scenario: a small picture in one call (scenario.md 5.5), everything else in parts
//! that are put to signed addresses, completed, and processed in Scenario's own time (5.6).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};

use super::{Scenario, wire};
use crate::{
    asset::{FileType, is_upstream_id_text},
    source::{
        Context, FileStream, Listing, NewFile, Pushed, ScenarioUpload, ScenarioUploadKind,
        SourceError, UploadFailure, UploadOptions, Uploaded, answer, done,
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
        bytes: FileStream,
        context: &Context,
    ) -> Result<Uploaded, UploadFailure> {
        let options = scenario(file.options)?;
        let kind = options
            .kind
            .or_else(|| natural(file.kind))
            .ok_or_else(SourceError::no_uploads)?;
        let length = file.length.ok_or(SourceError::Internal)?;
        if kind == ScenarioUploadKind::Image && length <= SMALL {
            self.create(file, &options, bytes, context).await
        } else {
            self.send_parts(file, kind, length, &options, bytes, context)
                .await
        }
    }

    /// In one call (5.5).
    async fn create(
        &self,
        file: &NewFile<'_>,
        options: &ScenarioUpload,
        mut bytes: FileStream,
        context: &Context,
    ) -> Result<Uploaded, UploadFailure> {
        let mut whole = Vec::new();
        while let Some(piece) = bytes.next().await {
            // Whoever gave the bytes knows what became of them.
            let piece = piece.map_err(|_| SourceError::Timeout)?;
            whole.extend_from_slice(&piece);
        }
        let mut body = json!({
            "name": file.name,
            "image": format!(
                "data:{};base64,{}",
                file.kind.media_type,
                STANDARD.encode(&whole)
            ),
        });
        drop(whole);
        merge(&mut body, asset_options(options));
        let body = Bytes::from(body.to_string());
        let pairs: Vec<_> = self.project(Listing::Own).into_iter().collect();
        let (url, headers) = (
            self.link.url(&["assets"], &pairs)?,
            self.headers(Listing::Own),
        );
        let content = Content {
            length: Some(body.len() as u64),
            bytes: stream::once(async move { Ok(body) }).boxed(),
            media_type: Some("application/json".to_owned()),
            form: None,
        };
        let sent = self
            .link
            .push("upload", Method::POST, url, headers, content, context);
        let Pushed { answer, is_whole } = sent.await?;
        done(&answer).map_err(|error| settled(error, is_whole))?;
        // It is there: that its answer cannot be read must not pass for a failure.
        let one: wire::One = answer::json(&answer).map_err(|_| SourceError::UnknownOutcome)?;
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
        bytes: FileStream,
        context: &Context,
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
        let wire::UploadAnswer { upload } = answer::json(&answer)?;
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
        let slices = Slices::new(bytes);
        let mut left = length;
        for part in parts {
            let own = left.min(PART);
            left -= own;
            let url = self
                .link
                .presigned(&part.url, "upload.parts.url")
                .map_err(failed)?;
            let content = Content {
                bytes: slices.next(own),
                length: Some(own),
                media_type: None,
                form: None,
            };
            // The address is signed: no credential goes there.
            let headers = HeaderMap::new();
            let sent = self
                .link
                .push("upload-part", Method::PUT, url, headers, content, context);
            // Until it is completed nothing has come of it: the answer says what happened.
            let Pushed { answer, is_whole } = sent.await.map_err(failed)?;
            done(&answer).map_err(failed)?;
            if !is_whole {
                return Err(failed(SourceError::Malformed {
                    status: answer.status.as_u16(),
                    path: "the whole answer".to_owned(),
                    message: "it came before the part had been sent".to_owned(),
                }));
            }
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

    /// Looks at an upload until it is an asset or has failed; at the end of the operation's time
    /// it is still under way.
    pub(super) async fn state(
        &self,
        id: &str,
        context: &Context,
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
                                    answer::presentable(reason)
                                ),
                            },
                        ));
                    }
                    // `complete`, `validating` and `validated` are in between.
                    _ => {}
                },
                // Nobody will tell.
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

    async fn look(&self, id: &str, context: &Context) -> Result<wire::Upload, SourceError> {
        context.spend(1)?;
        let pairs: Vec<_> = self.project(Listing::Own).into_iter().collect();
        let url = self.link.url(&["uploads", id], &pairs)?;
        let call = Call::get_item("upload-state", url, self.headers(Listing::Own));
        let answer = self.link.upstream.send(call, context.deadline()).await?;
        answer::json::<wire::UploadAnswer>(&answer).map(|answer| answer.upload)
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

/// A stream cut into stretches that are sent one after another.
struct Slices(Arc<Mutex<Rest>>);

struct Rest {
    bytes: FileStream,
    /// Begun, and not used up.
    piece: Bytes,
}

impl Slices {
    fn new(bytes: FileStream) -> Self {
        let piece = Bytes::new();
        Self(Arc::new(Mutex::new(Rest { bytes, piece })))
    }

    /// The next `length` bytes, as they come.
    fn next(&self, length: u64) -> FileStream {
        let rest = Arc::clone(&self.0);
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
