//! The gateway's configuration, checked before start. Precedence: defaults < file < environment <
//! command line.

mod exposure;
mod load;
mod reference;
mod sources;

use std::net::SocketAddr;

use url::Url;

use crate::telemetry::Format;

pub use crate::{
    providers::SourceConfig,
    settings::{
        AccessConfig, AccessMode, CacheConfig, ConfigError, Environment, Freshness,
        FreshnessOverrides, Limits, Secret, TrustedDocuments,
    },
};
pub use load::{DEFAULT_LISTEN, listen_address};
pub use reference::{Setting, settings};

/// The gateway's configuration.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The URL at which browsers reach the gateway. `None`: `http://` and `listen`.
    pub public_url: Option<Url>,
    /// The key for media tokens. With the same secret, tokens stay valid across restarts and
    /// instances. `None`: a random key for each start.
    pub media_secret: Option<Secret>,
    pub log: LogConfig,
    pub limits: Limits,
    pub cache: CacheConfig,
    pub access: AccessConfig,
    /// Operations that the gateway knows before a client sends them.
    pub trusted_documents: TrustedDocuments,
    /// Serve GraphiQL at `/`.
    pub explorer: bool,
    /// Answer introspection queries.
    pub introspection: bool,
    /// Suggest similar field names in errors about unknown fields.
    pub suggestions: bool,
    /// The sources to serve. Empty: the embedded sandbox.
    pub sources: Vec<SourceConfig>,
    /// Remarks for the log at start that are no errors, such as an unused variable.
    pub remarks: Vec<String>,
}

/// How logs are written.
#[derive(Debug, Clone)]
pub struct LogConfig {
    pub format: Format,
    /// A `tracing` filter, such as `info` or `asset_gateway=debug`.
    pub filter: String,
}

impl Config {
    /// Whether the gateway serves only the sandbox.
    #[must_use]
    pub fn serves_sandbox(&self) -> bool {
        self.sources.is_empty()
    }
}
