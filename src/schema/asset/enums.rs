//! The enums of `Asset`.

use async_graphql::Enum;

use crate::asset::{Kind, Status, Visibility};

/// The kind of content, in any file format. Values may be added: treat an unknown one as `OTHER`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Kind")]
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

/// Whether an asset's file is ready. Values may be added: treat an unknown one as `UNKNOWN`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Status")]
pub enum AssetStatus {
    /// The source is still making it; its file may be missing.
    Pending,
    /// The file is ready. Where a source reports no status, assets always are.
    Ready,
    /// Making it failed for good. The asset stays in lists.
    Failed,
    /// The source lists it, but no longer has its file: `url` and `thumbnailUrl` are null. Lists
    /// leave such assets out unless `AssetFilter.statuses` or the tag `missing` names them.
    Missing,
    /// The source sent no status, or one unknown to this gateway: see the
    /// status in `details`.
    Unknown,
}

/// Who can see an asset. Values may be added: treat an unknown one as `PRIVATE`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Visibility")]
pub enum AssetVisibility {
    /// Only the owner.
    Private,
    /// The owner and the owner's group.
    Shared,
    /// Everyone who has the link.
    Unlisted,
    /// Everyone.
    Public,
    /// Everyone; the provider supplies the asset.
    Platform,
}

/// The requested size of a thumbnail. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetThumbnailSize {
    /// For grids: about 128 to 256 pixels.
    Small,
    /// For preview panes: up to about 1,024 pixels, depending on the source.
    Large,
}
