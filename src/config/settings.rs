//! The gateway's settings, and checks of who can reach it.

use std::net::SocketAddr;

use url::Url;

use super::{
    access::{AccessConfig, AccessMode},
    cache::CacheConfig,
    documents::TrustedDocuments,
    error::ConfigError,
    limits::Limits,
    secret::Secret,
    sources::SourceConfig,
    web_url::is_this_machine,
};
use crate::{asset::Provider, telemetry::Format};

/// The default listening address.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

/// The gateway's settings.
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

    /// Refuses to expose the gateway's credentials to a network without authentication. A
    /// passthrough source exposes none: its callers bring their own (`design.md` §6).
    ///
    /// # Errors
    /// [`ConfigError`]: anyone beyond this machine could use the gateway's credentials.
    pub fn check_exposure(&self) -> Result<(), ConfigError> {
        let is_open = matches!(self.access.mode, AccessMode::Open);
        let exposed: Vec<&str> = self
            .sources
            .iter()
            .filter(|source| !source.passthrough)
            .map(|source| source.name.as_str())
            .collect();
        if self.listen.ip().to_canonical().is_loopback() || !is_open || exposed.is_empty() {
            return Ok(());
        }
        Err(ConfigError(format!(
            "refusing to listen on {}: anyone who can reach it could use the gateway's own \
             credentials of {}. Say who may call (`mode = \"keys\"` or `\"jwt\"` in [access]), let \
             callers bring their credentials (`passthrough = true` in [sources.…]), or listen on \
             127.0.0.1 (--listen 127.0.0.1:{}) behind a reverse proxy that authenticates callers",
            self.listen,
            exposed.join(", "),
            self.listen.port()
        )))
    }

    /// Returns remarks about who can reach this gateway, for the log at start.
    #[must_use]
    pub fn exposure_remarks(&self) -> Vec<String> {
        let is_open = matches!(self.access.mode, AccessMode::Open);
        let public = self.public_url.as_ref();
        let is_public = public.is_some_and(|url| !is_this_machine(url));
        let is_exposed = is_public || !self.listen.ip().to_canonical().is_loopback();
        let mut remarks = Vec::new();
        if is_open && is_exposed && self.sources.iter().any(|source| !source.passthrough) {
            remarks.push(
                "`public_url` is not this machine, and the gateway authenticates no one: a proxy \
                 in front must authenticate callers, or set `mode` in [access]"
                    .to_owned(),
            );
        }
        let keyless = self.sources.iter().find(|source| {
            let is_self_hosted = !source.is_comfy_cloud();
            source.passthrough && source.kind.provider() == Provider::Comfy && is_self_hosted
        });
        if let (true, true, Some(source)) = (is_open, is_exposed, keyless) {
            remarks.push(format!(
                "source `{}` is `passthrough`, but a self-hosted ComfyUI checks no keys: unless a \
                 proxy in front of it does, anyone can read and delete there",
                source.name
            ));
        }
        if is_exposed && self.access.rate_limit.is_none() {
            remarks.push(
                "this gateway is reachable from other machines and has no rate limit: set \
                 [access.rate_limit], and `trusted_proxies` where proxies stand in front"
                    .to_owned(),
            );
        }
        remarks
    }
}
