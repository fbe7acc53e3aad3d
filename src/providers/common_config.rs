//! The settings that sources of every provider have.

use std::time::Duration;

use url::Url;

use crate::{
    asset::{Provider, SourceName},
    settings::{FilePath, FreshnessOverrides},
};

/// The checked settings that sources of every provider have.
#[derive(Debug, Clone)]
pub struct CommonConfig {
    pub name: SourceName,
    pub provider: Provider,
    /// Whether a 429 with this body is about payment, so that waiting does not help.
    pub is_payment_429: fn(&[u8]) -> bool,
    /// Earlier names of this source. Ids made under them keep working.
    pub former_names: Vec<SourceName>,
    /// Base URL of its API.
    pub url: Url,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<FilePath>,
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
    /// Whether callers bring their own credential. Then the provider's settings have none.
    pub passthrough: bool,
}
