//! The API client that every provider's source uses: its URLs, its writes and its breakers.

use std::{
    collections::HashMap,
    future::ready,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use url::Url;

use super::{
    common_config::CommonConfig,
    decode::{response, row_cache::RowCache},
};
use crate::{
    settings::{ConfigError, Secret},
    source::{Capabilities, CredentialScope, RequestContext, SourceError, SourceInfo},
    upstream::{Answer, Breaker, Call, Content, EgressPolicy, Health, Paces, Policy, Upstream},
};

/// A source's response to a file.
pub struct UploadReply {
    pub answer: Answer,
    /// The whole file was sent before the response arrived.
    pub is_whole: bool,
}

/// Wait after a 429 that names no time.
const A_MOMENT: Duration = Duration::from_secs(1);

/// One source's API client, which every provider's client builds on.
#[derive(Clone)]
pub struct ApiClient {
    pub config: CommonConfig,
    pub upstream: Upstream,
    pub in_flight: usize,
    pub scope_key: [u8; 32],
    /// The limits on calls per second, shared by all sources.
    pub paces: Paces,
    pub row_cache: Arc<RowCache>,
    /// Breakers of the callers who bring a credential, by its scope.
    breakers: Breakers,
}

/// Maximum number of callers whose breakers are kept.
const MANY: usize = 1_024;

/// One breaker per scope: failures with one caller's credential say nothing about another's.
#[derive(Clone, Default)]
struct Breakers(Arc<Mutex<HashMap<CredentialScope, Breaker>>>);

impl Breakers {
    fn of(&self, scope: CredentialScope) -> Breaker {
        // The map changes by single insertions, so a panic elsewhere cannot leave it half-changed.
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !breakers.contains_key(&scope) && breakers.len() >= MANY {
            breakers.retain(|_, breaker| breaker.health() != Health::default());
            // The breakers start anew: they notice a failing source again.
            if breakers.len() >= MANY {
                breakers.clear();
            }
        }
        breakers.entry(scope).or_default().clone()
    }
}

impl ApiClient {
    /// The same client for a caller who brings this credential.
    #[must_use]
    pub fn for_caller(&self, credential: &Secret) -> Self {
        let scope = CredentialScope::of(
            &self.scope_key,
            &self.config.name,
            self.config.url.as_str(),
            credential.expose(),
        );
        Self {
            upstream: self.upstream.with_breaker(self.breakers.of(scope)),
            ..self.clone()
        }
    }

    /// Builds the client, without a call.
    ///
    /// # Errors
    /// [`ConfigError`]: `ca_file` cannot be read, or holds no certificates.
    pub fn new(
        config: &CommonConfig,
        scope_key: &[u8; 32],
        paces: &Paces,
    ) -> Result<Self, ConfigError> {
        let ca = config
            .ca_file
            .as_ref()
            .map(|path| {
                std::fs::read(path).map_err(|error| {
                    ConfigError::new(format!(
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
            egress: match &config.storage_hosts {
                None => EgressPolicy::Public,
                Some(hosts) => EgressPolicy::Hosts(hosts.clone()),
            },
            is_payment_429: config.is_payment_429,
            ..Policy::default()
        };
        let in_flight = policy.in_flight;
        let upstream = Upstream::new(config.name.as_str(), &config.url, ca.as_deref(), policy)
            .map_err(|error| {
                ConfigError::new(format!(
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
            row_cache: Arc::default(),
            breakers: Breakers::default(),
        })
    }

    /// Returns the profile of the source with `credential`.
    pub fn profile(&self, credential: &str, capabilities: Capabilities) -> SourceInfo {
        let config = &self.config;
        SourceInfo {
            name: config.name.clone(),
            former_names: config.former_names.clone(),
            provider: config.provider,
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

    /// Sends a write and returns its response, with any status. A 429 means that nothing was done.
    /// Unless it is about payment, the call waits and repeats while there is time.
    ///
    /// # Errors
    /// - [`SourceError::UnknownOutcome`]: the call was sent, but no complete response came.
    /// - [`SourceError::NotTried`]: no time was left to send it.
    /// - [`SourceError::NotCalled`] or [`SourceError::Unavailable`]: nothing was sent.
    pub async fn write(&self, call: Call, context: &RequestContext) -> Result<Answer, SourceError> {
        loop {
            let answer = self.write_once(call.clone(), context).await?;
            let wait = match response::refusal(answer.status, &answer.headers, &answer.body) {
                SourceError::RateLimited { retry_after }
                    if !(self.config.is_payment_429)(&answer.body) =>
                {
                    retry_after.unwrap_or(A_MOMENT)
                }
                _ => return Ok(answer),
            };
            let is_too_late = Instant::now() + wait >= context.last_start();
            if is_too_late || context.spend(1).is_err() {
                return Ok(answer);
            }
            tokio::time::sleep(wait.max(Duration::from_millis(50))).await;
        }
    }

    /// Sends a write once and returns its response, with any status.
    ///
    /// # Errors
    /// Those of [`SourceError::of_write`], if no complete response came.
    pub async fn write_once(
        &self,
        call: Call,
        context: &RequestContext,
    ) -> Result<Answer, SourceError> {
        let answer = self.upstream.send(call, context.deadline()).await;
        answer.map_err(SourceError::of_write)
    }

    /// Streams a file to the source once and returns the response, with any status.
    ///
    /// # Errors
    /// - Those of [`SourceError::of_write`]: the whole file was sent, but no complete response
    ///   came.
    /// - Any other: the file was not sent whole, so it has no effect.
    pub async fn push(
        &self,
        call: Call,
        mut content: Content,
        context: &RequestContext,
    ) -> Result<UploadReply, SourceError> {
        let sent_whole = Arc::new(AtomicBool::new(false));
        let (flag, mut bytes_left) = (Arc::clone(&sent_whole), content.length);
        content.bytes = content
            .bytes
            .map(Some)
            .chain(stream::once(async { None }))
            .filter_map(move |piece| {
                if let (Some(bytes_left), Some(Ok(bytes))) = (&mut bytes_left, &piece) {
                    *bytes_left = bytes_left.saturating_sub(bytes.len() as u64);
                }
                // With a length, the reader never polls past the last byte.
                if piece.is_none() || bytes_left == Some(0) {
                    flag.store(true, Ordering::Relaxed);
                }
                ready(piece)
            })
            .boxed();
        let sent = self
            .upstream
            .push(call, content, || context.deadline())
            .await;
        let is_whole = sent_whole.load(Ordering::Relaxed);
        match sent {
            Ok(answer) => Ok(UploadReply { answer, is_whole }),
            Err(error) if is_whole => Err(SourceError::of_write(error)),
            Err(error) => Err(SourceError::from(error)),
        }
    }

    /// Parses a presigned URL from the source. If the source itself uses https, so does the result:
    /// no file is sent unencrypted.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] at `path`: the text is no http or https URL.
    pub fn presigned(&self, text: &str, path: &str) -> Result<Url, SourceError> {
        let malformed = || SourceError::Malformed {
            status: 200,
            path: path.to_owned(),
            message: "not an http or https URL".to_owned(),
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

    /// Returns the source's base URL with `segments` (escaped) and `pairs` appended.
    ///
    /// # Errors
    /// [`SourceError::Invalid`]: a segment would not stay one, so the call would reach another
    /// route with the source's credential.
    pub fn url(&self, segments: &[&str], pairs: &[(&str, String)]) -> Result<Url, SourceError> {
        let mut url = self.config.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !ends_with(&url, &self.config.url, segments) {
            return Err(SourceError::Invalid(
                "the id cannot be part of a URL: it has control characters or consists of dots"
                    .to_owned(),
            ));
        }
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(url)
    }
}

/// Whether a URL's path is that of `base` plus exactly these segments. URL parsers drop some
/// characters and resolve dot segments.
fn ends_with(url: &Url, base: &Url, segments: &[&str]) -> bool {
    let segments_of = |url: &Url| -> Vec<String> {
        let segments_of = url.path_segments().into_iter().flatten();
        segments_of.map(str::to_owned).collect()
    };
    let (mut expected, actual_segments) = (segments_of(base), segments_of(url));
    expected.pop_if(|last| last.is_empty());
    let is_base = actual_segments.starts_with(&expected);
    let actual = actual_segments.get(expected.len()..).unwrap_or_default();
    is_base
        && actual.len() == segments.len()
        && actual
            .iter()
            .zip(segments)
            .all(|(actual, segment)| percent_decode_str(actual).eq(segment.bytes()))
}

/// Makes a header value that logs never show. The configuration has checked the text.
pub fn secret_header(text: &str) -> http::HeaderValue {
    let mut value =
        http::HeaderValue::from_str(text).unwrap_or_else(|_| http::HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
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
