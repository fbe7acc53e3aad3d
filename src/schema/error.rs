//! Creates all client-facing errors. Each failure has one code; the README has a table of them.

use std::time::Duration;

use async_graphql::{Enum, Error, ErrorExtensions, ID, Interface, SimpleObject};

use crate::{
    asset::{Provider, SourceName},
    connection::ListUnavailable,
    source::{SourceError, SourceInfo},
};

/// A machine-readable error code. Values may be added: treat an unknown one as `INTERNAL`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "AssetErrorCode")]
pub enum Code {
    /// An argument breaks a rule that the message names. Fix the request.
    BadUserInput,
    /// The cursor is not of this list with these arguments, or the rows around it are gone. Start
    /// again without a cursor.
    BadCursor,
    /// The source requires a credential, or rejected the given one.
    Unauthenticated,
    /// The credential, key or token is valid, but does not permit this.
    Forbidden,
    /// The asset does not exist, or this credential cannot see it.
    NotFound,
    /// The source is busy with this asset, or the `idempotencyKey` belongs to another write.
    Conflict,
    /// The asset is in use, so it cannot be deleted.
    InUse,
    /// The asset cannot be changed or deleted.
    Immutable,
    /// The source does not support this. The message has the reason.
    UnsupportedBySource,
    /// The request or file is larger than a limit that the message names.
    PayloadTooLarge,
    /// The source does not accept this type of file.
    UnsupportedMediaType,
    /// Too many calls. Wait `retryAfterSeconds`, then try again.
    RateLimited,
    /// The account at the source has no credits or no active subscription.
    PaymentRequired,
    /// The source sent no complete response in time. Try again later.
    UpstreamTimeout,
    /// The source is unreachable or failed. Try again later.
    UpstreamUnavailable,
    /// The source understood the request and rejected it. The message has its reason.
    UpstreamRejected,
    /// The source's response breaks its API contract. The message has the path of the fault.
    UpstreamProtocol,
    /// The write was sent, but its effect is unknown, or only a part of it took effect. Read the
    /// asset before you try again.
    UnknownOutcome,
    /// The request exceeds a gateway limit that the message names.
    LimitExceeded,
    /// An internal error. The gateway's log has the cause under the response's `x-request-id`.
    Internal,
}

impl Code {
    /// The code as in `extensions.code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::BadCursor => "BAD_CURSOR",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::InUse => "IN_USE",
            Self::Immutable => "IMMUTABLE",
            Self::UnsupportedBySource => "UNSUPPORTED_BY_SOURCE",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::RateLimited => "RATE_LIMITED",
            Self::PaymentRequired => "PAYMENT_REQUIRED",
            Self::UpstreamTimeout => "UPSTREAM_TIMEOUT",
            Self::UpstreamUnavailable => "UPSTREAM_UNAVAILABLE",
            Self::UpstreamRejected => "UPSTREAM_REJECTED",
            Self::UpstreamProtocol => "UPSTREAM_PROTOCOL",
            Self::UnknownOutcome => "UNKNOWN_OUTCOME",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Maps a source's failure to its code.
#[must_use]
pub const fn code_of(error: &SourceError) -> Code {
    match error {
        SourceError::NotFound => Code::NotFound,
        SourceError::Unauthenticated(_) | SourceError::NoCredential(_) => Code::Unauthenticated,
        SourceError::Forbidden(_) => Code::Forbidden,
        SourceError::RateLimited { .. } => Code::RateLimited,
        SourceError::PaymentRequired { .. } => Code::PaymentRequired,
        SourceError::Timeout | SourceError::NotTried => Code::UpstreamTimeout,
        SourceError::Unavailable { .. } | SourceError::NotCalled { .. } => {
            Code::UpstreamUnavailable
        }
        SourceError::Rejected { status: 409, .. } => Code::Conflict,
        SourceError::Rejected { status: 413, .. } => Code::PayloadTooLarge,
        SourceError::Rejected { status: 415, .. } | SourceError::UnsupportedMediaType(_) => {
            Code::UnsupportedMediaType
        }
        SourceError::Rejected { .. } => Code::UpstreamRejected,
        SourceError::Malformed { .. } => Code::UpstreamProtocol,
        SourceError::Unsupported(_) => Code::UnsupportedBySource,
        SourceError::Invalid(_) => Code::BadUserInput,
        SourceError::InUse => Code::InUse,
        SourceError::Immutable => Code::Immutable,
        SourceError::UnknownOutcome | SourceError::PartlyDone { .. } => Code::UnknownOutcome,
        SourceError::Lost => Code::BadCursor,
        SourceError::Exhausted => Code::LimitExceeded,
        SourceError::Internal => Code::Internal,
    }
}

/// Creates an error with a code.
#[must_use]
pub fn coded(code: Code, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, e| e.set("code", code.as_str()))
}

/// Creates `BAD_USER_INPUT` for the argument at `path`, such as `filter`, `sources`.
pub fn bad_input(path: &[&str], message: impl Into<String>) -> Error {
    let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
    coded(Code::BadUserInput, message).extend_with(|_, e| e.set("field", path.clone()))
}

/// Creates a field error for a source's failure.
pub fn of_source(profile: &SourceInfo, error: &SourceError) -> Error {
    about(&profile.name, Some(profile.provider), error)
}

fn about(name: &SourceName, provider: Option<Provider>, error: &SourceError) -> Error {
    let seconds = retry_after_seconds(error);
    coded(code_of(error), format!("source `{name}`: {error}")).extend_with(|_, e| {
        e.set("source", name.as_str());
        if let Some(provider) = provider {
            e.set("provider", provider.enum_value());
        }
        if let Some(status) = error.upstream_status() {
            e.set("upstreamStatus", status);
        }
        if let Some(seconds) = seconds {
            e.set("retryAfterSeconds", seconds);
        }
    })
}

/// Creates the error of a list without a page. It names each source that failed.
pub fn unanswered(failure: &ListUnavailable) -> Error {
    let errors = || failure.errors.iter().map(|(_, error)| error);
    let Some(first) = errors().next() else {
        return coded(Code::Internal, "internal error: see the gateway's log");
    };
    let names: Vec<String> = failure.errors.iter().map(|(n, _)| n.to_string()).collect();
    let error = match failure.errors.as_slice() {
        [(name, error)] if !failure.others_answered => about(name, None, error),
        several => {
            let is_common = errors().all(|other| code_of(other) == code_of(first));
            let code = if is_common {
                code_of(first)
            } else {
                Code::UpstreamUnavailable
            };
            let reasons: Vec<String> = several
                .iter()
                .map(|(name, error)| format!("source `{name}`: {error}"))
                .collect();
            let what = if failure.others_answered {
                "the other sources have no more assets, but these may: retry with the same cursor"
            } else {
                "no source answered"
            };
            let error = coded(code, format!("{what}. {}", reasons.join("; ")));
            match errors().filter_map(retry_after_seconds).min() {
                Some(wait) => error.extend_with(|_, e| e.set("retryAfterSeconds", wait)),
                None => error,
            }
        }
    };
    error.extend_with(|_, e| e.set("sources", names.clone()))
}

fn retry_after_seconds(error: &SourceError) -> Option<i32> {
    error.retry_after().map(whole_seconds)
}

/// A wait in whole seconds, rounded up.
pub fn whole_seconds(wait: Duration) -> i32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// The fields of every error within a response's `data`.
#[derive(Interface)]
#[graphql(
    field(name = "code", ty = "&Code", desc = "The machine-readable code."),
    field(
        name = "message",
        ty = "&String",
        desc = "What happened and what to do, as text for people."
    ),
    field(
        name = "retry_after_seconds",
        ty = "&Option<i32>",
        desc = "Seconds to wait before trying again; null when unknown."
    )
)]
pub enum AssetError {
    Mutation(AssetMutationError),
    Source(AssetSourceError),
}

/// A failure of a source.
#[derive(SimpleObject)]
pub struct AssetSourceError {
    /// The machine-readable code.
    code: Code,
    /// What happened and what to do, as text for people.
    message: String,
    /// Seconds to wait before trying again; null when unknown.
    retry_after_seconds: Option<i32>,
}

impl From<&SourceError> for AssetSourceError {
    fn from(error: &SourceError) -> Self {
        Self {
            code: code_of(error),
            message: error.to_string(),
            retry_after_seconds: retry_after_seconds(error),
        }
    }
}

/// A failure of one item in a mutation.
#[derive(SimpleObject)]
pub struct AssetMutationError {
    /// The machine-readable code.
    code: Code,
    /// What happened and what to do, as text for people.
    message: String,
    /// The asset's id, as the input gave it, or the new asset's id; null when there is no asset.
    pub(super) asset_id: Option<ID>,
    /// The invalid argument, as a path of at most six parts such as `["input", "assetIds", "1"]`.
    /// Null when the asset or its source failed.
    field: Option<Vec<String>>,
    /// Seconds to wait before trying again; null when unknown.
    retry_after_seconds: Option<i32>,
}

impl AssetMutationError {
    /// Creates the error for a source's failure. `id` is the asset's, if there is one.
    pub fn at(source: &SourceName, id: Option<ID>, error: &SourceError) -> Self {
        Self {
            code: code_of(error),
            message: format!("source `{source}`: {error}"),
            asset_id: id,
            field: None,
            retry_after_seconds: retry_after_seconds(error),
        }
    }

    /// Sets `field` to the path of the invalid argument.
    pub fn name_argument(&mut self, path: &[&str]) {
        self.field = Some(path.iter().map(|&part| part.to_owned()).collect());
    }

    /// Creates the error for an invalid argument of one item.
    pub fn argument(code: Code, id: Option<ID>, path: &[&str], message: String) -> Self {
        Self {
            code,
            message,
            asset_id: id,
            field: Some(path.iter().map(|&part| part.to_owned()).collect()),
            retry_after_seconds: None,
        }
    }
}
