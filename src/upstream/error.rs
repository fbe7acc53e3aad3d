//! Why a call brought no complete answer. One variant per thing a caller can do about it.

use std::{error::Error as _, time::Duration};

/// No complete answer. Never holds an address, a header or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No server there, or none to trust: check the address, the server, the certificate.
    #[error("cannot connect: {reason}")]
    Connect { reason: String },
    /// Too slow: ask again later.
    #[error("no complete answer in time")]
    Timeout,
    /// The time was over before anything was sent.
    #[error("no time was left to ask it")]
    DeadlineExceeded,
    /// Our own limit on calls in flight was reached for the whole of the deadline, or too many are
    /// waiting for a place already.
    #[error(
        "it has more calls to answer than it takes at once ({in_flight}): ask again in a moment"
    )]
    Busy { in_flight: usize },
    /// It failed too often lately, and is left alone for a while.
    #[error("it failed too often lately and is left alone for {} seconds", whole_seconds(*.wait))]
    CircuitOpen { wait: Duration },
    /// One asset or file failed several times in a row, and is left alone for a while.
    #[error("it failed several times in a row and is left alone for {} seconds", whole_seconds(*.wait))]
    ItemCircuitOpen { wait: Duration },
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke: {reason}")]
    Broken { reason: String },
    /// The answer is larger than we read.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// The address is none that the gateway goes to; nothing was sent.
    #[error(
        "it names a host for the file that this gateway does not go to: see `storage_hosts` in its \
         configuration"
    )]
    NotAllowed,
    /// The client itself could not be made: fix the configuration.
    #[error("cannot set up the connection: {0}")]
    Setup(String),
}

/// A wait in whole seconds, and not shorter.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl UpstreamError {
    pub(super) fn of(error: &reqwest::Error) -> Self {
        // A connection that takes too long is both: nothing was sent.
        if error.is_timeout() && !error.is_connect() {
            return Self::Timeout;
        }
        let detail = innermost(error);
        // Ours, not the source's: EMFILE and ENFILE.
        if detail.contains("os error 24") || detail.contains("os error 23") {
            tracing::error!(detail, "no file descriptors are left for calls to sources");
            return Self::Setup("the gateway has no file descriptors left".to_owned());
        }
        let reason = in_words(&detail);
        // The detail may name hosts: it is for an operator who looks for the cause.
        tracing::warn!(reason, "a call to a source failed");
        tracing::debug!(detail, "why a call to a source failed");
        if error.is_connect() {
            Self::Connect { reason }
        } else {
            Self::Broken { reason }
        }
    }
}

/// What clients may know of a failed connection.
fn in_words(detail: &str) -> String {
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

/// The last cause alone: the outer ones repeat the address, which may be an internal one.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "no reason given".to_owned())
}

/// All causes, for messages at start, where nothing is secret but much may be unclear.
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
