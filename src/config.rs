//! Settings, checked before start. Precedence: defaults < file < environment < command line.
//!
//! Each error names the key or variable, the file and line if there is one, and the expected value.
//! Secrets are [`Secret`]: they cannot be printed, and no message quotes them.

mod access;
mod cache;
mod documents;
mod environment;
mod error;
mod file;
mod limits;
mod resolve_sources;
mod secret;
mod settings;
mod source_table;
mod sources;
mod values;
mod web_url;

pub use access::{
    AccessConfig, AccessMode, JwksConfig, JwtConfig, KeyConfig, Permission, RateLimit,
};
pub use cache::{CacheConfig, Freshness, FreshnessOverrides};
pub use documents::TrustedDocuments;
pub use environment::Environment;
pub use error::ConfigError;
pub use limits::Limits;
pub use secret::Secret;
pub use settings::{Config, DEFAULT_LISTEN, LogConfig};
pub use sources::{
    ComfySource, PiktidCredential, PiktidSource, PublicEndpoint, ScenarioCredential,
    ScenarioSource, SourceConfig, SourceKind,
};
pub use web_url::is_this_machine;
