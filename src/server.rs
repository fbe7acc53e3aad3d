//! The way in: router and layers. A request to the graph walks through [`graphql`]; everything
//! else is a page, a picture or a probe.

mod content_negotiation;
mod drain_body;
mod error;
pub mod fuzz_entry;
mod graphql;
mod health;
mod listener;
mod media;
mod memory;
mod origin_policy;
mod session;
mod upload;
mod websocket;

use std::{
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_graphql::parser::types::OperationType;
use axum::{
    Router,
    body::HttpBody,
    extract::{ConnectInfo, Request, rejection::PathRejection},
    http::{HeaderName, HeaderValue},
    middleware::{self, Next},
    response::Response,
    routing::{any, get},
};
use futures_util::FutureExt;
use ipnet::IpNet;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tracing::Instrument;
use url::Url;

use self::{
    error::RequestError,
    graphql::{EncodedResponse, SharedResult},
    listener::{Counted, Peer},
    session::Session,
};
use crate::{
    access::{Access, Budget, Client, RequestLimiter, SlotsByClient},
    asset::SourceName,
    cache::{AssetCache, ResponseCache},
    config::{Config, ConfigError, Limits, Secret},
    document::{DocumentStore, Validator},
    explorer,
    loader::Loader,
    media::MediaUrls,
    schema::{self, FieldCosts, Graph, Operation, Uploads},
    source::{Registry, RequestContext},
    write::{self, UploadBudget, Writer},
};

pub use health::{Probe, probe};

/// Letters of a media secret at least; 32 random ones are right.
const MIN_SECRET: usize = 8;

/// Where the graph is.
const GRAPH: &str = "/graphql";

/// Uploads of a client at once, and files of a source that a client loads at once; more wait.
const UPLOADS: usize = 16;
const FILES: usize = 24;

/// How long running requests may go on after the gateway was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Everything a request works with. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<AppState>);

struct AppState {
    graph: Graph,
    registry: Arc<Registry>,
    asset_cache: Arc<AssetCache>,
    writer: Writer,
    media: MediaUrls,
    limits: Limits,
    documents: DocumentStore,
    answers: ResponseCache<EncodedResponse, SharedResult>,
    explorer: bool,
    introspection: bool,
    hosts: origin_policy::AllowedHosts,
    origins: origin_policy::Origins,
    proxies: Vec<IpNet>,
    access: Access,
    rates: RequestLimiter,
    /// What fields may cause.
    prices: FieldCosts,
    /// Names of request headers that answers of the graph depend on.
    vary: HeaderValue,
    readiness: health::Readiness,
    sockets: websocket::Sockets,
    /// What requests take in memory.
    memory: Budget,
    /// What uploads take on disk.
    spools: Budget,
    /// For uploads of each client.
    upload_places: SlotsByClient<Client>,
    /// For files of a source, of each client.
    media_places: SlotsByClient<(SourceName, Client)>,
}

/// The number a request is known by in answers and logs.
#[derive(Debug, Clone, Copy)]
struct RequestId([u8; 16]);

impl RequestId {
    /// One that no other request of this process has, nor, as good as surely, of another.
    fn new() -> Self {
        static FIRST: LazyLock<u64> = LazyLock::new(|| {
            let mut bytes = [0; 8];
            // Only a label: zeros do where the operating system has no randomness.
            let _ = getrandom::fill(&mut bytes);
            u64::from_ne_bytes(bytes)
        });
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // An odd step meets every number once.
        let step = COUNT.fetch_add(1, Ordering::Relaxed);
        let number = FIRST.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut digits = [0; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            let nibble = (number >> (60 - 4 * place)) as u8 & 0xf;
            *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        }
        Self(digits)
    }

    /// That [`identify`] gave the request.
    fn of(request: &Request) -> Self {
        let given = request.extensions().get().copied();
        given.unwrap_or_else(Self::new)
    }

    fn as_str(&self) -> &str {
        // Hexadecimal digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What log lines of a request stand in.
fn span(client: IpAddr) -> tracing::Span {
    tracing::info_span!("request", %client)
}

impl Gateway {
    /// Connects the configured sources. `address` is where the gateway listens.
    ///
    /// # Errors
    /// When a source's client cannot be made.
    pub fn new(config: Config, address: SocketAddr) -> Result<Self, ConfigError> {
        let secret = config.media_secret.as_ref().map(Secret::expose);
        if secret.is_some_and(|secret| secret.len() < MIN_SECRET) {
            return Err(ConfigError(format!(
                "`media_secret` (ASSET_GATEWAY_MEDIA_SECRET) has fewer than {MIN_SECRET} letters: \
                 a guess opens every file. Take a random one, such as from `openssl \
                 rand -hex 32`"
            )));
        }
        let public_url = config
            .public_url
            .clone()
            .or_else(|| Url::parse(&format!("http://{address}")).ok())
            .ok_or_else(|| ConfigError(format!("{address} makes no address for browsers")))?;
        let (answers, documents) = (config.cache.for_answers(), config.cache.for_documents());
        let asset_cache = AssetCache::new(config.cache);
        let registry = Arc::new(Registry::connect(
            config.sources,
            &key("asset-gateway scopes v1", secret),
        )?);
        Ok(Self(Arc::new(AppState {
            graph: schema::build(),
            documents: DocumentStore::new(
                Validator::new(&schema::sdl(), config.suggestions).map_err(ConfigError)?,
                config.trusted_documents,
                &config.limits,
                documents,
            ),
            prices: FieldCosts::new(|provider| {
                let all = registry.all().iter();
                all.filter(|own| own.profile().provider == provider).count() as u64
            }),
            vary: vary(&registry),
            readiness: health::Readiness::default(),
            sockets: websocket::Sockets::default(),
            memory: Budget::new(config.limits.request_memory_bytes),
            spools: Budget::new(config.limits.spool_bytes),
            upload_places: SlotsByClient::new(UPLOADS),
            media_places: SlotsByClient::new(FILES),
            registry,
            writer: Writer::new(Arc::clone(&asset_cache)),
            answers: ResponseCache::new(Arc::clone(&asset_cache), answers),
            asset_cache,
            media: MediaUrls::new(key("asset-gateway media v1", secret), &public_url),
            limits: config.limits,
            explorer: config.explorer,
            introspection: config.introspection,
            hosts: origin_policy::AllowedHosts::new(
                address,
                &public_url,
                &config.access.allowed_hosts,
            ),
            origins: origin_policy::Origins::new(config.access.cors_origins, &public_url),
            proxies: config.access.trusted_proxies,
            rates: RequestLimiter::new(config.access.rate_limit),
            access: Access::new(config.access.mode)?,
        })))
    }

    /// The sources served.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The routes, with everything that stands before them.
    pub fn router(&self) -> Router {
        let pages = Router::new()
            // People and the graph.
            .route("/", get(explorer_page))
            .route(GRAPH, any(graphql::handle))
            .route("/graphql/ws", any(websocket::handle))
            // Browsers, for what the answers point at.
            .route("/media/{token}", get(media::handle))
            .route("/explorer/{file}", get(explorer_file))
            // Machines that watch over this one.
            .route("/health", get(health::health))
            .route("/ready", get(health::ready))
            .fallback(error::no_such_page)
            .method_not_allowed_fallback(error::no_such_method)
            .with_state(self.clone());
        let pages = match self.0.origins.layer() {
            Some(cors) => pages.layer(cors),
            None => pages,
        };
        pages.layer(middleware::from_fn_with_state(self.clone(), identify))
    }

    /// What one operation works with.
    fn operation(
        &self,
        kind: OperationType,
        files: Option<Arc<dyn write::UploadFiles>>,
        session: &Session,
    ) -> Operation {
        let parts = &self.0;
        let limits = &parts.limits;
        let (time, calls) = match kind {
            OperationType::Mutation => (limits.mutation_deadline, limits.mutation_calls),
            OperationType::Query | OperationType::Subscription => {
                (limits.query_deadline, limits.upstream_calls)
            }
        };
        let context = Arc::new(RequestContext::new(time, calls));
        Operation {
            registry: Arc::clone(&session.registry),
            asset_cache: Arc::clone(&parts.asset_cache),
            writer: parts.writer.on_behalf_of(session.caller.who()),
            caller: session.caller.clone(),
            loader: Loader::new(
                Arc::clone(&session.registry),
                Arc::clone(&parts.asset_cache),
                Arc::clone(&context),
            ),
            context,
            media: parts.media.clone(),
            uploads: Uploads {
                parts: files,
                limit: limits.upload_bytes,
                base64_limit: limits.upload_base64_bytes,
                budget: UploadBudget {
                    client: session.client.clone(),
                    places: parts.upload_places.clone(),
                    spools: parts.spools.clone(),
                },
            },
            ids: limits.ids,
            bulk_delete_ids: limits.bulk_delete_ids,
            writes_json: false,
        }
    }

    /// The asset behind a media address, and what to open it with.
    fn grant(&self, token: &str) -> Result<crate::media::Grant, crate::media::InvalidToken> {
        let registry = &self.0.registry;
        let scope_of = |name: &SourceName| {
            let profile = registry.named(name)?.profile();
            // The gateway has no credential to open anything with.
            (!profile.passthrough).then_some(profile.scope)
        };
        self.0.media.open(token, scope_of, Timestamp::now())
    }
}

/// Names of request headers that answers of the graph depend on (RFC 9110, 12.5.5).
fn vary(registry: &Registry) -> HeaderValue {
    let profiles = registry.all().iter().map(|source| source.profile());
    let names = profiles
        .filter(|profile| profile.passthrough)
        .flat_map(|profile| std::iter::once(&profile.name).chain(&profile.former_names))
        .map(|name| format!(", {}{name}", session::CREDENTIAL));
    let text = format!(
        "accept, accept-encoding, authorization{}",
        names.collect::<String>()
    );
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("*"))
}

/// A key from the configured secret, the same for every instance that has it; else a random one.
fn key(purpose: &'static str, secret: Option<&str>) -> [u8; 32] {
    if let Some(secret) = secret {
        blake3::derive_key(purpose, secret.as_bytes())
    } else {
        let mut key = [0; 32];
        // Only fails where the operating system has no randomness at all; happens at start.
        getrandom::fill(&mut key).expect("the operating system gives random bytes");
        key
    }
}

/// Serves until `stop` is ready, then refuses new connections and operations, and lets those under
/// way finish: requests, operations on sockets, and writes whose clients are gone, all for
/// [`DRAIN`] at most.
pub async fn serve(
    listener: TcpListener,
    gateway: &Gateway,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let AppState {
        limits,
        proxies,
        sockets,
        writer,
        ..
    } = &*gateway.0;
    let mut stopping = sockets.stopping();
    let stop = async move {
        stop.await;
        tracing::info!(
            seconds = DRAIN.as_secs(),
            "stopping: requests and operations under way may finish"
        );
        sockets.stop();
    };
    let finishing = async {
        listener::serve(listener, gateway.router(), limits, proxies, stop).await;
        sockets.closed().await;
        // Also for clients that are gone: the log says how their writes ended.
        writer.settled().await;
    };
    let too_late = async {
        listener::told(&mut stopping).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = finishing => tracing::info!("stopped: all that was under way has finished"),
        () = too_late => {
            tracing::warn!(seconds = DRAIN.as_secs(), "stopped: work still under way is cut off");
            for what in writer.under_way() {
                tracing::warn!(
                    what,
                    "cut off: what became of it is not known beyond the log above"
                );
            }
        }
    }
}

/// Gives the request its id and its span, and the answer the id.
async fn identify(
    axum::extract::State(gateway): axum::extract::State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::new();
    let client = session::address(&gateway, &request);
    // The graph has spans of its own, where there is more to do than to send what is ready.
    let span = if request.uri().path() == GRAPH {
        tracing::Span::none()
    } else {
        span(client)
    };
    request.extensions_mut().insert(id);
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let under_way = peer.map(|peer| peer.0.requests.begin());
    let request = request.map(drain_body::DrainOnDrop::of);
    // A fault of the gateway costs this request alone, and is reported.
    let run = async {
        match origin_policy::check_host(&gateway, &request) {
            Ok(()) => next.run(request).await,
            Err(refusal) => {
                self::span(client).in_scope(|| refusal.log(id));
                refusal.into_response(id)
            }
        }
    };
    let run = AssertUnwindSafe(run).catch_unwind().instrument(span).await;
    let mut response = run.unwrap_or_else(|_| {
        tracing::error!(request.id = %id, %client, "a request failed in the gateway itself");
        RequestError::internal().into_response(id)
    });
    if let Ok(value) = HeaderValue::from_bytes(&id.0) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-request-id"), value);
    }
    match under_way {
        // Small ones leave at once.
        Some(under_way)
            if response
                .body()
                .size_hint()
                .exact()
                .is_none_or(|own| own > SMALL) =>
        {
            response.map(|body| Counted::of(body, under_way))
        }
        _ => response,
    }
}

/// Bytes of an answer that are sent in one go.
const SMALL: u64 = 16 * 1024;

async fn explorer_file(
    axum::extract::State(gateway): axum::extract::State<Gateway>,
    path: Result<axum::extract::Path<String>, PathRejection>,
    headers: axum::http::HeaderMap,
    id: Option<axum::Extension<RequestId>>,
) -> Response {
    let path = path.ok().filter(|_| gateway.0.explorer);
    match path.and_then(|path| explorer::file(&path, &headers)) {
        Some(response) => response,
        None => error::no_such_page(id).await,
    }
}

async fn explorer_page(
    axum::extract::State(gateway): axum::extract::State<Gateway>,
    headers: axum::http::HeaderMap,
    id: Option<axum::Extension<RequestId>>,
) -> Response {
    if gateway.0.explorer {
        explorer::page(&headers)
    } else {
        error::no_such_page(id).await
    }
}
