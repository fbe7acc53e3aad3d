//! The checked settings of a source, and what a provider registers to read its own.

use std::{fmt, sync::Arc};

use url::Url;

use super::{api_client::ApiClient, common_config::CommonConfig, decode::Decode};
use crate::{
    asset::{Provider, SourceName},
    settings::{Key, Reader, Secret, Values, variable},
    source::Source,
};

/// The checked settings of one account or server.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub common: CommonConfig,
    pub settings: Arc<dyn ProviderSettings>,
}

/// The settings that only one provider's sources have.
pub trait ProviderSettings: fmt::Debug + Send + Sync {
    /// Builds the source.
    fn connect(&self, client: ApiClient) -> Arc<dyn Source>;

    /// Replaces the credential with a caller's, which is sent unchanged (`docs/security.md`).
    fn for_caller(&self, credential: Secret) -> Arc<dyn ProviderSettings>;

    /// Returns what selects the account at the source's URL: two sources with equal ones would show
    /// each asset twice.
    fn account(&self) -> Vec<&str>;

    /// Returns why `passthrough` does not protect the source at this URL, if it does not.
    fn passthrough_remark(&self, _url: &Url) -> Option<&'static str> {
        None
    }
}

/// What a provider registers.
pub struct ProviderKind {
    pub provider: Provider,
    pub default_url: &'static str,
    /// Short variables of the source that is named like the provider, and the keys that they set.
    pub variables: &'static [(&'static str, &'static str)],
    /// Returns the provider's own keys.
    pub keys: fn() -> Vec<Key>,
    /// Reads and checks them. `None`: the reader has the faults.
    pub read:
        fn(&mut Reader<'_>, &mut Values, &SourceContext<'_>) -> Option<Arc<dyn ProviderSettings>>,
    /// Whether a 429 with this body is about payment, so that waiting does not help.
    pub is_payment_429: fn(&[u8]) -> bool,
    /// Returns a source that only decodes, for fuzzing and benches. `None` for a provider that
    /// decodes nothing.
    pub decoder: fn() -> Option<&'static dyn Decode>,
}

/// What a provider's own settings depend on.
pub struct SourceContext<'a> {
    pub name: &'a SourceName,
    pub passthrough: bool,
    /// `url` is set.
    pub has_url: bool,
    /// The beginning of the names of its variables.
    pub prefix: &'a str,
}

impl SourceContext<'_> {
    /// Lists the ways to set a secret, for messages.
    #[must_use]
    pub fn ways_to_set(&self, key: &str) -> String {
        let variable = variable(self.prefix, key);
        format!("`{key}` (or `{key}_file`, `{key}_env`, or {variable} in the environment)")
    }
}
