//! `AssetProvider`.

use async_graphql::Enum;

use crate::asset::Provider;

/// A kind of API. Values may be added: show an unknown one by the name of its source.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetProvider {
    /// Scenario, <https://www.scenario.com>: generated pictures, 3D, audio and video.
    Scenario,
    /// PiktID, <https://piktid.com>: pictures for fashion.
    Piktid,
    /// Comfy Cloud or a self-hosted ComfyUI: files of any kind.
    Comfy,
}

impl From<Provider> for AssetProvider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Scenario => Self::Scenario,
            Provider::Piktid => Self::Piktid,
            Provider::Comfy => Self::Comfy,
        }
    }
}

impl From<AssetProvider> for Provider {
    fn from(word: AssetProvider) -> Self {
        match word {
            AssetProvider::Scenario => Self::Scenario,
            AssetProvider::Piktid => Self::Piktid,
            AssetProvider::Comfy => Self::Comfy,
        }
    }
}

impl AssetProvider {
    /// As the enum prints.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scenario => "SCENARIO",
            Self::Piktid => "PIKTID",
            Self::Comfy => "COMFY",
        }
    }
}
