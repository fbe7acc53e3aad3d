//! The configured sources, by name.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ahash::RandomState;

use super::{traits::Source, unauthenticated::UnauthenticatedSource};
use crate::{asset::SourceName, settings::Secret};

/// A source with its client.
pub struct ConnectedSource {
    pub source: Arc<dyn Source>,
    /// Builds the source for a caller who brings the credential. `None`: the credential is the
    /// gateway's own.
    pub for_caller: Option<ConnectForCaller>,
}

/// Builds a source with a caller's credential.
pub type ConnectForCaller = Arc<dyn Fn(Secret) -> Arc<dyn Source> + Send + Sync>;

/// The configured sources, sorted by name.
pub struct Registry {
    sources: Vec<Arc<dyn Source>>,
    /// Indexes into `sources`, by current and former names.
    by_name: Arc<HashMap<SourceName, usize, RandomState>>,
    /// The sources whose callers bring credentials.
    passthrough: HashMap<SourceName, ConnectForCaller>,
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
    /// Registers the sources. Those whose callers bring credentials refuse calls without one.
    #[must_use]
    pub fn new(connected: Vec<ConnectedSource>) -> Self {
        let mut passthrough = HashMap::new();
        let mut sources = Vec::with_capacity(connected.len());
        for ConnectedSource { source, for_caller } in connected {
            let Some(for_caller) = for_caller else {
                sources.push(source);
                continue;
            };
            passthrough.insert(source.profile().name.clone(), for_caller);
            sources.push(Arc::new(UnauthenticatedSource(source)) as Arc<dyn Source>);
        }
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
        Self {
            sources,
            by_name: Arc::new(by_name),
            passthrough,
        }
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
            let Some(for_caller) = self.passthrough.get(&current) else {
                return Err(WrongCredential::NotWanted(current));
            };
            if !named_sources.insert(current.clone()) {
                return Err(WrongCredential::Twice(current));
            }
            *slot = for_caller(credential);
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
