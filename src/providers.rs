//! The providers: a folder for each with its settings, client, list parameters, wire shapes,
//! mapping, writes and uploads, and what they share.
//!
//! [`PROVIDERS`] registers them. `docs/adding-a-provider.md` describes how to add one.

mod api_client;
pub mod comfy;
mod common_config;
mod decode;
pub mod fuzz_entry;
pub mod piktid;
pub mod scenario;
mod source_config;
mod write_answer;

use std::sync::Arc;

use crate::{
    asset::Provider,
    settings::ConfigError,
    source::{ConnectedSource, Registry},
    upstream::Paces,
};

pub use api_client::ApiClient;
pub use common_config::CommonConfig;
pub use source_config::{ProviderKind, ProviderSettings, SourceConfig, SourceContext};

/// Every provider, in display order.
pub const PROVIDERS: [&ProviderKind; Provider::ALL.len()] =
    [&scenario::KIND, &piktid::KIND, &comfy::KIND];

/// Returns what a provider registers.
#[must_use]
pub fn kind_of(provider: Provider) -> Option<&'static ProviderKind> {
    PROVIDERS.into_iter().find(|kind| kind.provider == provider)
}

/// Builds a client for every configured source, without an upstream call. `scope_key` keys the
/// credential scopes.
///
/// # Errors
/// [`ConfigError`]: a source's client cannot be built, for example with an unreadable `ca_file`.
pub fn connect(configs: Vec<SourceConfig>, scope_key: &[u8; 32]) -> Result<Registry, ConfigError> {
    let paces = Paces::default();
    let sources = configs.into_iter().map(|config| {
        let SourceConfig { common, settings } = config;
        let client = ApiClient::new(&common, scope_key, &paces)?;
        let source = settings.connect(client.clone());
        Ok(ConnectedSource {
            source,
            for_caller: common.passthrough.then(|| {
                let connect = move |credential| {
                    let client = client.for_caller(&credential);
                    settings.for_caller(credential).connect(client)
                };
                Arc::new(connect) as _
            }),
        })
    });
    Ok(Registry::new(sources.collect::<Result<_, _>>()?))
}
