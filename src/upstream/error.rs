//! Errors of upstream calls. One variant for each way a caller can react.

use std::{error::Error as _, time::Duration};

/// Why no complete response arrived. Never contains a URL, a header or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: check the URL, the server and its certificate.
    #[error("cannot connect: {reason}")]
    Connect { reason: String },
    /// The response took too long: try again later.
    #[error("no complete answer in time")]
    Timeout,
    /// The deadline passed before the call was sent.
    #[error("the deadline passed before the call was sent")]
    DeadlineExceeded,
    /// The gateway's own limit: no call slot became free before the deadline, or too many calls
    /// wait for one already.
    #[error("all {in_flight} slots for calls to it are in use: ask again in a moment")]
    Busy { in_flight: usize },
    /// The source failed too often recently. The breaker pauses calls to it.
    #[error("it failed too often recently: calls pause for {} seconds", ceil_seconds(*.wait))]
    CircuitOpen { wait: Duration },
    /// One asset or file failed several times in a row. The breaker pauses calls for it.
    #[error("it failed several times in a row: calls pause for {} seconds", ceil_seconds(*.wait))]
    ItemCircuitOpen { wait: Duration },
    /// The connection broke, or the response was not HTTP.
    #[error("the connection broke: {reason}")]
    Broken { reason: String },
    /// The response is larger than the limit.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// The egress policy does not allow the URL's host. Nothing was sent.
    #[error(
        "it gave a file URL on a host that this gateway may not call: see `storage_hosts` in its \
         configuration"
    )]
    NotAllowed,
    /// The client cannot be built (fix the configuration), or file descriptors ran out.
    #[error("cannot set up the connection: {0}")]
    Setup(String),
}

/// Rounds a wait up to whole seconds, at least 1.
fn ceil_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl UpstreamError {
    pub(super) fn of(error: &reqwest::Error) -> Self {
        // A connect timeout is both. It counts as a failed connection: nothing was sent.
        if error.is_timeout() && !error.is_connect() {
            return Self::Timeout;
        }
        let detail = innermost(error);
        // EMFILE and ENFILE: the gateway is at fault, not the source.
        if detail.contains("os error 24") || detail.contains("os error 23") {
            tracing::error!(detail, "no file descriptors are left for calls to sources");
            return Self::Setup("the gateway has no file descriptors left".to_owned());
        }
        let reason = public_reason(&detail);
        // The detail may name hosts. It is for operators who look for the cause.
        tracing::warn!(reason, "a call to a source failed");
        tracing::debug!(detail, "cause of the failed call");
        if error.is_connect() {
            Self::Connect { reason }
        } else {
            Self::Broken { reason }
        }
    }
}

/// Turns an error's detail into a reason that clients may see.
fn public_reason(detail: &str) -> String {
    let detail = detail.to_ascii_lowercase();
    let has = |part: &str| detail.contains(part);
    let words = if has("certificate") || has("unknownissuer") {
        "its certificate is not accepted (expired, for another name, or of an unknown authority)"
    } else if has("tls") || has("handshake") || has("corrupt message") {
        "the TLS handshake failed"
    } else if has("refused") {
        "connection refused"
    } else if has("timed out") || has("elapsed") {
        "it did not answer in time"
    } else if has("dns") || has("resolve") || has("lookup") || has("name or service") {
        "its host name cannot be resolved"
    } else if has("unreachable") || has("no route") {
        "its network cannot be reached"
    } else if has("reset") || has("broken pipe") || has("closed") || has("eof") || has("incomplete")
    {
        "it closed the connection"
    } else {
        "no usable answer"
    };
    words.to_owned()
}

/// Returns the innermost cause only. Outer ones repeat the URL, which may be internal.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "no reason given".to_owned())
}

/// Joins all causes, for startup messages: those contain no secrets and need detail.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
