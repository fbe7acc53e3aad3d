//! The configured sources, by name.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ahash::RandomState;

use super::{
    api_client::ApiClient, comfy::Comfy, piktid::Piktid, scenario::Scenario, traits::Source,
    unauthenticated::UnauthenticatedSource,
};
use crate::{
    asset::SourceName,
    config::{ConfigError, Secret, SourceConfig, SourceKind},
    upstream::Paces,
};

/// The configured sources, sorted by name.
pub struct Registry {
    sources: Vec<Arc<dyn Source>>,
    /// Indexes into `sources`, by current and former names.
    by_name: Arc<HashMap<SourceName, usize, RandomState>>,
    /// Clients of the sources whose callers bring credentials.
    passthrough: HashMap<SourceName, ApiClient>,
}

/// A caller's credential that the gateway cannot use. Messages do not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongCredential {
    #[error("`x-asset-source-{0}` names no source of this gateway: `assetSources` lists them")]
    NoSuchSource(SourceName),
    #[error(
        "source `{0}` uses the gateway's own credential, not yours: leave \
         `x-asset-source-{0}` out"
    )]
    NotWanted(SourceName),
    #[error("there is more than one credential for source `{0}`: send one")]
    Twice(SourceName),
}

impl Registry {
    /// Builds a client for every configured source, without an upstream call. `scope_key` keys the
    /// credential scopes.
    ///
    /// # Errors
    /// [`ConfigError`]: a source's client cannot be built, for example with an unreadable
    /// `ca_file`.
    pub fn connect(configs: Vec<SourceConfig>, scope_key: &[u8; 32]) -> Result<Self, ConfigError> {
        let paces = Paces::default();
        let mut passthrough = HashMap::new();
        let mut sources = configs
            .into_iter()
            .map(|config| -> Result<Arc<dyn Source>, ConfigError> {
                let client = ApiClient::new(&config, scope_key, &paces)?;
                if !config.passthrough {
                    return Ok(source(client, config.kind));
                }
                passthrough.insert(config.name.clone(), client.clone());
                Ok(Arc::new(UnauthenticatedSource(source(client, config.kind))))
            })
            .collect::<Result<Vec<_>, _>>()?;
        sources.sort_by(|a, b| a.profile().name.cmp(&b.profile().name));
        let by_name: HashMap<_, _, _> = sources
            .iter()
            .enumerate()
            .flat_map(|(index, source)| {
                let profile = source.profile();
                std::iter::once(&profile.name)
                    .chain(&profile.former_names)
                    .map(move |name| (name.clone(), index))
            })
            .collect();
        Ok(Self {
            sources,
            by_name: Arc::new(by_name),
            passthrough,
        })
    }

    /// Returns the same sources for a caller who brings `credentials`, each with a source's current
    /// or former name. The credentials live as long as the returned registry.
    ///
    /// # Errors
    /// [`WrongCredential`]: the source takes no credential, does not exist, or is named twice.
    pub fn with(&self, credentials: Vec<(SourceName, Secret)>) -> Result<Self, WrongCredential> {
        let mut sources = self.sources.clone();
        let mut named_sources = HashSet::new();
        for (name, credential) in credentials {
            let index = self.by_name.get(&name);
            let slot = index.and_then(|index| sources.get_mut(*index));
            let Some(slot) = slot else {
                return Err(WrongCredential::NoSuchSource(name));
            };
            let current = slot.profile().name.clone();
            let Some(client) = self.passthrough.get(&current) else {
                return Err(WrongCredential::NotWanted(current));
            };
            if !named_sources.insert(current.clone()) {
                return Err(WrongCredential::Twice(current));
            }
            let kind = client.config.kind.clone();
            *slot = source(client.for_caller(&credential), kind.with(credential));
        }
        Ok(Self {
            sources,
            by_name: Arc::clone(&self.by_name),
            passthrough: HashMap::new(),
        })
    }

    /// Returns all sources, sorted by name.
    #[must_use]
    pub fn all(&self) -> &[Arc<dyn Source>] {
        &self.sources
    }

    /// Returns the source with this current or former name.
    #[must_use]
    pub fn named(&self, name: &SourceName) -> Option<&Arc<dyn Source>> {
        self.sources.get(*self.by_name.get(name)?)
    }
}

/// Builds the source of a provider from its client.
fn source(client: ApiClient, kind: SourceKind) -> Arc<dyn Source> {
    match kind {
        SourceKind::Scenario(kind) => Arc::new(Scenario::new(client, kind)),
        SourceKind::Piktid(kind) => Arc::new(Piktid::new(client, &kind)),
        SourceKind::Comfy(kind) => Arc::new(Comfy::new(client, kind)),
    }
}
