//! Why a source gave no answer. One variant per thing a caller can do about it.

use std::time::Duration;

use crate::{
    asset::SourceName,
    upstream::{Failure, UpstreamError},
};

/// No answer, or none that helps. Messages are for clients: no credential, address or upstream
/// page in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Gone, or never there, or not visible to this credential.
    #[error("no such asset")]
    NotFound,
    /// Callers bring their own credential for it, and this one brought none.
    #[error(
        "this source wants your own credential: send it in the request header \
         `x-asset-source-{0}`"
    )]
    NoCredential(SourceName),
    /// The credential is missing, wrong or expired: give the source another one.
    #[error(
        "the source refused the credential (401): it may be mistyped, revoked or expired. Check it \
         in the gateway's configuration, or in `x-asset-source-…` where you sent it"
    )]
    Unauthenticated,
    /// The credential is good, but not for this.
    #[error("the credential may not do this (403): check its rights and the plan it belongs to")]
    Forbidden,
    #[error("the source limits the rate of calls (429): wait, then ask again")]
    RateLimited { retry_after: Option<Duration> },
    /// The account cannot pay for this: nothing a retry helps with.
    #[error("{message}")]
    PaymentRequired { status: u16, message: &'static str },
    /// Too slow: ask again later.
    #[error("the source gave no complete answer in time: ask again later")]
    Timeout,
    /// Could not be reached, or said 5xx.
    #[error("the source is unavailable: {reason}")]
    Unavailable {
        status: Option<u16>,
        reason: String,
        retry_after: Option<Duration>,
    },
    /// The gateway made no call: the source failed too often, or has too many calls to answer.
    #[error("the source is unavailable: {reason}")]
    LeftAlone {
        reason: String,
        retry_after: Duration,
    },
    /// It understood the call and refused it: fix the arguments.
    #[error("the source refused the request{}: {message}", if *.status < 300 { String::new() } else { format!(" ({status})") })]
    Rejected { status: u16, message: String },
    /// It answered, and the answer breaks its contract.
    #[error("the source's answer cannot be read at {path}: {message}")]
    Malformed {
        status: u16,
        path: String,
        message: String,
    },
    /// It cannot do that at all.
    #[error("{0}")]
    Unsupported(String),
    /// The write breaks a rule of the source's; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// It takes no file of this type.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// Something uses the asset, so it cannot be deleted.
    #[error("something uses it, such as a workflow: take it out there first, then delete it")]
    InUse,
    /// It cannot be changed or deleted.
    #[error("it cannot be changed or deleted: it is not yours, or is kept by the provider")]
    Immutable,
    /// Sent, and it is not known whether it took effect.
    #[error("it was sent, but it is not known whether it took effect: read before trying again")]
    UnknownOutcome,
    /// No time was left to begin it.
    #[error("there was no time left to begin it, and nothing was sent: ask again")]
    NotTried,
    /// The first half of it is done, the second was refused.
    #[error("{done}, but: {error}")]
    HalfDone {
        done: &'static str,
        error: Box<SourceError>,
    },
    /// The place in its list that a cursor names is not there any more.
    #[error(
        "the place that the cursor names is lost: its asset and the ones around it were deleted or \
         moved since. Start again without a cursor"
    )]
    Lost,
    /// The operation caused all the upstream calls it may.
    #[error(
        "this operation causes more upstream calls than one operation may: ask for less at once"
    )]
    Exhausted,
    /// A fault of the gateway's own, said in the log.
    #[error("a fault in the gateway: it is in its log")]
    Internal,
}

impl SourceError {
    /// A list or an order that [`super::Source::paging`] does not have.
    pub fn no_such_list() -> Self {
        Self::Unsupported("the source has no such list, or none in this order".to_owned())
    }

    /// A write that a source does not have.
    pub fn no_such_write() -> Self {
        Self::Unsupported("the source's assets cannot be changed".to_owned())
    }

    /// An upload to a source that takes none.
    pub fn no_uploads() -> Self {
        Self::Unsupported("the source takes no uploads".to_owned())
    }

    /// Whether the gateway made no call: of its own limits, or since the source is left alone.
    #[must_use]
    pub const fn made_no_call(&self) -> bool {
        matches!(
            self,
            Self::Exhausted | Self::NotTried | Self::NoCredential(_) | Self::LeftAlone { .. }
        )
    }

    /// When asking again may help, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            Self::LeftAlone { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// The HTTP status behind it, where there was one.
    #[must_use]
    pub const fn upstream_status(&self) -> Option<u16> {
        match self {
            Self::NotFound => Some(404),
            Self::Unauthenticated => Some(401),
            Self::Forbidden => Some(403),
            Self::RateLimited { .. } => Some(429),
            Self::PaymentRequired { status, .. }
            | Self::Rejected { status, .. }
            | Self::Malformed { status, .. } => Some(*status),
            Self::Unavailable { status, .. } => *status,
            Self::Timeout
            | Self::LeftAlone { .. }
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
            Self::HalfDone { error, .. } => error.upstream_status(),
        }
    }
}

impl SourceError {
    /// The outcome of a write without a complete answer: unknown, unless it was never sent.
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

    /// Whether the source may answer again soon, so that what it said before will do meanwhile
    /// (RFC 5861 4).
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::Unavailable { .. }
                | Self::LeftAlone { .. }
                | Self::RateLimited { .. }
                | Self::Malformed { .. }
        )
    }

    /// Whether the write may have taken effect all the same.
    #[must_use]
    pub const fn is_open(&self) -> bool {
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
                message: format!("larger than the {limit} bytes that are read"),
            },
            UpstreamError::Busy { .. } => Self::LeftAlone {
                reason: error.to_string(),
                retry_after: Duration::from_secs(1),
            },
            UpstreamError::CircuitOpen { wait } | UpstreamError::ItemCircuitOpen { wait } => {
                Self::LeftAlone {
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
