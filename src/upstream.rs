//! The HTTP client for all upstream calls. It knows HTTP, not assets.
//!
//! - [`Upstream::send`] reads a small response whole.
//! - [`Upstream::open`] streams a response body. [`Upstream::push`] streams a request body.
//! - Each waits for a concurrency slot, keeps to the deadline, and records a span.
//! - No call follows a redirect or keeps a cookie.
//! - [`retry`] repeats safe calls within a budget.
//! - [`circuit_breaker`] pauses calls to a source that keeps failing.

mod answer;
mod call;
mod circuit_breaker;
mod egress;
mod error;
mod open_answer;
mod pacing;
mod policy;
mod redact;
mod retry;
mod slots;
mod upload;

use std::{
    sync::{Arc, OnceLock, atomic::AtomicUsize},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tracing::Instrument;
use url::Url;

use answer::read_answer;
use circuit_breaker::Permit;
use egress::PublicNames;
use open_answer::MAX_BUFFERED_BODIES;
use slots::{Waiting, permit};

use crate::settings::{FilePath, is_this_machine};

pub use answer::Answer;
pub use call::Call;
pub use circuit_breaker::{Breaker, Failure, Health, Openings, Status, Subject};
pub use egress::EgressPolicy;
pub use error::UpstreamError;
pub use open_answer::{BodyStream, OpenAnswer};
pub use pacing::{Pace, Paces};
pub use policy::Policy;
pub use redact::SentSecrets;
pub use retry::retry_after;
pub use upload::{Content, Form};

/// The rule for `ca_file`.
const BAD_CERTIFICATES: &str =
    "must name a file with certificates in PEM: `-----BEGIN CERTIFICATE`";

/// The HTTP client of one source. Cheap to clone: clones share connections and limits.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The source's name, for spans.
    name: Arc<str>,
    client: reqwest::Client,
    policy: Arc<Policy>,
    call_slots: Arc<Semaphore>,
    /// Slots for streamed bodies. Separate from `call_slots`: slow file readers block no list.
    streams: Arc<Semaphore>,
    /// Slots for bodies that are buffered whole.
    whole: Arc<Semaphore>,
    /// Slots for uploads. Separate from `streams`: uploads block no downloads.
    uploads: Arc<Semaphore>,
    /// Client for URLs on other hosts. It trusts the system's roots and the source's.
    external_client: Arc<OnceLock<Option<reqwest::Client>>>,
    /// Base URL of the source.
    base: Url,
    ca_pem: Option<Arc<[u8]>>,
    /// Number of calls that wait for a call slot.
    waiting: Arc<AtomicUsize>,
    breaker: Breaker,
    budget: Arc<retry::Budget>,
}

impl Upstream {
    /// Builds the client of a source. A plain HTTP `base` loads no TLS roots: a gateway with only
    /// plain HTTP sources starts without system roots.
    ///
    /// # Errors
    /// [`UpstreamError::Setup`]: `ca_pem` has no certificate, or the trust store is unreadable.
    pub fn new(
        name: &str,
        base: &Url,
        ca_pem: Option<&[u8]>,
        policy: Policy,
    ) -> Result<Self, UpstreamError> {
        let builder = client(&policy);
        let builder = match ca_pem {
            Some(pem) => builder.tls_certs_only(certificates(pem).map_err(UpstreamError::Setup)?),
            None if base.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        let client = builder
            .build()
            .map_err(|error| UpstreamError::Setup(error::chain(&error)))?;
        Ok(Self {
            name: name.into(),
            client,
            call_slots: Arc::new(Semaphore::new(policy.in_flight)),
            streams: Arc::new(Semaphore::new(policy.streams)),
            whole: Arc::new(Semaphore::new(MAX_BUFFERED_BODIES)),
            uploads: Arc::new(Semaphore::new(policy.streams)),
            external_client: Arc::default(),
            base: base.clone(),
            ca_pem: ca_pem.map(Into::into),
            waiting: Arc::default(),
            breaker: Breaker::default(),
            budget: Arc::default(),
            policy: Arc::new(policy),
        })
    }

    /// Sends `call` and reads the response whole, by `deadline`. Retries where that is safe, may
    /// help, and fits the deadline and the budget.
    ///
    /// # Errors
    /// - [`UpstreamError::CircuitOpen`], [`UpstreamError::ItemCircuitOpen`]: the breaker refuses.
    /// - [`UpstreamError::Busy`], [`UpstreamError::DeadlineExceeded`]: not sent in time.
    /// - [`UpstreamError::NotAllowed`], [`UpstreamError::Setup`]: the call cannot be sent.
    /// - Other variants: no complete response arrived. A response of any status is `Ok`.
    pub async fn send(&self, call: Call, deadline: Instant) -> Result<Answer, UpstreamError> {
        let secrets = SentSecrets::of(&call.headers);
        let breaker_permit = self.breaker.pass(call.subject)?;
        let result = self.send_and_repeat(&call, deadline).await;
        // Count the call once, by its final result, however often it was retried.
        breaker_permit.end(breaker_failure(&result, |answer| {
            (answer.status, &answer.headers)
        }));
        Ok(result?.redacted(secrets))
    }

    async fn send_and_repeat(
        &self,
        call: &Call,
        deadline: Instant,
    ) -> Result<Answer, UpstreamError> {
        self.budget.earn();
        let is_payment_429 = self.policy.is_payment_429;
        let last_start = deadline.min(Instant::now() + self.policy.patience);
        let mut result = self.send_once(call, deadline).await;
        for attempt in 0..retry::RETRIES {
            let Some(wait) = retry::wait(call, &result, attempt, is_payment_429) else {
                break;
            };
            // Return the last result if a retry would start too late or exceed the budget.
            if Instant::now() + wait >= last_start || !self.budget.spend() {
                break;
            }
            tokio::time::sleep(wait).await;
            match self.send_once(call, deadline).await {
                // The retry was not sent: the previous result says more.
                Err(
                    UpstreamError::CircuitOpen { .. }
                    | UpstreamError::ItemCircuitOpen { .. }
                    | UpstreamError::Busy { .. }
                    | UpstreamError::DeadlineExceeded,
                ) => break,
                other => result = other,
            }
        }
        result
    }

    async fn send_once(&self, call: &Call, deadline: Instant) -> Result<Answer, UpstreamError> {
        let span = self.span(call);
        async {
            let started = Instant::now();
            let result = self.attempt(call, deadline).await;
            report(started, &result, |answer| answer.status);
            result
        }
        .instrument(span)
        .await
    }

    async fn attempt(&self, call: &Call, deadline: Instant) -> Result<Answer, UpstreamError> {
        let _slot = self.acquire_slot(deadline).await?;
        self.exchange(call, deadline).await
    }

    async fn exchange(&self, call: &Call, deadline: Instant) -> Result<Answer, UpstreamError> {
        if Instant::now() >= deadline {
            return Err(UpstreamError::DeadlineExceeded);
        }
        let deadline = deadline.min(Instant::now() + self.policy.attempt);
        let limit = self.policy.answer_bytes;
        timeout_at(deadline, async {
            let response = self.execute(call).await?;
            read_answer(response, limit).await
        })
        .await
        .map_err(|_| UpstreamError::Timeout)?
    }

    /// Sends `call` and streams the response body. `deadline` covers the headers only.
    ///
    /// # Errors
    /// [`UpstreamError`], for the reasons of [`Upstream::send`]: no response headers arrived.
    pub async fn open(&self, call: Call, deadline: Instant) -> Result<OpenAnswer, UpstreamError> {
        let span = self.span(&call);
        async {
            let started = Instant::now();
            let result = self.begin(call, deadline).await;
            report(started, &result, |answer| answer.status);
            result
        }
        .instrument(span)
        .await
    }

    async fn begin(&self, call: Call, deadline: Instant) -> Result<OpenAnswer, UpstreamError> {
        let breaker_permit = self.breaker.pass(call.subject)?;
        let stream = permit(&self.streams, self.policy.streams, deadline).await?;
        // Held until the headers arrive. The body holds `stream` instead.
        let _slot = self.acquire_slot(deadline).await?;
        let deadline = deadline.min(Instant::now() + self.policy.attempt);
        let response = timeout_at(deadline, self.execute(&call))
            .await
            .unwrap_or(Err(UpstreamError::Timeout));
        breaker_permit.end(breaker_failure(&response, |answer| {
            (answer.status(), answer.headers())
        }));
        let response = response?;
        Ok(OpenAnswer {
            status: response.status(),
            headers: response.headers().clone(),
            response,
            stream,
            policy: Arc::clone(&self.policy),
            whole: Arc::clone(&self.whole),
        })
    }

    /// Waits for a call slot. Fails if too many calls wait already, or if the breaker opens
    /// meanwhile.
    async fn acquire_slot(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, UpstreamError> {
        if let Ok(permit) = Arc::clone(&self.call_slots).try_acquire_owned() {
            return Ok(permit);
        }
        let in_flight = self.policy.in_flight;
        let waiting = Waiting::new(&self.waiting);
        if waiting.ahead >= self.policy.queue {
            return Err(UpstreamError::Busy { in_flight });
        }
        let mut openings = self.breaker.openings();
        tokio::select! {
            permit = permit(&self.call_slots, in_flight, deadline) => permit,
            () = openings.next() => {
                let wait = self.breaker.time_to_probe().unwrap_or_default();
                Err(UpstreamError::CircuitOpen { wait })
            }
        }
    }

    /// Returns the client for a URL: the source's own, or the one for other hosts.
    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, UpstreamError> {
        if url.origin() == self.base.origin() {
            return Ok(&self.client);
        }
        if !self.allows_file_url(url) {
            let host = url.host_str();
            tracing::warn!(source = %self.name, host, "file host refused: see `storage_hosts`");
            return Err(UpstreamError::NotAllowed);
        }
        let external_client = self.external_client.get_or_init(|| {
            let pem = self.ca_pem.as_deref().unwrap_or_default();
            let certificates = reqwest::Certificate::from_pem_bundle(pem).unwrap_or_default();
            let client = client(&self.policy).tls_certs_merge(certificates);
            let source_host = self.base.host_str().map(str::to_owned);
            let client = match self.policy.egress {
                EgressPolicy::Public => {
                    let on_loopback = is_this_machine(&self.base);
                    client.dns_resolver(Arc::new(PublicNames {
                        source_host,
                        on_loopback,
                    }))
                }
                EgressPolicy::Hosts(_) => client,
            };
            client.build().ok()
        });
        external_client
            .as_ref()
            .ok_or_else(|| UpstreamError::Setup("the system has no certificates".to_owned()))
    }

    /// Whether a file URL is on the source's own origin or on an allowed host.
    #[must_use]
    pub fn allows_file_url(&self, url: &Url) -> bool {
        url.origin() == self.base.origin() || self.policy.egress.allows(url, &self.base)
    }

    /// Returns the circuit breaker of the source.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Returns a clone with the breaker of one caller's credential. Failures of one credential must
    /// not block other callers.
    #[must_use]
    pub fn with_breaker(&self, breaker: Breaker) -> Self {
        Self {
            breaker,
            ..self.clone()
        }
    }

    /// Asks the breaker for a permit to send a file to the source's own origin. Other hosts need no
    /// permit.
    fn upload_permit(&self, url: &Url) -> Result<Option<Permit>, UpstreamError> {
        let is_own = url.origin() == self.base.origin();
        is_own
            .then(|| self.breaker.pass(Subject::Write))
            .transpose()
    }

    async fn execute(&self, call: &Call) -> Result<reqwest::Response, UpstreamError> {
        // Only uploads go to other hosts, and those carry no credential.
        if call.url.origin() != self.base.origin() {
            return Err(UpstreamError::NotAllowed);
        }
        let mut request = self
            .client
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone());
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        request
            .send()
            .await
            .map_err(|error| UpstreamError::of(&error))
    }

    fn span(&self, call: &Call) -> tracing::Span {
        tracing::info_span!(
            "source.call",
            source = %self.name,
            operation = call.operation,
            method = %call.method,
            http.status = tracing::field::Empty,
            duration_ms = tracing::field::Empty,
        )
    }
}

/// Returns the client settings that all sources share.
fn client(policy: &Policy) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("asset-gateway/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // reqwest's retries ignore our deadlines and do not know which calls are safe to repeat.
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(policy.connect)
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true)
}

/// Returns the failure that the breaker counts against the source, if any.
fn breaker_failure<T>(
    result: &Result<T, UpstreamError>,
    head: impl Fn(&T) -> (StatusCode, &HeaderMap),
) -> Option<Failure> {
    match result {
        Ok(answer) => {
            let (status, headers) = head(answer);
            status.is_server_error().then(|| Failure::Status {
                status: status.as_u16(),
                retry_after: retry::retry_after(headers),
            })
        }
        Err(error) => match error {
            UpstreamError::Connect { .. }
            | UpstreamError::Timeout
            | UpstreamError::Broken { .. }
            | UpstreamError::TooLarge { .. } => Some(Failure::Call(error.clone())),
            UpstreamError::DeadlineExceeded
            | UpstreamError::Busy { .. }
            | UpstreamError::CircuitOpen { .. }
            | UpstreamError::ItemCircuitOpen { .. }
            | UpstreamError::NotAllowed
            | UpstreamError::Setup(_) => None,
        },
    }
}

/// Records status and duration in the span, and logs the result at debug level.
fn report<T>(
    started: Instant,
    result: &Result<T, UpstreamError>,
    status: impl Fn(&T) -> StatusCode,
) {
    let span = tracing::Span::current();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.record("duration_ms", duration_ms);
    match result {
        Ok(answer) => {
            span.record("http.status", status(answer).as_u16());
            tracing::debug!("answered");
        }
        Err(error) => tracing::debug!(%error, "no answer"),
    }
}
/// Checks that a file has certificates that a client can trust.
///
/// # Errors
/// The rule that the file breaks.
pub fn check_certificates(path: &FilePath) -> Result<(), String> {
    let pem = std::fs::read(path).unwrap_or_default();
    let trusted = certificates(&pem)?;
    client(&Policy::default())
        .tls_certs_only(trusted)
        .build()
        .map(drop)
        .map_err(|_| BAD_CERTIFICATES.to_owned())
}

fn certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, String> {
    let trusted = reqwest::Certificate::from_pem_bundle(pem).unwrap_or_default();
    if trusted.is_empty() {
        return Err(BAD_CERTIFICATES.to_owned());
    }
    Ok(trusted)
}
