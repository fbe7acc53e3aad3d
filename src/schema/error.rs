//! The only place that makes a client's error: one code a failure, one table in the README.

use async_graphql::{Enum, Error, ErrorExtensions, ID, Interface, SimpleObject};

use crate::{
    asset::{Provider, SourceName},
    connection::Unanswered,
    source::{SourceError, SourceInfo},
};

/// What went wrong, for programs. Values may be added: treat an unknown one as `INTERNAL`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "AssetErrorCode")]
pub enum Code {
    /// An argument breaks a rule that the message names. Fix the request.
    BadUserInput,
    /// No cursor of this list with these arguments, or the rows around it are gone. Start without a
    /// cursor.
    BadCursor,
    /// The source wants a credential, or refused the one it was given.
    Unauthenticated,
    /// The credential is good, but not for this.
    Forbidden,
    /// No such asset, or none that this credential can see.
    NotFound,
    /// The source is busy with this asset, or the `idempotencyKey` belongs to another write.
    Conflict,
    /// Something uses the asset, so it cannot be deleted.
    InUse,
    /// The asset cannot be changed or deleted.
    Immutable,
    /// The source has no means to do this; the message says what it can do.
    UnsupportedBySource,
    /// Larger than a limit that the message names.
    PayloadTooLarge,
    /// A type of file that the source does not take.
    UnsupportedMediaType,
    /// Too many calls. Wait `retryAfterSeconds`, then ask again.
    RateLimited,
    /// The account at the source has no credits or no active subscription.
    PaymentRequired,
    /// The source gave no complete answer in time. Ask again later.
    UpstreamTimeout,
    /// The source cannot be reached or failed. Ask again later.
    UpstreamUnavailable,
    /// The source understood the request and refused it; the message has its reason.
    UpstreamRejected,
    /// The source's answer breaks its contract; the message has the path of the fault.
    UpstreamProtocol,
    /// Sent, and it is not known whether it took effect, or only a part of it did. Read the asset
    /// before you try again.
    UnknownOutcome,
    /// A limit of the gateway that the message names.
    LimitExceeded,
    /// A fault of the gateway. Its log has the cause, under the answer's `x-request-id`.
    Internal,
}

impl Code {
    /// As it stands in `extensions.code`.
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

/// The code of a source's failure.
#[must_use]
pub const fn code_of(error: &SourceError) -> Code {
    match error {
        SourceError::NotFound => Code::NotFound,
        SourceError::Unauthenticated | SourceError::NoCredential(_) => Code::Unauthenticated,
        SourceError::Forbidden => Code::Forbidden,
        SourceError::RateLimited { .. } => Code::RateLimited,
        SourceError::PaymentRequired { .. } => Code::PaymentRequired,
        SourceError::Timeout | SourceError::NotTried => Code::UpstreamTimeout,
        SourceError::Unavailable { .. } | SourceError::LeftAlone { .. } => {
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
        SourceError::UnknownOutcome | SourceError::HalfDone { .. } => Code::UnknownOutcome,
        SourceError::Lost => Code::BadCursor,
        SourceError::Exhausted => Code::LimitExceeded,
        SourceError::Internal => Code::Internal,
    }
}

/// An error with a code.
#[must_use]
pub fn coded(code: Code, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, e| e.set("code", code.as_str()))
}

/// An argument that breaks a rule; `path` leads to it (`filter`, `sources`).
pub fn bad_input(path: &[&str], message: impl Into<String>) -> Error {
    let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
    coded(Code::BadUserInput, message).extend_with(|_, e| e.set("field", path.clone()))
}

/// A source's failure as a field's error.
pub fn of_source(profile: &SourceInfo, error: &SourceError) -> Error {
    about(&profile.name, Some(profile.provider), error)
}

fn about(name: &SourceName, provider: Option<Provider>, error: &SourceError) -> Error {
    let seconds = retry_after_seconds(error);
    coded(code_of(error), format!("source `{name}`: {error}")).extend_with(|_, e| {
        e.set("source", name.as_str());
        if let Some(provider) = provider {
            e.set(
                "provider",
                super::provider::AssetProvider::from(provider).word(),
            );
        }
        if let Some(status) = error.upstream_status() {
            e.set("upstreamStatus", status);
        }
        if let Some(seconds) = seconds {
            e.set("retryAfterSeconds", seconds);
        }
    })
}

/// A list has no page: one error that names each source that failed.
pub fn unanswered(all: &Unanswered) -> Error {
    let errors = || all.errors.iter().map(|(_, error)| error);
    let Some(first) = errors().next() else {
        return coded(Code::Internal, "a fault in the gateway: it is in its log");
    };
    let names: Vec<String> = all.errors.iter().map(|(n, _)| n.to_string()).collect();
    let error = match all.errors.as_slice() {
        [(name, error)] if !all.others_answered => about(name, None, error),
        several => {
            let is_common = errors().all(|own| code_of(own) == code_of(first));
            let code = if is_common {
                code_of(first)
            } else {
                Code::UpstreamUnavailable
            };
            let reasons: Vec<String> = several
                .iter()
                .map(|(name, error)| format!("source `{name}`: {error}"))
                .collect();
            let what = if all.others_answered {
                "the other sources have nothing more, and these may: ask again with the same cursor"
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
    let wait = error.retry_after()?;
    // Whole seconds, and not sooner.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Some(i32::try_from(seconds).unwrap_or(i32::MAX))
}

/// What every error in an answer's data has.
#[derive(Interface)]
#[graphql(
    field(name = "code", ty = "&Code", desc = "What went wrong, for programs."),
    field(
        name = "message",
        ty = "&String",
        desc = "What happened and what to do, for people."
    ),
    field(
        name = "retry_after_seconds",
        ty = "&Option<i32>",
        desc = "Seconds to wait before asking again; null when that is not known."
    )
)]
pub enum AssetError {
    Mutation(AssetMutationError),
    Source(AssetSourceError),
}

/// Why a source gave nothing, or stopped giving.
#[derive(SimpleObject)]
pub struct AssetSourceError {
    /// What went wrong, for programs.
    code: Code,
    /// What happened and what to do, for people.
    message: String,
    /// Seconds to wait before asking again; null when that is not known.
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

/// What failed in a mutation, and for which asset.
#[derive(SimpleObject)]
pub struct AssetMutationError {
    /// What went wrong, for programs.
    code: Code,
    /// What happened and what to do, for people.
    message: String,
    /// The asset it is about, as the request named it.
    asset_id: Option<ID>,
    /// The argument at fault, as a path of at most six parts such as `["input", "assetIds", "1"]`; null for failures of
    /// an asset or its source.
    field: Option<Vec<String>>,
    /// Seconds to wait before trying again; null when that is not known.
    retry_after_seconds: Option<i32>,
}

impl AssetMutationError {
    /// A source's failure, for an asset that may not be there.
    pub fn at(source: &SourceName, id: Option<ID>, error: &SourceError) -> Self {
        Self {
            code: code_of(error),
            message: format!("source `{source}`: {error}"),
            asset_id: id,
            field: None,
            retry_after_seconds: retry_after_seconds(error),
        }
    }

    /// Names the argument at fault.
    pub fn name_argument(&mut self, path: &[&str]) {
        self.field = Some(path.iter().map(|&part| part.to_owned()).collect());
    }

    /// An argument that breaks a rule, for one asset among others.
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
