//! The words that an asset is described in, as enums of the graph.

use async_graphql::Enum;

use crate::asset::{Kind, Status, Visibility};

/// What an asset is, whatever its file format. Values may be added: treat an unknown one as `OTHER`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetKind {
    /// A picture.
    Image,
    /// A video.
    Video,
    /// A sound.
    Audio,
    /// A 3D model or scene.
    #[graphql(name = "MODEL_3D")]
    Model3d,
    /// A document to read, such as a PDF.
    Document,
    /// A plain text.
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
    fn from(word: AssetKind) -> Self {
        match word {
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

/// Whether an asset can be used yet. Values may be added: treat an unknown one as `UNKNOWN`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetStatus {
    /// Still being made: its file may be missing.
    Pending,
    /// Ready.
    Ready,
    /// Making it failed, for good; it stays in lists.
    Failed,
    /// The source sent no status, or one that this gateway does not know; `details` has its word.
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
    /// The owner.
    Private,
    /// The owner's group (PiktID `shared`).
    Shared,
    /// Everybody who has the link (Scenario `unlisted`).
    Unlisted,
    /// Everybody (Scenario `public`; Comfy's immutable assets).
    Public,
    /// Everybody: the provider itself supplies it (PiktID `default`).
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
    fn from(word: AssetVisibility) -> Self {
        match word {
            AssetVisibility::Private => Self::Private,
            AssetVisibility::Shared => Self::Shared,
            AssetVisibility::Unlisted => Self::Unlisted,
            AssetVisibility::Public => Self::Public,
            AssetVisibility::Platform => Self::Platform,
        }
    }
}

/// How large a thumbnail is wanted. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetThumbnailSize {
    /// For a grid: about 128 to 256 pixels.
    Small,
    /// For a preview pane: up to about 1,024 pixels, as large as the source has one.
    Large,
}
