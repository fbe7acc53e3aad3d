//! Settings: defaults < file < environment < command line, checked before anything starts.
//!
//! Every refusal names the key (or variable), the file and line where there is one, and what
//! would be right. Secrets are [`Secret`]: they cannot be printed, and no message quotes them.

mod access;
mod documents;
mod file;
mod secret;
mod source_table;
mod sources;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use url::Url;

use crate::{asset::Provider, telemetry::Format};

pub use access::{
    AccessConfig, AccessMode, JwksConfig, JwtConfig, KeyConfig, Permission, RateLimit,
};
pub use documents::TrustedDocuments;
pub use secret::Secret;
pub use sources::{
    ComfySource, Environment, PiktidCredential, PiktidSource, PublicEndpoint, ScenarioCredential,
    ScenarioSource, SourceConfig, SourceKind, is_this_machine,
};

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

/// What one request may cost. The defaults are `design.md` §7.
#[derive(Debug, Clone)]
pub struct Limits {
    pub body_bytes: usize,
    pub query_bytes: usize,
    pub nesting: usize,
    pub tokens: usize,
    pub depth: usize,
    pub introspection_depth: usize,
    pub aliases: usize,
    pub root_fields: usize,
    pub directives: usize,
    pub operations: usize,
    /// Selections of an operation, each fragment counted as often as it is spread.
    pub selections: u64,
    /// Lists nested in an introspection (graphql-js's rule is 2).
    pub introspection_lists: u64,
    /// Items of any list in arguments and variables.
    pub list_items: usize,
    /// Values in variables, counted at each use.
    pub values: u64,
    /// Ids that `nodes` and the mutations of tags take at once.
    pub ids: usize,
    /// Ids that a bulk delete takes at once.
    pub bulk_delete_ids: usize,
    /// Operations sent together.
    pub batch: usize,
    /// Operations under way at once on one WebSocket.
    pub socket_operations: usize,
    /// What bodies and variables of all requests take in memory together.
    pub request_memory_bytes: u64,
    /// What uploads that wait on disk take together.
    pub spool_bytes: u64,
    /// Assets and upstream calls that one request may cause.
    pub cost: u64,
    /// One uploaded file.
    pub upload_bytes: u64,
    /// Files of one request.
    pub upload_files: usize,
    /// A file in base64, decoded.
    pub upload_base64_bytes: usize,
    pub upstream_calls: u32,
    /// Upstream calls one mutation may cause.
    pub mutation_calls: u32,
    /// An operation's whole time.
    pub query_deadline: Duration,
    pub mutation_deadline: Duration,
    /// How long a client may take to send its body.
    pub body_deadline: Duration,
    /// Connections at once; others wait.
    pub connections: usize,
    /// Of them, those of one address that is no trusted proxy; others are closed.
    pub connections_per_address: usize,
    /// How long a connection may be silent, or take for the head of a request.
    pub idle: Duration,
    /// How long a client may take for a piece of a file.
    pub upload_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            query_bytes: 16 * 1024,
            nesting: 64,
            tokens: 2_000,
            depth: 12,
            introspection_depth: 20,
            aliases: 50,
            root_fields: 20,
            directives: 5,
            operations: 10,
            selections: 5_000,
            introspection_lists: 2,
            list_items: 2_000,
            values: 200_000,
            ids: 100,
            bulk_delete_ids: 1_000,
            batch: 8,
            socket_operations: 32,
            request_memory_bytes: 64 * 1024 * 1024,
            spool_bytes: 1024 * 1024 * 1024,
            cost: 5_000,
            upload_bytes: 100 * 1024 * 1024,
            upload_files: 10,
            upload_base64_bytes: 512 * 1024,
            upstream_calls: 200,
            mutation_calls: 3_000,
            query_deadline: Duration::from_secs(30),
            mutation_deadline: Duration::from_secs(120),
            body_deadline: Duration::from_secs(30),
            connections: 4_096,
            connections_per_address: 512,
            // Longer than proxies keep theirs, so that none is used while it is being closed.
            idle: Duration::from_secs(75),
            upload_idle: Duration::from_secs(30),
        }
    }
}

/// How much is remembered, and for how long.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// For all that is kept: assets, pages, whole answers, documents.
    pub size_bytes: u64,
    /// Whether whole answers are kept, ready to send.
    pub answers: bool,
    /// Where a source has no times of its own.
    pub freshness: Freshness,
}

impl CacheConfig {
    /// Bytes for whole answers.
    #[must_use]
    pub const fn for_answers(&self) -> u64 {
        if self.answers { self.size_bytes / 4 } else { 0 }
    }

    /// Bytes for documents that were read: no fewer than some take, since clients may send the hash
    /// of one alone.
    #[must_use]
    pub const fn for_documents(&self) -> u64 {
        const LEAST: u64 = 2 * 1024 * 1024;
        let share = self.size_bytes / 4;
        if share < LEAST { LEAST } else { share }
    }

    /// Bytes for what sources said: half for assets, half for pages.
    #[must_use]
    pub const fn for_assets(&self) -> u64 {
        self.size_bytes - self.for_answers() - self.size_bytes / 4
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            size_bytes: 64 * 1024 * 1024,
            answers: true,
            freshness: Freshness::default(),
        }
    }
}

/// For how long what a source said is served. What is not fresh for any time is not kept at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How long a list page is served without asking again.
    pub page_fresh: Duration,
    /// How long after that it is served while it is asked for again.
    pub page_stale: Duration,
    /// The same for an asset.
    pub entity_fresh: Duration,
    pub entity_stale: Duration,
    /// How long "no such asset" is served.
    pub missing_fresh: Duration,
    /// How long after they were fresh pages and assets are served when the source fails.
    pub if_error: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            page_fresh: Duration::from_secs(5),
            page_stale: Duration::from_secs(25),
            entity_fresh: Duration::from_secs(30),
            entity_stale: Duration::from_secs(30),
            missing_fresh: Duration::from_secs(5),
            if_error: Duration::from_secs(600),
        }
    }
}

/// A source's own times, where it has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnFreshness {
    pub page_fresh: Option<Duration>,
    pub page_stale: Option<Duration>,
    pub entity_fresh: Option<Duration>,
    pub entity_stale: Option<Duration>,
    pub missing_fresh: Option<Duration>,
    pub if_error: Option<Duration>,
}

impl Freshness {
    /// With a source's own times in place of these.
    #[must_use]
    pub fn with(self, own: OwnFreshness) -> Self {
        Self {
            page_fresh: own.page_fresh.unwrap_or(self.page_fresh),
            page_stale: own.page_stale.unwrap_or(self.page_stale),
            entity_fresh: own.entity_fresh.unwrap_or(self.entity_fresh),
            entity_stale: own.entity_stale.unwrap_or(self.entity_stale),
            missing_fresh: own.missing_fresh.unwrap_or(self.missing_fresh),
            if_error: own.if_error.unwrap_or(self.if_error),
        }
    }
}

/// Why the settings were refused: one sentence that says where and what would be right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(crate) String);

impl Config {
    /// Reads the file, if one is named, then lets the environment speak.
    ///
    /// # Errors
    /// [`ConfigError`] for an unreadable file, an unknown key, a bad value or a missing secret.
    pub fn load(path: Option<PathBuf>, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let path = path.or_else(|| environment.get("ASSET_GATEWAY_CONFIG").map(PathBuf::from));
        let file = match &path {
            Some(path) => file::read(path)?,
            None => file::File::default(),
        };
        file.into_config(path.as_deref(), environment)
    }

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
