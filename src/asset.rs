//! The domain model: one asset in the gateway's terms, independent of its source.
//!
//! It contains no GraphQL, no HTTP and no clock. [`Asset`] holds the fields that all assets share.
//! [`Details`] holds those of one provider, under the provider's names. Each source's `map`
//! converts between them, by `docs/providers.md`.

pub mod comfy;
mod file_type;
pub mod id;
pub mod lenient;
pub mod piktid;
pub mod scenario;
mod spelling;
pub mod timestamp;

use std::sync::Arc;

use async_graphql::{Enum, Union};
use jiff::Timestamp;

pub use file_type::{FileType, SNIFF_BYTES};
pub use id::{AssetId, GlobalId, SourceName, is_upstream_id_text};
pub use spelling::{composed, has_one_spelling, spellings};

/// One asset of one source.
#[derive(Debug)]
pub struct Asset {
    pub id: AssetId,
    /// [`AssetId::global`], stored because every response contains it.
    pub global_id: Box<str>,
    pub provider: Provider,
    /// Never empty: `None` where the source has no name.
    pub name: Option<String>,
    pub kind: Kind,
    /// As the source reports it, or guessed from the file name where it does not (PiktID).
    pub mime_type: Option<String>,
    pub size_bytes: Option<u64>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    pub duration_seconds: Option<f64>,
    /// Prefixed with its algorithm: `blake3:…`.
    pub content_hash: Option<String>,
    /// In the source's full precision (at most microseconds). The first part of every list key.
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub status: Status,
    pub visibility: Option<Visibility>,
    /// The creator, in the source's own terms.
    pub created_by: Option<String>,
    pub tags: Vec<String>,
    pub note: Option<String>,
    pub media: Media,
    /// Related assets of the same source, by upstream id.
    pub preview: Option<Arc<str>>,
    pub parent: Option<Arc<str>>,
    pub root: Option<Arc<str>>,
    pub viewer_can: ViewerCan,
    pub details: Details,
    /// The JSON row as the source sent it, without private data (a server's file paths).
    pub raw: Box<str>,
    /// The source asked not to cache the asset.
    pub no_store: bool,
}

impl Asset {
    /// Returns the name to show, which is the upstream id where the source has no name.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id.upstream)
    }

    /// Returns the tags that clients can change.
    #[must_use]
    pub fn changeable_tags(&self) -> Vec<String> {
        let is_fixed = |tag: &str| self.status == Status::Missing && tag == MISSING_TAG;
        let tags = self.tags.iter().filter(|tag| !is_fixed(tag));
        tags.cloned().collect()
    }

    /// Estimates the asset's size in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> u32 {
        // The row counts twice: as sent, and as fields. `fixed` covers the asset, its details and
        // its cache entry (measured with `benches/parts`, `-- memory`).
        let fixed = match self.details {
            Details::Scenario(_) => 5_056,
            Details::Piktid(_) => 2_080,
            Details::Comfy(_) => 2_912,
        };
        u32::try_from(self.raw.len() * 2).map_or(u32::MAX, |w| w.saturating_add(fixed))
    }
}

/// Where the files of an asset are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    /// The file itself.
    pub original: Option<Location>,
    /// A small preview, about 128 to 256 pixels.
    pub small: Option<Location>,
    /// A larger preview, where the source makes one.
    pub large: Option<Location>,
}

/// Maximum size in bytes of a file that serves as its own thumbnail: a grid loads many.
pub const MAX_THUMBNAIL: u64 = 2 * 1024 * 1024;

/// How a browser loads one rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// Loads without the gateway's credential. The URL may carry a signature that expires.
    Direct {
        url: String,
        expires_at: Option<Timestamp>,
    },
    /// Needs the gateway's credential or is internal: only the media route can load it.
    Proxied,
}

/// A rendition of an asset, as the media route names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rendition {
    Original,
    Small,
    Large,
}

/// What the credential in use may do with an asset. `None`: the source does not report it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ViewerCan {
    pub tag: Option<bool>,
    pub note: Option<bool>,
    pub delete: Option<bool>,
}

/// A provider of an asset API. Values may be added: display an unknown one by its source's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enum)]
#[graphql(name = "AssetProvider")]
pub enum Provider {
    /// Scenario, <https://www.scenario.com>: generated images, 3D, audio and video.
    Scenario,
    /// PiktID, <https://piktid.com>: images for fashion.
    Piktid,
    /// Comfy Cloud or a self-hosted ComfyUI: files of any kind.
    Comfy,
}

impl Provider {
    /// All providers, in display order.
    pub const ALL: [Self; 3] = [Self::Scenario, Self::Piktid, Self::Comfy];

    /// Returns the provider's name in configuration files, logs and URLs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Piktid => "piktid",
            Self::Comfy => "comfy",
        }
    }

    /// Returns the value's name in the GraphQL enum.
    #[must_use]
    pub const fn enum_value(self) -> &'static str {
        match self {
            Self::Scenario => "SCENARIO",
            Self::Piktid => "PIKTID",
            Self::Comfy => "COMFY",
        }
    }
}

/// The kind of an asset, independent of its file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Image,
    Video,
    Audio,
    Model3d,
    Document,
    Text,
    Data,
    ModelWeights,
    Other,
}

impl Kind {
    /// Derives the kind from a media type. `None` for generic ones (`application/octet-stream`).
    #[must_use]
    pub fn of_mime_type(mime_type: &str) -> Option<Self> {
        let (family, rest) = mime_type.trim_start().split_once('/')?;
        let families = [
            ("image", Self::Image),
            ("video", Self::Video),
            ("audio", Self::Audio),
            ("model", Self::Model3d),
            ("text", Self::Text),
        ];
        let matching = families
            .iter()
            .find(|(name, _)| family.eq_ignore_ascii_case(name));
        if let Some((_, kind)) = matching {
            return Some(*kind);
        }
        if !family.eq_ignore_ascii_case("application") {
            return None;
        }
        let subtype = rest.split(';').next().unwrap_or_default().trim_end();
        match subtype.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Data),
            "pdf" => Some(Self::Document),
            "safetensors" | "x-safetensors" | "x-gguf" => Some(Self::ModelWeights),
            "vnd.autodesk.fbx" => Some(Self::Model3d),
            _ => None,
        }
    }

    /// Guesses the kind from a file name's extension.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "png" | "jpg" | "jpeg" | "webp" | "gif" | "avif" | "bmp" | "tif" | "tiff" | "heic"
            | "heif" | "hif" | "svg" | "exr" | "hdr" | "apng" | "mpo" | "jxl" | "psd" | "ico" => {
                Some(Self::Image)
            }
            "mp4" | "webm" | "mov" | "mkv" | "avi" | "m4v" | "ogv" | "mpg" | "mpeg" | "3gp"
            | "3g2" | "wmv" | "flv" => Some(Self::Video),
            "wav" | "mp3" | "flac" | "ogg" | "m4a" | "m4b" | "mka" | "opus" | "aac" | "aiff"
            | "aif" | "wma" => Some(Self::Audio),
            "dae" | "usda" | "glb" | "gltf" | "obj" | "fbx" | "stl" | "ply" | "usdz" | "splat"
            | "ksplat" => Some(Self::Model3d),
            "pdf" | "doc" | "docx" => Some(Self::Document),
            "txt" | "md" | "srt" => Some(Self::Text),
            "json" | "csv" | "yaml" | "yml" | "latent" => Some(Self::Data),
            "safetensors" | "ckpt" | "pt" | "pth" | "gguf" | "bin" | "onnx" | "sft" => {
                Some(Self::ModelWeights)
            }
            _ => None,
        }
    }
}

/// Guesses an image's media type from its file name's extension.
#[must_use]
pub fn image_type_of_file_name(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "webp" => Some("image/webp"),
        "gif" => Some("image/gif"),
        "avif" => Some("image/avif"),
        _ => None,
    }
}

/// The tag that a source gives an asset whose file is missing. Clients cannot change it.
pub const MISSING_TAG: &str = "missing";

/// Whether an asset can be used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    Pending,
    Ready,
    Failed,
    /// The source lists the asset, but no longer has its file.
    Missing,
    /// The source sent no status, or an unknown one.
    Unknown,
}

/// Who can see an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Visibility {
    Private,
    /// The owner's group.
    Shared,
    /// Everyone who has the link.
    Unlisted,
    /// Everyone.
    Public,
    /// Supplied by the provider to everyone.
    Platform,
}

/// The provider's own fields of an asset, under its own names. Types may be added: ignore others.
#[derive(Debug, Clone, Union)]
#[graphql(name = "AssetDetails")]
pub enum Details {
    Scenario(Arc<scenario::Details>),
    Piktid(Arc<piktid::Details>),
    Comfy(Arc<comfy::Details>),
}

impl Details {
    /// Returns when the file was last read, where the provider reports it.
    #[must_use]
    pub fn last_access_time(&self) -> Option<Timestamp> {
        match self {
            Self::Comfy(details) => details.last_access_time,
            Self::Scenario(_) | Self::Piktid(_) => None,
        }
    }
}
