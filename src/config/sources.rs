//! The checked settings of the sources, each with its provider's settings.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use url::Url;

use super::{cache::FreshnessOverrides, secret::Secret};
use crate::asset::{Provider, SourceName};

/// The checked settings of one account or server.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub name: SourceName,
    /// Earlier names of this source. Ids made under them keep working.
    pub former_names: Vec<SourceName>,
    /// Base URL of its API.
    pub url: Url,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one page of a merged list waits for this source.
    pub patience: Duration,
    /// Timeout for connecting. `attempt`: timeout for one attempt at a call.
    pub connect: Duration,
    pub attempt: Duration,
    /// Maximum number of concurrent calls.
    pub in_flight: usize,
    /// Cache lifetimes that this source sets for itself.
    pub freshness: FreshnessOverrides,
    /// Hosts that may hold its files. `None`: any public host.
    pub storage_hosts: Option<Vec<String>>,
    /// Whether callers bring their own credential. Then `kind` has none.
    pub passthrough: bool,
    pub kind: SourceKind,
}

impl SourceConfig {
    /// Whether the source is Comfy Cloud, not a self-hosted server.
    #[must_use]
    pub fn is_comfy_cloud(&self) -> bool {
        self.url.host_str() == Some("cloud.comfy.org")
    }
}

/// The settings that only one provider's sources have.
#[derive(Debug, Clone)]
pub enum SourceKind {
    Scenario(ScenarioSource),
    Piktid(PiktidSource),
    Comfy(ComfySource),
}

impl SourceKind {
    /// Replaces the credential with a caller's, which is sent unchanged (`design.md` §5).
    #[must_use]
    pub fn with(self, credential: Secret) -> Self {
        match self {
            Self::Scenario(overrides) => Self::Scenario(ScenarioSource {
                credential: ScenarioCredential::Verbatim(credential),
                ..overrides
            }),
            Self::Piktid(_) => Self::Piktid(PiktidSource {
                credential: PiktidCredential::Verbatim(credential),
            }),
            Self::Comfy(overrides) => Self::Comfy(ComfySource {
                api_key: Some(credential),
                ..overrides
            }),
        }
    }

    #[must_use]
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Scenario(_) => Provider::Scenario,
            Self::Piktid(_) => Provider::Piktid,
            Self::Comfy(_) => Provider::Comfy,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ScenarioSource {
    pub credential: ScenarioCredential,
    /// Sent as `projectId` only when configured (scenario.md 2).
    pub project_id: Option<String>,
    pub public_endpoint: PublicEndpoint,
}

/// Exactly one authentication scheme per source (scenario-sdk-python#26).
#[derive(Debug, Clone)]
pub enum ScenarioCredential {
    Key {
        key: Secret,
        secret: Secret,
    },
    Jwt(Secret),
    /// `public-auth-token`: every organisation's public assets, nothing else.
    Public,
    /// The whole `Authorization` value, as a caller sent it.
    Verbatim(Secret),
}

/// Which path lists public assets (scenario.md 5.1, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum PublicEndpoint {
    /// `GET /assets` with the public token.
    #[serde(rename = "assets")]
    Assets,
    /// The deprecated `GET /assets/public`, for servers without the newer path.
    #[serde(rename = "assets-public")]
    AssetsPublic,
}

#[derive(Debug, Clone)]
pub struct PiktidSource {
    pub credential: PiktidCredential,
}

#[derive(Debug, Clone)]
pub enum PiktidCredential {
    Token(Secret),
    /// The whole `Authorization` value, as a caller sent it.
    Verbatim(Secret),
}

#[derive(Debug, Clone)]
pub struct ComfySource {
    /// `None` for a self-hosted ComfyUI, which has no keys.
    pub api_key: Option<Secret>,
    /// The `comfy-user` header, for a `--multi-user` server.
    pub user: Option<String>,
    /// An asset is listed when it has one of these tags (design §3): Comfy Cloud hides some
    /// categories from a list that names no tag.
    pub listed_tags: Vec<String>,
}
