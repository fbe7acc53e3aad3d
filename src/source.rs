//! What the rest of the house knows of a provider: the [`Source`] trait, what a source can do,
//! why it may fail, and the [`Registry`] of those configured.
//!
//! A new provider is one folder below this one and one line in [`Registry::connect`].

mod answer;
mod comfy;
mod error;
mod filter;
mod piktid;
mod row;
mod scenario;
mod signature;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};
use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::{
    asset::{Asset, AssetId, Provider, Rendition, SourceName},
    config::{ConfigError, SourceConfig, SourceKind},
    upstream::{BodyStream, Policy, Upstream},
};

pub use comfy::parameters::ComfyParameters;
pub use error::SourceError;
pub use filter::{Filter, Narrowed};
pub use piktid::parameters::{Ownership, PiktidParameters};
pub use scenario::parameters::{ScenarioParameters, ScenarioPublicParameters};

/// One configured account or server.
///
/// Methods take what they need of the operation in [`Context`], never more than one source's
/// credential, and never wait past its deadline.
pub trait Source: Send + Sync {
    fn profile(&self) -> &Profile;

    /// What its list is asked for, so that it brings all that fits `filter`, and not much more.
    fn narrow(&self, filter: &Filter) -> Narrowed;

    /// Reads one stretch of the source's list.
    fn list<'a>(
        &'a self,
        request: &'a ListRequest,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Page, SourceError>>;

    /// Reads one asset.
    fn get<'a>(
        &'a self,
        id: &'a str,
        variant: Variant,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Arc<Asset>, SourceError>>;

    /// Reads several assets and gives each as it comes. An id that never comes is gone.
    fn get_many<'a>(
        &'a self,
        ids: &'a [Box<str>],
        variant: Variant,
        context: &'a Context,
    ) -> BoxStream<'a, (Box<str>, Result<Arc<Asset>, SourceError>)>;

    /// Upstream calls that [`Source::get_many`] makes for so many ids.
    fn calls_to_get(&self, ids: usize, variant: Variant) -> usize;

    /// Opens a rendition that a browser cannot load by itself ([`crate::asset::Location::Proxied`]).
    fn media<'a>(
        &'a self,
        asset: &'a Asset,
        rendition: Rendition,
        range: Option<&'a http::HeaderValue>,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<MediaAnswer, SourceError>>;
}

/// [`Source::get_many`] of a source without a batch read: one read an id, as far as the calls in
/// flight allow.
fn fan_out<'a, S: Source>(
    source: &'a S,
    ids: &'a [Box<str>],
    variant: Variant,
    context: &'a Context,
) -> BoxStream<'a, (Box<str>, Result<Arc<Asset>, SourceError>)> {
    let mut reads = Vec::with_capacity(ids.len());
    for id in ids {
        reads.push(async move { (id.clone(), source.get(id, variant, context).await) });
    }
    futures_util::stream::iter(reads)
        .buffer_unordered(source.profile().in_flight)
        .boxed()
}

/// What is known of a source without asking it.
#[derive(Debug)]
pub struct Profile {
    pub name: SourceName,
    pub former_names: Vec<SourceName>,
    pub provider: Provider,
    pub scope: Scope,
    /// How long one page of a merged list waits for this source.
    pub patience: Duration,
    /// Calls in flight.
    pub in_flight: usize,
    pub capabilities: Capabilities,
    /// How its list is paged, for [`crate::connection`].
    pub paging: Paging,
}

/// What a source can do, as its contract says (`upstreams/compare.md` §1).
#[derive(Debug, Clone)]
pub struct Capabilities {
    pub can_upload: bool,
    pub can_tag: bool,
    pub can_note: bool,
    pub can_delete: bool,
    /// Words an asset may be tagged with; `None`: any.
    pub tag_vocabulary: Option<Vec<&'static str>>,
    pub max_tags: Option<u32>,
    pub counts_exactly: bool,
    pub delete_meaning: &'static str,
    /// Largest upload the contract names, in bytes.
    pub max_upload_bytes: Option<u64>,
    /// Assets one call can read by id.
    pub batch_read: u32,
}

/// How a list can be entered in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// By time: `created_before` or `created_after`, then tokens (Scenario).
    Window {
        /// Rows a call can give.
        cap: u32,
        /// The filter's resolution.
        resolution: Duration,
    },
    /// By position (PiktID's pages, Comfy's offsets).
    Index {
        /// Rows a call can give.
        cap: u32,
        /// Rows from any position on that a call gives at least, where there are as many.
        reach: u32,
    },
}

impl Paging {
    /// Rows a call can give.
    #[must_use]
    pub const fn cap(self) -> u32 {
        match self {
            Self::Window { cap, .. } | Self::Index { cap, .. } => cap,
        }
    }
}

/// Whose eyes: a keyed hash of the credential used at a source. Nothing cached under one scope is
/// ever served to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope([u8; 16]);

impl Scope {
    /// The scope of `credential` at the source `name` at `url`. The key is this process's own, so
    /// a scope seen in a core dump does not help guess a credential elsewhere.
    pub(crate) fn of(key: &[u8; 32], name: &SourceName, url: &str, credential: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in [name.as_str(), url, credential] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut scope = [0; 16];
        hasher.finalize_xof().fill(&mut scope);
        Self(scope)
    }

    /// Of a source that takes no credential.
    #[must_use]
    pub const fn none() -> Self {
        Self([0; 16])
    }

    /// For keyed hashes that bind something to this scope.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope(…)")
    }
}

/// What a call to a source may know of the operation that causes it.
#[derive(Debug)]
pub struct Context {
    /// When the operation's answer must be ready.
    pub deadline: Instant,
    /// Upstream calls the operation may still cause.
    calls_left: AtomicU32,
}

impl Context {
    #[must_use]
    pub fn new(deadline: Instant, calls: u32) -> Self {
        Self {
            deadline,
            calls_left: AtomicU32::new(calls),
        }
    }

    /// Takes `calls` from what the operation may cause.
    ///
    /// # Errors
    /// [`SourceError::Exhausted`] when less is left; nothing is taken then.
    pub fn spend(&self, calls: u32) -> Result<(), SourceError> {
        self.calls_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(calls)
            })
            .map(|_| ())
            .map_err(|_| SourceError::Exhausted)
    }
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Newest first: the connection's own order.
    Newest,
    /// Oldest first: read when a client pages backward.
    Oldest,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Newest,
        }
    }
}

/// Whose assets a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The credential's own account.
    Account,
    /// Everybody's public ones (Scenario's public token).
    Public,
}

/// What a list is sorted by. Only [`SortBy::CreatedAt`] is every source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
    Name,
    Size,
    LastAccessTime,
}

/// One stretch of a source's list. Also the cache's key for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListRequest {
    pub audience: Audience,
    pub by: SortBy,
    pub direction: Direction,
    /// Only what was created after this, when the source can (else ignored and re-checked above).
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    pub position: Position,
    /// At least this many rows, up to the source's cap; more may come.
    pub length: u32,
    /// The provider's own filters.
    pub parameters: Parameters,
}

/// Where in the list a stretch begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Position {
    Start,
    /// The source's own token for the next page.
    Token(Box<str>),
    /// Rows to skip.
    Offset(u64),
}

/// A provider's own query parameters, sorted by name: made by its typed `…Parameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Parameters(pub Vec<(&'static str, String)>);

impl Parameters {
    /// Sorted, so that equal filters are equal cache keys.
    #[must_use]
    pub fn new(mut pairs: Vec<(&'static str, String)>) -> Self {
        pairs.sort();
        Self(pairs)
    }
}

/// What one list call brought.
#[derive(Debug)]
pub struct Page {
    /// In the order asked for.
    pub rows: Vec<Row>,
    /// Where the next page begins, for sources that page by token.
    pub next: Option<Box<str>>,
    /// Rows before the first one here, for sources that page by position.
    pub offset: u64,
    /// Nothing follows in this direction.
    pub last: bool,
    /// All rows that match, where the source says.
    pub total: Option<u64>,
    pub fetched_at: Timestamp,
    /// Its assets are what reads by id would give.
    pub primes: bool,
    /// The source asked not to keep it (`Cache-Control: no-store`).
    pub no_store: bool,
}

/// One row of a page.
#[derive(Debug, Clone)]
pub enum Row {
    Asset(Arc<Asset>),
    /// It keeps its slot by what could be read of it, and is reported: never dropped silently.
    Unreadable(Arc<Unreadable>),
}

impl Row {
    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Asset(asset) => asset.weight(),
            Self::Unreadable(_) => 512,
        }
    }
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub upstream_id: Option<Box<str>>,
    pub created_at: Option<Timestamp>,
    /// The JSON path in the answer, such as `assets[3].metadata`.
    pub path: String,
    pub message: String,
}

/// How much of an asset is read by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variant {
    /// As lists give it.
    Plain,
    /// With what costs extra: Scenario's embedding and quality details.
    Full,
}

/// What the media route passes on.
pub enum MediaAnswer {
    /// Elsewhere, loadable without our credential.
    Redirect(String),
    Body {
        status: http::StatusCode,
        headers: http::HeaderMap,
        body: BodyStream,
    },
}

/// The configured sources, in the order of their names.
pub struct Registry {
    sources: Vec<Arc<dyn Source>>,
    /// Current and former names.
    by_name: HashMap<SourceName, usize>,
}

impl Registry {
    /// Connects every configured source (no call is made yet). `scope_key` keys the scopes.
    ///
    /// # Errors
    /// When a source's client cannot be made: an unreadable `ca_file`, a bad address.
    pub fn connect(configs: Vec<SourceConfig>, scope_key: &[u8; 32]) -> Result<Self, ConfigError> {
        let mut sources = configs
            .into_iter()
            .map(|config| -> Result<Arc<dyn Source>, ConfigError> {
                let link = Link::new(&config, scope_key)?;
                Ok(match config.kind {
                    SourceKind::Scenario(kind) => Arc::new(scenario::Scenario::new(link, kind)),
                    SourceKind::Piktid(kind) => Arc::new(piktid::Piktid::new(link, &kind)),
                    SourceKind::Comfy(kind) => Arc::new(comfy::Comfy::new(link, kind)),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        sources.sort_by(|a, b| a.profile().name.cmp(&b.profile().name));
        let by_name = sources
            .iter()
            .enumerate()
            .flat_map(|(index, source)| {
                let profile = source.profile();
                std::iter::once(&profile.name)
                    .chain(&profile.former_names)
                    .map(move |name| (name.clone(), index))
            })
            .collect();
        Ok(Self { sources, by_name })
    }

    /// All sources, in the order of their names.
    #[must_use]
    pub fn all(&self) -> &[Arc<dyn Source>] {
        &self.sources
    }

    /// The source of this current or former name.
    #[must_use]
    pub fn named(&self, name: &SourceName) -> Option<&Arc<dyn Source>> {
        self.sources.get(*self.by_name.get(name)?)
    }

    /// The id under the source's current name: entities are cached and answered under that.
    #[must_use]
    pub fn current(&self, id: AssetId) -> Option<AssetId> {
        let source = self.named(&id.source)?.profile().name.clone();
        Some(AssetId { source, ..id })
    }
}

/// What every provider's client starts from.
struct Link {
    config: SourceConfig,
    upstream: Upstream,
    in_flight: usize,
    scope_key: [u8; 32],
}

impl Link {
    fn new(config: &SourceConfig, scope_key: &[u8; 32]) -> Result<Self, ConfigError> {
        let ca = config
            .ca_file
            .as_ref()
            .map(|path| {
                std::fs::read(path).map_err(|error| {
                    ConfigError(format!(
                        "source `{}`: `ca_file` {} cannot be read: {error}",
                        config.name,
                        path.display()
                    ))
                })
            })
            .transpose()?;
        let policy = Policy::default();
        let in_flight = policy.in_flight;
        let upstream = Upstream::new(config.name.as_str(), &config.url, ca.as_deref(), policy)
            .map_err(|error| {
                ConfigError(format!(
                    "source `{}` cannot be set up: {error}. Check `ca_file` and the system's \
                     certificates",
                    config.name
                ))
            })?;
        Ok(Self {
            config: config.clone(),
            upstream,
            in_flight,
            scope_key: *scope_key,
        })
    }

    /// The profile of a source that uses `credential`.
    fn profile(&self, credential: &str, capabilities: Capabilities, paging: Paging) -> Profile {
        let config = &self.config;
        Profile {
            name: config.name.clone(),
            former_names: config.former_names.clone(),
            provider: config.kind.provider(),
            scope: Scope::of(
                &self.scope_key,
                &config.name,
                config.url.as_str(),
                credential,
            ),
            patience: config.patience,
            in_flight: self.in_flight,
            capabilities,
            paging,
        }
    }
}

impl Link {
    /// The source's address plus `segments` (escaped) and `pairs`.
    fn url(&self, segments: &[&str], pairs: &[(&str, String)]) -> Url {
        let mut url = self.config.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        url
    }
}

/// A header value that logs never show. Configuration made sure that it fits a header.
fn secret_header(text: &str) -> http::HeaderValue {
    let mut value =
        http::HeaderValue::from_str(text).unwrap_or_else(|_| http::HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
