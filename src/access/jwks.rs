//! An issuer's published keys (RFC 7517), read from a file, or fetched and cached.

use std::{
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use jsonwebtoken::{
    DecodingKey, Header,
    jwk::{Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use tokio::time::{Instant, timeout};
use url::Url;

use super::caller::Denied;
use crate::{
    settings::{ConfigError, FilePath, JwksConfig},
    upstream::{Call, Policy, Upstream, UpstreamError},
};

/// The most keys that are read; an issuer has a few.
const MAX_KEYS: usize = 32;
/// The most keys that one token is tried with.
const MAX_TRIED: usize = 4;
/// Fetches allowed in a burst, and the time after which one more is allowed. Any number of tokens
/// may name unknown keys. (The compiler checks that 5 is not 0.)
const FETCH_BURST: NonZeroU32 = NonZeroU32::new(5).unwrap();
const FETCH_INTERVAL: Duration = Duration::from_secs(5);
/// How long a caller waits for a fetch: without a fitting cached key, and with one.
const FETCH_WAIT: Duration = Duration::from_secs(8);
const REFRESH_WAIT: Duration = Duration::from_secs(1);
/// How long keys stay valid after they are no longer fresh, if the issuer is unreachable.
const MAX_STALENESS: Duration = Duration::from_secs(3600);
/// The issuer's keys.
pub struct KeySet {
    cached: RwLock<CachedKeys>,
    /// `None`: the keys are from a file.
    fetcher: Option<Fetcher>,
}

#[derive(Default, Clone)]
struct CachedKeys {
    keys: Arc<[Arc<Key>]>,
    /// When the issuer last confirmed them.
    confirmed: Option<Instant>,
}

struct Key {
    jwk: Jwk,
    decoding: DecodingKey,
}

struct Fetcher {
    upstream: Upstream,
    url: Url,
    fresh: Duration,
    /// The last fetch. The lock allows one fetch at a time.
    last: tokio::sync::Mutex<Option<Fetched>>,
    rate: DefaultDirectRateLimiter,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

/// Reads the keys of a JWK set that can verify signatures here, and ignores the others.
fn read(body: &[u8]) -> Option<Arc<[Arc<Key>]>> {
    let published: Published = serde_json::from_slice(body).ok()?;
    let usable = published.keys.into_iter().filter_map(|jwk| {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let for_signatures = matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        );
        let verifies = |uses: &Vec<KeyOperations>| uses.contains(&KeyOperations::Verify);
        let for_signatures =
            for_signatures && jwk.common.key_operations.as_ref().is_none_or(verifies);
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        for_signatures.then(|| Arc::new(Key { jwk, decoding }))
    });
    Some(usable.take(MAX_KEYS).collect())
}

impl Key {
    /// Whether this key may have signed a token with this header.
    fn fits(&self, header: &Header) -> bool {
        let common = &self.jwk.common;
        let is_named = header.kid.is_none() || header.kid == common.key_id;
        let same = |algorithm: &jsonwebtoken::jwk::KeyAlgorithm| {
            algorithm.to_string() == format!("{:?}", header.alg)
        };
        is_named
            && common.key_algorithm.as_ref().is_none_or(same)
            && self.decoding.family() == header.alg.family()
    }
}

fn read_file(path: &FilePath) -> Result<Arc<[Arc<Key>]>, String> {
    let body = std::fs::read(path)
        .map_err(|error| format!("names {}, which cannot be read: {error}", path.display()))?;
    read(&body)
        .filter(|keys| !keys.is_empty())
        .ok_or_else(|| "must name a JWK set with a public key for signatures".to_owned())
}

impl KeySet {
    pub(super) fn new(config: JwksConfig) -> Result<Self, ConfigError> {
        match config {
            JwksConfig::File(path) => {
                let keys = read_file(&path)
                    .map_err(|rule| ConfigError::new(format!("`jwks_file` {rule}")))?;
                let confirmed = Some(Instant::now());
                Ok(Self {
                    cached: RwLock::new(CachedKeys { keys, confirmed }),
                    fetcher: None,
                })
            }
            JwksConfig::Address {
                url,
                ca_file,
                fresh,
            } => {
                let refuse = |why: String| ConfigError::new(format!("`jwks_url`: {why}"));
                let ca = ca_file.map(|path| {
                    std::fs::read(&path).map_err(|error| {
                        refuse(format!("{} cannot be read: {error}", path.display()))
                    })
                });
                let policy = Policy {
                    attempt: Duration::from_secs(5),
                    in_flight: 1,
                    answer_bytes: 256 * 1024,
                    patience: Duration::from_secs(5),
                    ..Policy::default()
                };
                let quota = Quota::with_period(FETCH_INTERVAL)
                    .ok_or_else(|| refuse("the pause between fetches is zero".to_owned()))?
                    .allow_burst(FETCH_BURST);
                let upstream = Upstream::new("jwks", &url, ca.transpose()?.as_deref(), policy)
                    .map_err(|error| refuse(format!("cannot build the HTTP client: {error}")))?;
                Ok(Self {
                    cached: RwLock::default(),
                    fetcher: Some(Fetcher {
                        upstream,
                        url,
                        fresh,
                        last: tokio::sync::Mutex::default(),
                        rate: RateLimiter::direct(quota),
                    }),
                })
            }
        }
    }

    /// Checks a file with keys.
    ///
    /// # Errors
    /// The rule that the file breaks.
    pub fn check_file(path: &FilePath) -> Result<(), String> {
        read_file(path).map(drop)
    }

    /// Asks the issuer for its keys and returns their number. `None`: they are from a file.
    ///
    /// # Errors
    /// Why there are no keys, in words.
    pub async fn probe(&self) -> Option<Result<usize, String>> {
        let keys = self.fetcher.as_ref()?.fetch_keys().await;
        Some(keys.map(|keys| keys.len()))
    }

    /// The keys that may have signed a token with this header. Fetches the keys if they are old or
    /// none fits, as the issuer may have new ones.
    pub(super) async fn for_token(
        self: &Arc<Self>,
        header: &Header,
    ) -> Result<Vec<DecodingKey>, Denied> {
        let cached = self.cached();
        let found = fitting(&cached, header);
        let Some(fetcher) = &self.fetcher else {
            return Ok(found);
        };
        let age = cached.confirmed.map(|confirmed| confirmed.elapsed());
        if age.is_some_and(|age| age < fetcher.fresh) && !found.is_empty() {
            return Ok(found);
        }
        // Runs in a task: a caller that disconnects does not cancel the fetch for the others.
        let (set, requested_at) = (Arc::clone(self), Instant::now());
        let fetching = tokio::spawn(async move { set.fetch(requested_at).await });
        // Cached keys suffice for a while: an issuer that hangs must not block all callers.
        let wait = if found.is_empty() {
            FETCH_WAIT
        } else {
            REFRESH_WAIT
        };
        // The result is in the cache, or in the log.
        let _ = timeout(wait, fetching).await;
        let cached = self.cached();
        // Revoked keys must expire even if the issuer stays unreachable.
        let is_old = |confirmed: Instant| confirmed.elapsed() > fetcher.fresh + MAX_STALENESS;
        if cached.confirmed.is_none_or(is_old) {
            return Err(Denied::NoKeys);
        }
        Ok(fitting(&cached, header))
    }

    fn cached(&self) -> CachedKeys {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        cached.clone()
    }

    /// Fetches the keys, unless another fetch began since the caller asked, the last one has just
    /// failed, or the rate limit is reached.
    async fn fetch(&self, requested_at: Instant) {
        let Some(fetcher) = &self.fetcher else { return };
        let mut last = fetcher.last.lock().await;
        let is_recent = match *last {
            Some(Fetched::At(time)) => time > requested_at,
            Some(Fetched::Failed(time)) => time.elapsed() < FETCH_INTERVAL,
            None => false,
        };
        if is_recent || fetcher.rate.check().is_err() {
            return;
        }
        let began = Instant::now();
        match fetcher.fetch_keys().await {
            Ok(keys) => {
                let confirmed = Some(began);
                let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
                *cached = CachedKeys { keys, confirmed };
                *last = Some(Fetched::At(began));
            }
            Err(reason) => {
                *last = Some(Fetched::Failed(Instant::now()));
                tracing::warn!(
                    reason,
                    "cannot fetch the token issuer's keys: check `jwks_url` in [access.jwt]"
                );
            }
        }
    }
}

/// The result of the last fetch.
#[derive(Clone, Copy)]
enum Fetched {
    /// It succeeded; when it began.
    At(Instant),
    /// It failed; when it ended.
    Failed(Instant),
}

impl Fetcher {
    async fn fetch_keys(&self) -> Result<Arc<[Arc<Key>]>, String> {
        let call = Call::get("jwks", self.url.clone(), HeaderMap::new());
        let deadline = Instant::now() + Duration::from_secs(8);
        let answer = self.upstream.send(call, deadline).await;
        let answer = answer.map_err(|error: UpstreamError| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("the issuer answered {}", answer.status.as_u16()));
        }
        read(&answer.body)
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| "the answer is no JWK set with a public key for signatures".to_owned())
    }
}

fn fitting(cached: &CachedKeys, header: &Header) -> Vec<DecodingKey> {
    let fitting = cached.keys.iter().filter(|key| key.fits(header));
    let decoding = fitting.map(|key| key.decoding.clone());
    // A token that names no key is tried with a few keys.
    decoding.take(MAX_TRIED).collect()
}
