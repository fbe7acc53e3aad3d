//! Scenario's settings of a source.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    providers::{ProviderSettings, SourceContext},
    settings::{Reader, Secret, Values, credential, keys},
};

/// The keys as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    #[serde(deserialize_with = "credential")]
    api_key: Option<Secret>,
    #[serde(deserialize_with = "credential")]
    api_secret: Option<Secret>,
    #[serde(deserialize_with = "credential")]
    jwt: Option<Secret>,
    public: bool,
    project_id: Option<String>,
    public_endpoint: PublicEndpoint,
}

#[derive(Debug, Clone)]
pub struct ScenarioSettings {
    pub credential: ScenarioCredential,
    /// Sent as `projectId` only when configured (docs/providers/scenario.md 2).
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

/// Which path lists public assets (docs/providers/scenario.md 5.1, 5.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum PublicEndpoint {
    /// `GET /assets` with the public token.
    #[default]
    #[serde(rename = "assets")]
    Assets,
    /// The deprecated `GET /assets/public`, for servers without the newer path.
    #[serde(rename = "assets-public")]
    AssetsPublic,
}

/// Reads and checks the keys. `None`: the reader has the fault.
pub fn read(
    reader: &mut Reader<'_>,
    values: &mut Values,
    source: &SourceContext<'_>,
) -> Option<Arc<dyn ProviderSettings>> {
    let read: Keys = reader.take(values);
    if !values.are_sound(&keys::<Keys>()) {
        return None;
    }
    let name = source.name;
    let credential = match (read.api_key, read.api_secret, read.jwt, read.public) {
        (Some(key), Some(secret), None, false) if !key.expose().contains(':') => {
            Ok(ScenarioCredential::Key { key, secret })
        }
        (Some(_), Some(_), None, false) => Err(format!(
            "`api_key` of source `{name}` contains a colon, which no Scenario key does: give key \
             and secret separately"
        )),
        (None, None, Some(jwt), false) => Ok(ScenarioCredential::Jwt(jwt)),
        (None, None, None, true) if source.passthrough => Err(format!(
            "source `{name}` is `passthrough`, so callers bring their credentials: remove \
             `public`, or remove `passthrough`"
        )),
        (None, None, None, true) => Ok(ScenarioCredential::Public),
        // No credential until a caller brings one.
        (None, None, None, false) if source.passthrough => {
            Ok(ScenarioCredential::Verbatim(Secret::new(String::new())))
        }
        (Some(_), None, None, false) => Err(format!(
            "source `{name}` has `api_key` but no `api_secret`: Scenario needs both. Set {}",
            source.ways_to_set("api_secret")
        )),
        (None, Some(_), None, false) => Err(format!(
            "source `{name}` has `api_secret` but no `api_key`: Scenario needs both. Set {}",
            source.ways_to_set("api_key")
        )),
        (None, None, None, false) => Err(format!(
            "source `{name}` has no credential: set {} and `api_secret`, or `jwt`, or `public = \
             true` for public assets only, or `passthrough = true` where callers bring theirs",
            source.ways_to_set("api_key")
        )),
        _ => Err(format!(
            "source `{name}` has more than one credential: keep `api_key` with `api_secret`, or \
             `jwt`, or `public = true`"
        )),
    };
    match credential {
        Ok(credential) => Some(Arc::new(ScenarioSettings {
            credential,
            project_id: read.project_id,
            public_endpoint: read.public_endpoint,
        })),
        Err(message) => {
            reader.refuse(&values.origin, message);
            None
        }
    }
}
