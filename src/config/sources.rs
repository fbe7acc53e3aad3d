//! The sources as the gateway connects to them: checked, each with its provider's settings.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use url::Url;

use super::{cache::OwnFreshness, secret::Secret};
use crate::asset::{Provider, SourceName};

/// One account or server, ready to connect to.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub name: SourceName,
    /// Names this source had: ids made under them keep working.
    pub former_names: Vec<SourceName>,
    /// Where its API is, without a trailing slash.
    pub url: Url,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one page of a merged list waits for this source.
    pub patience: Duration,
    /// How long connecting may take, and one attempt at a call.
    pub connect: Duration,
    pub attempt: Duration,
    /// Calls in flight.
    pub in_flight: usize,
    /// Its own times in the cache.
    pub freshness: OwnFreshness,
    /// Hosts that files may be sent to when it names them; `None`: any of the internet's.
    pub storage_hosts: Option<Vec<String>>,
    /// Its credential is each caller's own, and `kind` has none.
    pub passthrough: bool,
    pub kind: SourceKind,
}

impl SourceConfig {
    /// Whether it is Comfy Cloud, as opposed to a server that somebody runs.
    #[must_use]
    pub fn is_comfy_cloud(&self) -> bool {
        self.url.host_str() == Some("cloud.comfy.org")
    }
}

/// What only one provider's sources have.
#[derive(Debug, Clone)]
pub enum SourceKind {
    Scenario(ScenarioSource),
    Piktid(PiktidSource),
    Comfy(ComfySource),
}

impl SourceKind {
    /// With a caller's credential, sent as it is (`design.md` §5).
    #[must_use]
    pub fn with(self, credential: Secret) -> Self {
        match self {
            Self::Scenario(own) => Self::Scenario(ScenarioSource {
                credential: ScenarioCredential::Verbatim(credential),
                ..own
            }),
            Self::Piktid(_) => Self::Piktid(PiktidSource {
                credential: PiktidCredential::Verbatim(credential),
            }),
            Self::Comfy(own) => Self::Comfy(ComfySource {
                api_key: Some(credential),
                ..own
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

/// Exactly one scheme a source (scenario-sdk-python#26).
#[derive(Debug, Clone)]
pub enum ScenarioCredential {
    Key {
        key: Secret,
        secret: Secret,
    },
    Jwt(Secret),
    /// `public-auth-token`: every organisation's public assets, nothing else.
    Public,
    /// The whole `Authorization`, as a caller sent it.
    Verbatim(Secret),
}

/// Which path lists public assets (scenario.md 5.1, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum PublicEndpoint {
    /// `GET /assets` with the public token.
    #[serde(rename = "assets")]
    Assets,
    /// The deprecated `GET /assets/public`, for servers that know nothing newer.
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
    /// The whole `Authorization`, as a caller sent it.
    Verbatim(Secret),
}

#[derive(Debug, Clone)]
pub struct ComfySource {
    /// `None` for a self-hosted ComfyUI, which knows no keys.
    pub api_key: Option<Secret>,
    /// `comfy-user` of a `--multi-user` server.
    pub user: Option<String>,
    /// An asset is listed when it has one of these tags (design §3): Comfy Cloud hides some
    /// categories from a list that names no tag.
    pub listed_tags: Vec<String>,
}
