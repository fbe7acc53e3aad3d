//! The domain: one asset, in our words, whatever source it came from.
//!
//! No GraphQL, no HTTP and no clock in here. What a provider calls its own things is in its
//! [`Details`]; what all assets share is in [`Asset`]. The mapping between the two is
//! `upstreams/compare.md` §2, done by each source's `map`.

pub mod comfy;
mod file_type;
pub mod id;
pub mod lenient;
pub mod piktid;
pub mod scenario;
pub mod timestamp;

use std::sync::Arc;

use jiff::Timestamp;

pub use file_type::{FileType, TELLING};
pub use id::{AssetId, GlobalId, SourceName, is_upstream_id_text};

/// One item of one source.
#[derive(Debug)]
pub struct Asset {
    pub id: AssetId,
    /// [`AssetId::global`], kept because every answer has it.
    pub global_id: Box<str>,
    pub provider: Provider,
    /// Never empty: where the source has no name, its id stands in.
    pub name: String,
    pub kind: Kind,
    /// As the source says, or guessed from the file name where it says nothing (PiktID).
    pub mime_type: Option<String>,
    pub size_bytes: Option<u64>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    pub duration_seconds: Option<f64>,
    /// With its algorithm as prefix: `blake3:…`.
    pub content_hash: Option<String>,
    /// In the source's full precision (microseconds at most): the first part of every list key.
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub status: Status,
    pub visibility: Option<Visibility>,
    /// Who made it, in the source's own terms.
    pub created_by: Option<String>,
    pub tags: Vec<String>,
    pub note: Option<String>,
    pub media: Media,
    /// Other assets of the same source, by upstream id.
    pub preview: Option<Arc<str>>,
    pub parent: Option<Arc<str>>,
    pub root: Option<Arc<str>>,
    pub viewer_can: ViewerCan,
    pub details: Details,
    /// The row as the source sent it, less what must not leave (a server's file paths): JSON.
    pub raw: Box<str>,
    /// The source asked not to cache it.
    pub no_store: bool,
}

impl Asset {
    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn weight(&self) -> u32 {
        // The row as sent, again as fields; the fixed part of it, of the details and of its entry in a
        // cache (`benches/parts`, `-- memory`).
        let fixed = match self.details {
            Details::Scenario(_) => 5_056,
            Details::Piktid(_) => 2_080,
            Details::Comfy(_) => 2_912,
        };
        u32::try_from(self.raw.len() * 2).map_or(u32::MAX, |w| w.saturating_add(fixed))
    }
}

/// Where an asset's bytes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    /// The file itself.
    pub original: Option<Location>,
    /// A small picture of it, about 128 to 256 pixels.
    pub small: Option<Location>,
    /// A larger picture of it, where the source makes one.
    pub large: Option<Location>,
}

/// The most bytes a file may have and still stand in as its own thumbnail: a grid loads many of them.
pub const MAX_THUMBNAIL: u64 = 2 * 1024 * 1024;

/// How a browser gets at one rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// Loads as it is, without our credential; may carry a signature that expires.
    Direct {
        url: String,
        expires_at: Option<Timestamp>,
    },
    /// Needs our credential, or is an internal address: only the gateway's media route can load it.
    Proxied,
}

/// A rendition of an asset, as the media route names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rendition {
    Original,
    Small,
    Large,
}

/// What the credential in use may do to an asset; `None` where the source does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ViewerCan {
    pub tag: Option<bool>,
    pub note: Option<bool>,
    pub delete: Option<bool>,
}

/// A kind of API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    Scenario,
    Piktid,
    Comfy,
}

impl Provider {
    /// Every provider, in the order people read them.
    pub const ALL: [Self; 3] = [Self::Scenario, Self::Piktid, Self::Comfy];

    /// The word in configuration files, logs and URLs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Piktid => "piktid",
            Self::Comfy => "comfy",
        }
    }
}

/// What an asset is, whatever its file format.
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
    /// Guesses from a media type; `None` where it says nothing (`application/octet-stream`).
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
        let own = families
            .iter()
            .find(|(name, _)| family.eq_ignore_ascii_case(name));
        if let Some((_, kind)) = own {
            return Some(*kind);
        }
        if !family.eq_ignore_ascii_case("application") {
            return None;
        }
        let subtype = rest.split(';').next().unwrap_or_default().trim_end();
        match subtype.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Data),
            "pdf" => Some(Self::Document),
            "safetensors" | "x-safetensors" => Some(Self::ModelWeights),
            _ => None,
        }
    }

    /// Guesses from the ending of a file name.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "png" | "jpg" | "jpeg" | "webp" | "gif" | "avif" | "bmp" | "tif" | "tiff" | "heic"
            | "heif" | "svg" | "exr" | "hdr" => Some(Self::Image),
            "mp4" | "webm" | "mov" | "mkv" | "avi" => Some(Self::Video),
            "wav" | "mp3" | "flac" | "ogg" | "m4a" | "opus" => Some(Self::Audio),
            "glb" | "gltf" | "obj" | "fbx" | "stl" | "ply" | "usdz" | "splat" | "ksplat" => {
                Some(Self::Model3d)
            }
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

/// Guesses a media type from the ending of a picture's file name.
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

/// Whether an asset can be used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    Pending,
    Ready,
    Failed,
    /// Not sent, or a word not known here.
    Unknown,
}

/// Who can see an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Visibility {
    Private,
    /// The owner's group.
    Shared,
    /// Everybody who has the link.
    Unlisted,
    /// Everybody.
    Public,
    /// Supplied by the provider to everybody.
    Platform,
}

/// What only one provider knows about an asset.
#[derive(Debug)]
pub enum Details {
    Scenario(Arc<scenario::Details>),
    Piktid(Arc<piktid::Details>),
    Comfy(Arc<comfy::Details>),
}
