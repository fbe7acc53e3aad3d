//! Which sources and assets a list shows.

use std::sync::Arc;

use async_graphql::InputObject;

use super::{error::bad_input, source::ProviderWord};
use crate::{
    asset::SourceName,
    source::{Registry, Source},
};

/// Which assets `assets` shows. What is left out or null does not filter.
#[derive(InputObject, Default)]
pub struct AssetFilter {
    /// Only from these sources, by name. Naming one that is not configured is an error.
    sources: Option<Vec<String>>,
    /// Only from sources of these providers.
    providers: Option<Vec<ProviderWord>>,
}

impl AssetFilter {
    /// The sources to ask, in the order of their names.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for an unknown name or an empty list.
    pub fn sources(&self, registry: &Registry) -> async_graphql::Result<Vec<Arc<dyn Source>>> {
        if self.sources.as_ref().is_some_and(Vec::is_empty) {
            return Err(bad_input(
                &["filter", "sources"],
                "`filter.sources` is empty, which no asset fits: leave it out to ask all sources",
            ));
        }
        if self.providers.as_ref().is_some_and(Vec::is_empty) {
            return Err(bad_input(
                &["filter", "providers"],
                "`filter.providers` is empty, which no asset fits: leave it out to ask all of them",
            ));
        }
        let mut wanted = Vec::new();
        for name in self.sources.iter().flatten() {
            let source = SourceName::parse(name)
                .ok()
                .and_then(|parsed| registry.named(&parsed))
                .ok_or_else(|| unknown_source(&["filter", "sources"], name, registry))?;
            wanted.push(source.profile().name.clone());
        }
        let fits = |source: &&Arc<dyn Source>| {
            let profile = source.profile();
            (self.sources.is_none() || wanted.contains(&profile.name))
                && self
                    .providers
                    .as_ref()
                    .is_none_or(|all| all.contains(&profile.provider.into()))
        };
        Ok(registry.all().iter().filter(fits).cloned().collect())
    }
}

/// A source that is not configured: says which are.
pub fn unknown_source(path: &[&str], name: &str, registry: &Registry) -> async_graphql::Error {
    let names: Vec<&str> = registry
        .all()
        .iter()
        .map(|source| source.profile().name.as_str())
        .collect();
    let shown: String = name.chars().take(40).collect();
    bad_input(
        path,
        format!(
            "no source is named `{shown}`; configured are: {}",
            names.join(", ")
        ),
    )
}
