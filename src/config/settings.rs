//! The gateway's settings, and who they let reach it.

use std::net::SocketAddr;

use url::Url;

use super::{
    access::{AccessConfig, AccessMode},
    address::is_this_machine,
    cache::CacheConfig,
    documents::TrustedDocuments,
    error::ConfigError,
    limits::Limits,
    secret::Secret,
    sources::SourceConfig,
};
use crate::{asset::Provider, telemetry::Format};

/// The port that a newcomer finds the gateway on.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

/// The gateway's settings.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How browsers reach the gateway; `None`: `http://` and the listening address.
    pub public_url: Option<Url>,
    /// Keys media tokens: with the same secret, tokens stay valid over restarts and instances.
    /// `None`: a random one for each start.
    pub media_secret: Option<Secret>,
    pub log: LogConfig,
    pub limits: Limits,
    pub cache: CacheConfig,
    pub access: AccessConfig,
    /// Operations that are known before anybody sends them.
    pub trusted_documents: TrustedDocuments,
    /// Serve GraphiQL at `/`.
    pub explorer: bool,
    /// Answer questions about the schema.
    pub introspection: bool,
    /// Name fields that a mistyped one may have meant.
    pub suggestions: bool,
    /// What to serve. Empty: the embedded sandbox.
    pub sources: Vec<SourceConfig>,
    /// Things worth saying at start that are no mistake, such as a variable that is not read.
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
    /// Whether the only thing this gateway opens to callers is the sandbox.
    #[must_use]
    pub fn serves_sandbox(&self) -> bool {
        self.sources.is_empty()
    }

    /// Refuses to open other people's accounts to a network that needs no key to call us
    /// (`design.md` §6). A source whose callers bring their own credential opens no other account.
    ///
    /// # Errors
    /// When sources of the gateway's own would be reachable from beyond this machine by anybody.
    pub fn check_exposure(&self) -> Result<(), ConfigError> {
        let is_open = matches!(self.access.mode, AccessMode::Open);
        let own: Vec<&str> = self
            .sources
            .iter()
            .filter(|source| !source.passthrough)
            .map(|source| source.name.as_str())
            .collect();
        if self.listen.ip().to_canonical().is_loopback() || !is_open || own.is_empty() {
            return Ok(());
        }
        Err(ConfigError(format!(
            "refusing to listen on {}: anyone who can reach it could use the gateway's own \
             credentials of {}. Say who may call (`mode = \"keys\"` or `\"jwt\"` in [access]), let \
             callers bring their credentials (`passthrough = true` in [sources.…]), or listen on \
             127.0.0.1 (--listen 127.0.0.1:{}) behind a reverse proxy that authenticates callers",
            self.listen,
            own.join(", "),
            self.listen.port()
        )))
    }

    /// Things about who can reach this gateway that are worth a line at start.
    #[must_use]
    pub fn exposure_remarks(&self) -> Vec<String> {
        let is_open = matches!(self.access.mode, AccessMode::Open);
        let public = self.public_url.as_ref();
        let is_public = public.is_some_and(|url| !is_this_machine(url));
        let is_exposed = is_public || !self.listen.ip().to_canonical().is_loopback();
        let mut remarks = Vec::new();
        if is_open && is_exposed && self.sources.iter().any(|source| !source.passthrough) {
            remarks.push(
                "`public_url` is not this machine, and the gateway authenticates no one: whatever \
                 stands in front must authenticate callers, or set `mode` in [access]"
                    .to_owned(),
            );
        }
        let keyless = self.sources.iter().find(|source| {
            let is_own = !source.is_comfy_cloud();
            source.passthrough && source.kind.provider() == Provider::Comfy && is_own
        });
        if let (true, true, Some(source)) = (is_open, is_exposed, keyless) {
            remarks.push(format!(
                "source `{}` is `passthrough`, but a ComfyUI of one's own knows no keys: unless \
                 something in front of it does, anybody can read and delete there",
                source.name
            ));
        }
        if is_exposed && self.access.rate_limit.is_none() {
            remarks.push(
                "this gateway can be reached from elsewhere and takes any number of requests: set \
                 [access.rate_limit], and `trusted_proxies` where proxies stand in front"
                    .to_owned(),
            );
        }
        remarks
    }
}
