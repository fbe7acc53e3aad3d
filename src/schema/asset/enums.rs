//! The enums of `Asset`.

use async_graphql::Enum;

use crate::asset::{Kind, Status, Visibility};

/// The kind of content, in any file format. Values may be added: treat an unknown one as `OTHER`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetKind {
    /// An image.
    Image,
    /// A video.
    Video,
    /// Audio.
    Audio,
    /// A 3D model or scene.
    #[graphql(name = "MODEL_3D")]
    Model3d,
    /// A document, such as a PDF.
    Document,
    /// Plain text.
    Text,
    /// Structured data, such as JSON.
    Data,
    /// Weights of a generative model.
    ModelWeights,
    /// Anything else.
    Other,
}

impl From<Kind> for AssetKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Image => Self::Image,
            Kind::Video => Self::Video,
            Kind::Audio => Self::Audio,
            Kind::Model3d => Self::Model3d,
            Kind::Document => Self::Document,
            Kind::Text => Self::Text,
            Kind::Data => Self::Data,
            Kind::ModelWeights => Self::ModelWeights,
            Kind::Other => Self::Other,
        }
    }
}

impl From<AssetKind> for Kind {
    fn from(kind: AssetKind) -> Self {
        match kind {
            AssetKind::Image => Self::Image,
            AssetKind::Video => Self::Video,
            AssetKind::Audio => Self::Audio,
            AssetKind::Model3d => Self::Model3d,
            AssetKind::Document => Self::Document,
            AssetKind::Text => Self::Text,
            AssetKind::Data => Self::Data,
            AssetKind::ModelWeights => Self::ModelWeights,
            AssetKind::Other => Self::Other,
        }
    }
}

/// Whether an asset's file is ready. Values may be added: treat an unknown one as `UNKNOWN`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetStatus {
    /// The source is still making it; its file may be missing.
    Pending,
    /// The file is ready. PiktID and Comfy assets always are.
    Ready,
    /// Making it failed for good. The asset stays in lists.
    Failed,
    /// The source sent no status, or one unknown to this gateway: see `ScenarioDetails.status`.
    Unknown,
}

impl From<Status> for AssetStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Ready => Self::Ready,
            Status::Failed => Self::Failed,
            Status::Unknown => Self::Unknown,
        }
    }
}

/// Who can see an asset. Values may be added: treat an unknown one as `PRIVATE`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetVisibility {
    /// Only the owner.
    Private,
    /// The owner and the owner's group (PiktID `shared`).
    Shared,
    /// Everyone who has the link (Scenario `unlisted`).
    Unlisted,
    /// Everyone (Scenario `public`, and Comfy's immutable assets).
    Public,
    /// Everyone; the provider supplies the asset (PiktID `default`).
    Platform,
}

impl From<Visibility> for AssetVisibility {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Private => Self::Private,
            Visibility::Shared => Self::Shared,
            Visibility::Unlisted => Self::Unlisted,
            Visibility::Public => Self::Public,
            Visibility::Platform => Self::Platform,
        }
    }
}

impl From<AssetVisibility> for Visibility {
    fn from(visibility: AssetVisibility) -> Self {
        match visibility {
            AssetVisibility::Private => Self::Private,
            AssetVisibility::Shared => Self::Shared,
            AssetVisibility::Unlisted => Self::Unlisted,
            AssetVisibility::Public => Self::Public,
            AssetVisibility::Platform => Self::Platform,
        }
    }
}

/// The requested size of a thumbnail. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetThumbnailSize {
    /// For grids: about 128 to 256 pixels.
    Small,
    /// For preview panes: up to about 1,024 pixels, depending on the source.
    Large,
}
