//! The errors of a source: one variant for each action that a caller can take.

use std::time::Duration;

use crate::{
    asset::SourceName,
    upstream::{Failure, UpstreamError},
};

/// The failure of a source operation. Messages go to clients, so they contain no credential,
/// address or upstream page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The asset was deleted, never existed, or is not visible to this credential.
    #[error("no such asset")]
    NotFound,
    /// The source needs the caller's own credential, and this caller sent none.
    #[error(
        "this source wants your own credential: send it in the request header \
         `x-asset-source-{0}`"
    )]
    NoCredential(SourceName),
    /// The credential is missing, wrong or expired: give the source another one.
    #[error(
        "the source refused the credential (401{}): it may be mistyped, revoked or expired. Check \
         it in the gateway's configuration, or in `x-asset-source-…` where you sent it", reason(.0.as_deref())
    )]
    Unauthenticated(Option<String>),
    /// The credential is valid, but not for this call.
    #[error(
        "the credential may not do this (403{}): check its rights and the plan it belongs to",
        reason(.0.as_deref())
    )]
    Forbidden(Option<String>),
    #[error("the source limits the rate of calls (429): wait, then ask again")]
    RateLimited { retry_after: Option<Duration> },
    /// The account cannot pay for this call; a retry does not help.
    #[error("the source asks for payment ({status}): {reason}")]
    PaymentRequired { status: u16, reason: String },
    /// The source was too slow: ask again later.
    #[error("the source gave no complete answer in time: ask again later")]
    Timeout,
    /// The source cannot be reached, or answered 5xx.
    #[error("the source is unavailable: {reason}")]
    Unavailable {
        status: Option<u16>,
        reason: String,
        retry_after: Option<Duration>,
    },
    /// The gateway made no call: the source failed too often, or has too many calls to answer.
    #[error("the source is unavailable: {reason}")]
    NotCalled {
        reason: String,
        retry_after: Duration,
    },
    /// The source understood the call and refused it: fix the arguments.
    #[error("the source refused the request{}: {message}", if *.status < 300 { String::new() } else { format!(" ({status})") })]
    Rejected { status: u16, message: String },
    /// The source answered, but the response breaks its contract.
    #[error("the source's answer cannot be read at {path}: {message}")]
    Malformed {
        status: u16,
        path: String,
        message: String,
    },
    /// The source does not support the operation.
    #[error("{0}")]
    Unsupported(String),
    /// The call breaks a rule of the source; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The source takes no file of this type.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// Something uses the asset, so it cannot be deleted.
    #[error("the asset is in use, for example by a workflow: remove it there, then delete it")]
    InUse,
    /// The asset cannot be changed or deleted.
    #[error("the asset cannot be changed or deleted: it is not yours, or the provider protects it")]
    Immutable,
    /// The write was sent, but its outcome is unknown.
    #[error(
        "it was sent, but it is unknown whether it took effect: read the asset before you try again"
    )]
    UnknownOutcome,
    /// No time was left to begin the write.
    #[error("no time was left to begin, so nothing was sent: ask again")]
    NotTried,
    /// One part of the change is done; the other failed.
    #[error("{done}, but: {error}")]
    PartlyDone {
        done: &'static str,
        error: Box<SourceError>,
    },
    /// The position in the source's list that a cursor names no longer exists.
    #[error(
        "the cursor's position is lost: its asset and the ones around it were deleted or moved \
         since. Start again without a cursor"
    )]
    Lost,
    /// The operation has used up its upstream calls.
    #[error(
        "this operation causes more upstream calls than one operation may: ask for less at once"
    )]
    Exhausted,
    /// An internal fault of the gateway, described in its log.
    #[error("a fault in the gateway: it is in its log")]
    Internal,
}

impl SourceError {
    /// The error for a list or an order that [`super::Source::plan`] does not have.
    pub fn no_such_list() -> Self {
        Self::Unsupported("the source has no such list, or not in this order".to_owned())
    }

    /// The error for an upload to a source that takes none.
    pub fn no_uploads() -> Self {
        Self::Unsupported("the source takes no uploads".to_owned())
    }

    /// Whether the gateway made no call: a limit, no credential, or an open breaker.
    #[must_use]
    pub const fn made_no_call(&self) -> bool {
        matches!(
            self,
            Self::Exhausted | Self::NotTried | Self::NoCredential(_) | Self::NotCalled { .. }
        )
    }

    /// Returns the wait before a retry may help, if it is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            Self::NotCalled { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// Returns the upstream's HTTP status, if there was one.
    #[must_use]
    pub const fn upstream_status(&self) -> Option<u16> {
        match self {
            Self::NotFound => Some(404),
            Self::Unauthenticated(_) => Some(401),
            Self::Forbidden(_) => Some(403),
            Self::RateLimited { .. } => Some(429),
            Self::PaymentRequired { status, .. }
            | Self::Rejected { status, .. }
            | Self::Malformed { status, .. } => Some(*status),
            Self::Unavailable { status, .. } => *status,
            Self::Timeout
            | Self::NotCalled { .. }
            | Self::NoCredential(_)
            | Self::Invalid(_)
            | Self::UnsupportedMediaType(_)
            | Self::InUse
            | Self::Immutable
            | Self::UnknownOutcome
            | Self::NotTried
            | Self::Lost
            | Self::Unsupported(_)
            | Self::Exhausted
            | Self::Internal => None,
            Self::PartlyDone { error, .. } => error.upstream_status(),
        }
    }
}

/// The source's own reason, to follow a status.
fn reason(text: Option<&str>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

impl SourceError {
    /// Maps a write without a complete response: its outcome is unknown, unless it was never sent.
    pub fn of_write(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Timeout
            | UpstreamError::Broken { .. }
            | UpstreamError::TooLarge { .. } => Self::UnknownOutcome,
            UpstreamError::DeadlineExceeded => Self::NotTried,
            UpstreamError::Busy { .. }
            | UpstreamError::CircuitOpen { .. }
            | UpstreamError::ItemCircuitOpen { .. }
            | UpstreamError::Connect { .. }
            | UpstreamError::NotAllowed
            | UpstreamError::Setup(_) => Self::from(error),
        }
    }

    /// Whether the failure may pass soon, so that a stale cache entry may be served meanwhile (RFC
    /// 5861 4).
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::Unavailable { .. }
                | Self::NotCalled { .. }
                | Self::RateLimited { .. }
                | Self::Malformed { .. }
        )
    }

    /// Whether the write may have taken effect despite the error.
    #[must_use]
    pub const fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::UnknownOutcome | Self::Timeout | Self::Malformed { .. } => true,
            Self::Unavailable { status, .. } => status.is_some(),
            _ => false,
        }
    }
}

impl From<&super::Unreadable> for SourceError {
    fn from(bad: &super::Unreadable) -> Self {
        Self::Malformed {
            status: 200,
            path: bad.path.clone(),
            message: bad.message.clone(),
        }
    }
}

impl From<Failure> for SourceError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status {
                status,
                retry_after,
            } => Self::Unavailable {
                status: Some(status),
                reason: failure.to_string(),
                retry_after,
            },
            Failure::Call(error) => error.into(),
        }
    }
}

impl From<UpstreamError> for SourceError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Timeout | UpstreamError::DeadlineExceeded => Self::Timeout,
            UpstreamError::TooLarge { limit } => Self::Malformed {
                status: 200,
                path: "the whole answer".to_owned(),
                message: format!("larger than the limit of {limit} bytes"),
            },
            UpstreamError::Busy { .. } => Self::NotCalled {
                reason: error.to_string(),
                retry_after: Duration::from_secs(1),
            },
            UpstreamError::CircuitOpen { wait } | UpstreamError::ItemCircuitOpen { wait } => {
                Self::NotCalled {
                    reason: error.to_string(),
                    retry_after: wait,
                }
            }
            UpstreamError::NotAllowed
            | UpstreamError::Connect { .. }
            | UpstreamError::Broken { .. }
            | UpstreamError::Setup(_) => Self::Unavailable {
                status: None,
                reason: error.to_string(),
                retry_after: None,
            },
        }
    }
}
