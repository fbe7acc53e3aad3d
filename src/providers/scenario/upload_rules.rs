//! Which files Scenario takes, and as which kind.

use serde::{Deserialize, Serialize};

use crate::{
    asset::{FileType, Provider},
    source::{SourceError, UploadOptions},
};

/// Scenario's upload options (docs/providers/scenario.md 5.5, 5.6).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ScenarioUpload {
    pub kind: Option<ScenarioUploadKind>,
    pub collection_ids: Vec<String>,
    pub parent_id: Option<String>,
    pub hide: bool,
}

/// The kind of an upload: those of the contract's kinds that are asset files (5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScenarioUploadKind {
    Image,
    Video,
    Audio,
    Text,
    Model3d,
}

/// The picture types that Scenario takes (5.5, and its `originalMimeType`).
const PICTURES: [&str; 12] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/svg+xml",
    "image/webp",
    "image/avif",
    "image/tiff",
    "image/heif",
    "image/heic",
    "image/bmp",
    "image/x-exr",
    "image/vnd.radiance",
];

/// Returns the contract's name of a type.
pub fn media_type(kind: FileType) -> &'static str {
    match kind.media_type {
        "audio/mp4" => "audio/m4a",
        "image/heif" => "image/heic",
        other => other,
    }
}

/// Returns the type that the name shows, if the client says that the file is a mesh: many mesh
/// formats are texts or archives, or begin like other files.
pub(super) fn file_type(sniffed: FileType, name: &str, options: &UploadOptions) -> FileType {
    let is_mesh = scenario(options).is_ok_and(|o| o.kind == Some(ScenarioUploadKind::Model3d));
    let is_other = matches!(sniffed.family(), "model" | "image" | "audio" | "video");
    match FileType::of_mesh_name(name) {
        Some(named) if is_mesh && !is_other => named,
        _ => sniffed,
    }
}

pub(super) fn check(kind: FileType, options: &UploadOptions) -> Result<(), SourceError> {
    let requested_kind = scenario(options)?.kind;
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
    match requested_kind.or_else(|| default_kind(kind)) {
        Some(ScenarioUploadKind::Image) if !is_picture => refused(
            "Scenario takes pictures in JPEG, PNG, GIF, SVG, WebP, AVIF, TIFF, HEIC, BMP, EXR and HDR",
        ),
        Some(ScenarioUploadKind::Video) if kind.family() != "video" => {
            refused("the kind VIDEO needs a video")
        }
        Some(ScenarioUploadKind::Audio) if !matches!(kind.family(), "audio" | "video") => {
            refused("the kind AUDIO needs an audio or video file")
        }
        Some(ScenarioUploadKind::Text)
            if kind.family() != "text" && kind.media_type != "application/json" =>
        {
            refused("the kind TEXT needs a text file")
        }
        Some(ScenarioUploadKind::Model3d) if !may_be_a_mesh => {
            refused("the kind MODEL_3D needs a mesh")
        }
        Some(_) => Ok(()),
        None => refused(
            "Scenario takes pictures, videos, sounds, texts and meshes: if the file is one, set \
             `options.scenario.kind`",
        ),
    }
}

/// Returns the default kind of a file type.
pub(super) fn default_kind(kind: FileType) -> Option<ScenarioUploadKind> {
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

/// Returns the contract's word for a kind (5.6).
pub const fn word(kind: ScenarioUploadKind) -> &'static str {
    match kind {
        ScenarioUploadKind::Image => "image",
        ScenarioUploadKind::Video => "video",
        ScenarioUploadKind::Audio => "audio",
        ScenarioUploadKind::Text => "text",
        ScenarioUploadKind::Model3d => "3d",
    }
}

pub(super) fn scenario(options: &UploadOptions) -> Result<ScenarioUpload, SourceError> {
    options.read(Provider::Scenario)
}
