//! The configured sources, and what every provider's client starts from.

use std::{
    collections::{HashMap, HashSet},
    future::ready,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ahash::RandomState;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use url::Url;

use super::{
    Capabilities, CredentialScope, RequestContext, Source, SourceError, SourceInfo, comfy, piktid,
    response, row_cache::KnownRows, scenario, unauthenticated::Locked,
};
use crate::{
    asset::{Provider, SourceName},
    config::{ConfigError, Secret, SourceConfig, SourceKind},
    upstream::{Answer, Breaker, Call, Content, EgressPolicy, Health, Paces, Policy, Upstream},
};

/// What a source said of a file.
pub struct UploadReply {
    pub answer: Answer,
    /// All of it was sent by then.
    pub is_whole: bool,
}

/// Waited after a 429 that does not say how long.
const A_MOMENT: Duration = Duration::from_secs(1);

/// The configured sources, in the order of their names.
pub struct Registry {
    sources: Vec<Arc<dyn Source>>,
    /// Current and former names.
    by_name: Arc<HashMap<SourceName, usize, RandomState>>,
    /// Of sources whose callers bring credentials.
    passthrough: HashMap<SourceName, ApiClient>,
}

/// A caller's credential that nothing can be done with. Messages do not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongCredential {
    #[error("`x-asset-source-{0}` names no source of this gateway: `sources` lists them")]
    NoSuchSource(SourceName),
    #[error(
        "source `{0}` is used with the gateway's own credential, not with yours: leave \
         `x-asset-source-{0}` out"
    )]
    NotWanted(SourceName),
    #[error("there is more than one credential for source `{0}`: send one")]
    Twice(SourceName),
}

impl Registry {
    /// Connects every configured source (no call is made yet). `scope_key` keys the scopes.
    ///
    /// # Errors
    /// When a source's client cannot be made: an unreadable `ca_file`, a bad address.
    pub fn connect(configs: Vec<SourceConfig>, scope_key: &[u8; 32]) -> Result<Self, ConfigError> {
        let paces = Paces::default();
        let mut passthrough = HashMap::new();
        let mut sources = configs
            .into_iter()
            .map(|config| -> Result<Arc<dyn Source>, ConfigError> {
                let link = ApiClient::new(&config, scope_key, &paces)?;
                if !config.passthrough {
                    return Ok(link.source(config.kind));
                }
                passthrough.insert(config.name.clone(), link.clone());
                Ok(Arc::new(Locked(link.source(config.kind))))
            })
            .collect::<Result<Vec<_>, _>>()?;
        sources.sort_by(|a, b| a.profile().name.cmp(&b.profile().name));
        let by_name: HashMap<_, _, _> = sources
            .iter()
            .enumerate()
            .flat_map(|(index, source)| {
                let profile = source.profile();
                std::iter::once(&profile.name)
                    .chain(&profile.former_names)
                    .map(move |name| (name.clone(), index))
            })
            .collect();
        Ok(Self {
            sources,
            by_name: Arc::new(by_name),
            passthrough,
        })
    }

    /// The same sources as somebody sees them who brings `credentials`, each for the source of a
    /// current or former name. They live as long as the registry that is returned.
    ///
    /// # Errors
    /// [`WrongCredential`] for a source that takes none, is not there, or is named twice.
    pub fn with(&self, credentials: Vec<(SourceName, Secret)>) -> Result<Self, WrongCredential> {
        let mut sources = self.sources.clone();
        let mut given = HashSet::new();
        for (name, credential) in credentials {
            let index = self.by_name.get(&name);
            let place = index.and_then(|index| sources.get_mut(*index));
            let Some(place) = place else {
                return Err(WrongCredential::NoSuchSource(name));
            };
            let current = place.profile().name.clone();
            let Some(link) = self.passthrough.get(&current) else {
                return Err(WrongCredential::NotWanted(current));
            };
            if !given.insert(current.clone()) {
                return Err(WrongCredential::Twice(current));
            }
            *place = link.for_caller(credential);
        }
        Ok(Self {
            sources,
            by_name: Arc::clone(&self.by_name),
            passthrough: HashMap::new(),
        })
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
}

/// What every provider's client starts from.
#[derive(Clone)]
pub struct ApiClient {
    pub config: SourceConfig,
    pub upstream: Upstream,
    pub in_flight: usize,
    pub scope_key: [u8; 32],
    /// Shared by all sources.
    pub paces: Paces,
    pub known: Arc<KnownRows>,
    /// Of callers who bring a credential, by it.
    breakers: Breakers,
}

/// Callers whose breakers are kept at most.
const MANY: usize = 1_024;

/// A breaker for each scope: what fails for one caller's credential says nothing of another's.
#[derive(Clone, Default)]
struct Breakers(Arc<Mutex<HashMap<CredentialScope, Breaker>>>);

impl Breakers {
    fn of(&self, scope: CredentialScope) -> Breaker {
        // Single insertions: a panic elsewhere cannot leave them half-changed.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(&scope) && all.len() >= MANY {
            all.retain(|_, breaker| breaker.health() != Health::default());
            // They begin anew: a source that fails is noticed again.
            if all.len() >= MANY {
                all.clear();
            }
        }
        all.entry(scope).or_default().clone()
    }
}

impl ApiClient {
    /// The source as a caller sees it who brings this credential.
    fn for_caller(&self, credential: Secret) -> Arc<dyn Source> {
        let scope = CredentialScope::of(
            &self.scope_key,
            &self.config.name,
            self.config.url.as_str(),
            credential.expose(),
        );
        let link = Self {
            upstream: self.upstream.with_breaker(self.breakers.of(scope)),
            ..self.clone()
        };
        link.source(self.config.kind.clone().with(credential))
    }

    /// The provider's client.
    fn source(&self, kind: SourceKind) -> Arc<dyn Source> {
        let link = self.clone();
        match kind {
            SourceKind::Scenario(kind) => Arc::new(scenario::Scenario::new(link, kind)),
            SourceKind::Piktid(kind) => Arc::new(piktid::Piktid::new(link, &kind)),
            SourceKind::Comfy(kind) => Arc::new(comfy::Comfy::new(link, kind)),
        }
    }

    pub fn new(
        config: &SourceConfig,
        scope_key: &[u8; 32],
        paces: &Paces,
    ) -> Result<Self, ConfigError> {
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
        let policy = Policy {
            connect: config.connect,
            attempt: config.attempt,
            in_flight: config.in_flight,
            patience: config.patience,
            elsewhere: match &config.storage_hosts {
                None => EgressPolicy::Public,
                Some(hosts) => EgressPolicy::Hosts(hosts.clone()),
            },
            // Comfy Cloud's is about money (comfy.md 1 [docs]).
            waits_out_429: config.kind.provider() != Provider::Comfy,
            ..Policy::default()
        };
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
            paces: paces.clone(),
            known: Arc::default(),
            breakers: Breakers::default(),
        })
    }

    /// The profile of a source that uses `credential`.
    pub fn profile(&self, credential: &str, capabilities: Capabilities) -> SourceInfo {
        let config = &self.config;
        SourceInfo {
            name: config.name.clone(),
            former_names: config.former_names.clone(),
            provider: config.kind.provider(),
            scope: CredentialScope::of(
                &self.scope_key,
                &config.name,
                config.url.as_str(),
                credential,
            ),
            patience: config.patience,
            in_flight: self.in_flight,
            freshness: config.freshness,
            passthrough: config.passthrough,
            authenticated: !credential.is_empty(),
            capabilities,
        }
    }
}

impl ApiClient {
    /// Sends a write and gives its answer, whatever its status. 429 says that nothing was done: it is
    /// waited out as long as there is time.
    ///
    /// # Errors
    /// [`SourceError::of_write`] when no complete answer came.
    pub async fn write(
        &self,
        operation: &'static str,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<String>,
        context: &RequestContext,
    ) -> Result<Answer, SourceError> {
        loop {
            let (method, url, headers, body) =
                (method.clone(), url.clone(), headers.clone(), body.clone());
            let sent = self.write_once(operation, method, url, headers, body, context);
            let answer = sent.await?;
            let wait = match response::refusal(answer.status, &answer.headers, &answer.body) {
                SourceError::RateLimited { retry_after } => retry_after.unwrap_or(A_MOMENT),
                _ => return Ok(answer),
            };
            let is_too_late = Instant::now() + wait >= context.last_start();
            if is_too_late || context.spend(1).is_err() {
                return Ok(answer);
            }
            tokio::time::sleep(wait.max(Duration::from_millis(50))).await;
        }
    }

    /// Sends a write once and gives its answer, whatever its status.
    ///
    /// # Errors
    /// [`SourceError::of_write`] when no complete answer came.
    pub async fn write_once(
        &self,
        operation: &'static str,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<String>,
        context: &RequestContext,
    ) -> Result<Answer, SourceError> {
        let call = match body {
            Some(body) => Call::json(operation, method, url, headers, Bytes::from(body)),
            None => Call::write(operation, method, url, headers),
        };
        let answer = self.upstream.send(call, context.deadline()).await;
        answer.map_err(SourceError::of_write)
    }

    /// Sends a file as it comes and gives the answer, whatever its status. Never repeated.
    ///
    /// # Errors
    /// When no complete answer came: where the file was not sent whole, nothing has come of it; else
    /// [`SourceError::of_write`].
    pub async fn push(
        &self,
        operation: &'static str,
        method: Method,
        url: Url,
        headers: HeaderMap,
        mut content: Content,
        context: &RequestContext,
    ) -> Result<UploadReply, SourceError> {
        let whole = Arc::new(AtomicBool::new(false));
        let (flag, mut left) = (Arc::clone(&whole), content.length);
        content.bytes = content
            .bytes
            .map(Some)
            .chain(stream::once(async { None }))
            .filter_map(move |piece| {
                if let (Some(left), Some(Ok(bytes))) = (&mut left, &piece) {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                // With a length the reader asks for no more than that.
                if piece.is_none() || left == Some(0) {
                    flag.store(true, Ordering::Relaxed);
                }
                ready(piece)
            })
            .boxed();
        let call = Call::write(operation, method, url, headers);
        let sent = self
            .upstream
            .push(call, content, || context.deadline())
            .await;
        let is_whole = whole.load(Ordering::Relaxed);
        match sent {
            Ok(answer) => Ok(UploadReply { answer, is_whole }),
            Err(error) if is_whole => Err(SourceError::of_write(error)),
            Err(error) => Err(SourceError::from(error)),
        }
    }

    /// An address that the source gave for a file's bytes. What the source itself speaks over TLS
    /// goes nowhere in the clear (piktid.md 4.3).
    ///
    /// # Errors
    /// [`SourceError::Malformed`] at `path` when it is none.
    pub fn presigned(&self, text: &str, path: &str) -> Result<Url, SourceError> {
        let malformed = || SourceError::Malformed {
            status: 200,
            path: path.to_owned(),
            message: "no http or https address".to_owned(),
        };
        let mut url = Url::parse(text).map_err(|_| malformed())?;
        if url.scheme() == "http" && self.config.url.scheme() == "https" {
            url.set_scheme("https").map_err(|()| malformed())?;
        }
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(malformed());
        }
        Ok(url)
    }

    /// The source's address plus `segments` (escaped) and `pairs`.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] where a segment is none: the address would lead to another route,
    /// with the source's credential.
    pub fn url(&self, segments: &[&str], pairs: &[(&str, String)]) -> Result<Url, SourceError> {
        let mut url = self.config.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !ends_with(&url, &self.config.url, segments) {
            return Err(SourceError::Invalid(
                "an id that is no part of an address: it has control characters, or dots alone"
                    .to_owned(),
            ));
        }
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(url)
    }
}

/// Whether a path is that of `base` and then these segments, each come back as it went in: parsers
/// of addresses drop some characters, and take dots for steps.
fn ends_with(url: &Url, base: &Url, segments: &[&str]) -> bool {
    let all = |url: &Url| -> Vec<String> {
        let all = url.path_segments().into_iter().flatten();
        all.map(str::to_owned).collect()
    };
    let (mut expected, found) = (all(base), all(url));
    expected.pop_if(|last| last.is_empty());
    let is_base = found.starts_with(&expected);
    let own = found.get(expected.len()..).unwrap_or_default();
    is_base
        && own.len() == segments.len()
        && own
            .iter()
            .zip(segments)
            .all(|(own, segment)| percent_decode_str(own).eq(segment.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_segments_it_was_given() {
        for base in ["http://h/", "http://h/v1", "http://h/v1/"] {
            let base = Url::parse(base).expect("an address");
            let with = |segments: &[&str]| {
                let mut url = base.clone();
                if let Ok(mut path) = url.path_segments_mut() {
                    path.pop_if_empty().extend(segments);
                }
                ends_with(&url, &base, segments)
            };
            for good in ["a", "a b", "a/b", "ü", "%2e", "a%00", "...", "?x#y", "\\"] {
                assert!(with(&["assets", good]), "{good}");
                assert!(with(&["assets", good, "tags"]), "{good}");
            }
            for bad in [".", "..", "\t", "\n", "\r\n", "a\tb", ".\t.", "%2e\n"] {
                assert!(!with(&["assets", bad]), "{bad:?}");
                assert!(!with(&["assets", bad, "tags"]), "{bad:?}");
            }
        }
    }
}
