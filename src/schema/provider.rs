//! `AssetProvider`.

use async_graphql::Enum;

use crate::asset::Provider;

/// A provider of an asset API. Values may be added: display an unknown one by its source's name.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Provider")]
pub enum AssetProvider {
    /// Scenario, <https://www.scenario.com>: generated images, 3D, audio and video.
    Scenario,
    /// PiktID, <https://piktid.com>: images for fashion.
    Piktid,
    /// Comfy Cloud or a self-hosted ComfyUI: files of any kind.
    Comfy,
}

impl AssetProvider {
    /// The value's name in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scenario => "SCENARIO",
            Self::Piktid => "PIKTID",
            Self::Comfy => "COMFY",
        }
    }
}
