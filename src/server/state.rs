//! The state that all requests share, built once from the configuration.

use std::{net::SocketAddr, sync::Arc};

use axum::http::HeaderValue;
use ipnet::IpNet;
use jiff::Timestamp;
use url::Url;

use super::{
    graphql::{encoded_response::EncodedResponse, outcome::SharedResult},
    origin_policy::{AllowedHosts, Origins},
    readiness::Readiness,
    websocket::sockets::Sockets,
};
use crate::{
    access::{Access, Budget, Client, RequestLimiter, SlotsByClient},
    asset::SourceName,
    cache::{AssetCache, ResponseCache},
    config::Config,
    document::{DocumentStore, Validator},
    media::{Grant, InvalidToken, MediaUrls},
    providers,
    schema::{self, FieldCosts, Graph},
    settings::{ConfigError, Limits, Secret},
    source::Registry,
    write::Writer,
};

/// The prefix of the headers that carry callers' own credentials; a source's name follows.
pub const CREDENTIAL_HEADER_PREFIX: &str = "x-asset-source-";

/// The most concurrent uploads per client, and files per client and source. Further ones wait.
const UPLOADS: usize = 16;
const FILES: usize = 24;

/// The state that all requests share. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(pub(super) Arc<AppState>);

pub struct AppState {
    pub(super) graph: Graph,
    pub(super) registry: Arc<Registry>,
    pub(super) asset_cache: Arc<AssetCache>,
    pub(super) writer: Writer,
    pub(super) media: MediaUrls,
    pub(super) limits: Limits,
    pub(super) documents: DocumentStore,
    pub(super) answers: ResponseCache<EncodedResponse, SharedResult>,
    pub(super) explorer: bool,
    pub(super) introspection: bool,
    pub(super) hosts: AllowedHosts,
    pub(super) origins: Origins,
    pub(super) proxies: Vec<IpNet>,
    pub(super) access: Access,
    pub(super) rates: RequestLimiter,
    /// The cost of each field.
    pub(super) field_costs: FieldCosts,
    /// The `Vary` header of graph responses: the request headers that they depend on.
    pub(super) vary: HeaderValue,
    pub(super) readiness: Readiness,
    pub(super) sockets: Sockets,
    /// The memory that requests use.
    pub(super) memory: Budget,
    /// The disk space that uploads use.
    pub(super) spools: Budget,
    /// The upload slots of each client.
    pub(super) upload_slots: SlotsByClient<Client>,
    /// The slots for loading a source's files, per client.
    pub(super) media_places: SlotsByClient<(SourceName, Client)>,
}

impl Gateway {
    /// Connects the configured sources. `address` is where the gateway listens.
    ///
    /// # Errors
    /// [`ConfigError`]: `address` gives no valid URL, the access mode is invalid, or a source's
    /// client or the validator cannot be built.
    pub fn new(config: Config, address: SocketAddr) -> Result<Self, ConfigError> {
        let secret = config.media_secret.as_ref().map(Secret::expose);
        let public_url = config
            .public_url
            .clone()
            // Without the zone of an IPv6 address, which a URL cannot have.
            .or_else(|| {
                let address = SocketAddr::new(address.ip(), address.port());
                Url::parse(&format!("http://{address}")).ok()
            })
            .ok_or_else(|| {
                ConfigError::new(format!("http://{address} is no URL: set `public_url`"))
            })?;
        let (answers, documents) = (config.cache.response_bytes(), config.cache.document_bytes());
        let asset_cache = AssetCache::new(config.cache);
        let registry = Arc::new(providers::connect(
            config.sources,
            &key("asset-gateway scopes v1", secret),
        )?);
        Ok(Self(Arc::new(AppState {
            graph: schema::build(),
            documents: DocumentStore::new(
                Validator::new(&schema::sdl(), config.suggestions).map_err(ConfigError::new)?,
                config.trusted_documents,
                &config.limits,
                documents,
            ),
            field_costs: FieldCosts::new(|provider| {
                let sources = registry.all().iter();
                sources
                    .filter(|source| source.profile().provider == provider)
                    .count() as u64
            }),
            vary: vary(&registry),
            readiness: Readiness::default(),
            sockets: Sockets::default(),
            memory: Budget::new(config.limits.request_memory_bytes),
            spools: Budget::new(config.limits.spool_bytes),
            upload_slots: SlotsByClient::new(UPLOADS),
            media_places: SlotsByClient::new(FILES),
            registry,
            writer: Writer::new(Arc::clone(&asset_cache)),
            answers: ResponseCache::new(Arc::clone(&asset_cache), answers),
            asset_cache,
            media: MediaUrls::new(key("asset-gateway media v1", secret), &public_url),
            limits: config.limits,
            explorer: config.explorer,
            introspection: config.introspection,
            hosts: AllowedHosts::new(address, &public_url, &config.access.allowed_hosts),
            origins: Origins::new(config.access.cors_origins, &public_url),
            proxies: config.access.trusted_proxies,
            rates: RequestLimiter::new(config.access.rate_limit),
            access: Access::new(config.access.mode)?,
        })))
    }

    /// Asks the token issuer for its keys and returns their number. `None`: there is no issuer to
    /// ask.
    ///
    /// # Errors
    /// Why there are no keys, in words.
    pub async fn probe_issuer(&self) -> Option<Result<usize, String>> {
        self.0.access.probe_issuer().await
    }

    /// The sources that this gateway serves.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Opens a media token: returns the asset and the rendition that it grants.
    pub(super) fn grant(&self, token: &str) -> Result<Grant, InvalidToken> {
        let registry = &self.0.registry;
        let scope_of = |name: &SourceName| {
            let profile = registry.named(name)?.profile();
            // The gateway has no credential for a passthrough source.
            (!profile.passthrough).then_some(profile.scope)
        };
        self.0.media.open(token, scope_of, Timestamp::now())
    }
}

/// The `Vary` value of graph responses (RFC 9110, 12.5.5): the request headers they depend on.
fn vary(registry: &Registry) -> HeaderValue {
    let profiles = registry.all().iter().map(|source| source.profile());
    let names = profiles
        .filter(|profile| profile.passthrough)
        .flat_map(|profile| std::iter::once(&profile.name).chain(&profile.former_names))
        .map(|name| format!(", {CREDENTIAL_HEADER_PREFIX}{name}"));
    let text = format!(
        "accept, accept-encoding, authorization{}",
        names.collect::<String>()
    );
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("*"))
}

/// Derives a key from the configured secret, equal on all instances. Without one: a random key.
fn key(purpose: &'static str, secret: Option<&str>) -> [u8; 32] {
    if let Some(secret) = secret {
        blake3::derive_key(purpose, secret.as_bytes())
    } else {
        let mut key = [0; 32];
        // Fails only if the operating system has no randomness at all. Runs at startup only.
        getrandom::fill(&mut key).expect("the operating system gives random bytes");
        key
    }
}
