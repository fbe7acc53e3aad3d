//! Who calls, and what they may: bearer keys ([`api_key`]), JSON Web Tokens ([`jwt`]), and how many
//! requests each caller has ([`rate_limit`]).
//!
//! Knows no GraphQL, and of HTTP only headers. What a caller shows is compared, hashed or verified
//! here, and never logged.

mod api_key;
mod budget;
mod jwks;
mod jwt;
mod places;
mod rate_limit;

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use self::{api_key::Keys, jwt::Tokens};
use crate::config::{AccessMode, ConfigError};

pub use crate::config::Permission;
pub use api_key::NewKey;
pub use budget::{Budget, Exceeded, Share};
pub use places::{ClientSlot, SlotsByClient};
pub use rate_limit::{Client, RequestLimiter, RequestQuota};

/// The longest credential that is looked at, in bytes.
const MAX_CREDENTIAL: usize = 8 * 1024;

/// Somebody who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    who: Arc<str>,
    permissions: Permissions,
    /// Until when they are believed.
    until: Option<Timestamp>,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions([bool; Permission::ALL.len()]);

impl Permissions {
    /// Everything.
    pub const ALL: Self = Self([true; Permission::ALL.len()]);

    #[must_use]
    pub const fn have(self, permission: Permission) -> bool {
        self.0[permission as usize]
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(all: I) -> Self {
        let mut permissions = Self::default();
        for permission in all {
            permissions.0[permission as usize] = true;
        }
        permissions
    }
}

impl Caller {
    /// An anonymous caller, where the gateway authenticates none.
    #[must_use]
    pub fn anonymous() -> Self {
        static WHO: LazyLock<Arc<str>> = LazyLock::new(|| "anonymous".into());
        Self {
            who: Arc::clone(&WHO),
            permissions: Permissions::ALL,
            until: None,
        }
    }

    /// What the log calls them: `key:<id>`, `sub:<subject>` or `anonymous`.
    #[must_use]
    pub const fn who(&self) -> &Arc<str> {
        &self.who
    }

    /// All they may do.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        self.permissions
    }

    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.permissions.have(permission)
    }

    /// Whether what they showed has run out since.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.until.is_some_and(|until| Timestamp::now() >= until)
    }
}

/// Why somebody is not let in. Messages say nothing of what was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error(
        "this gateway wants to know who calls: send `authorization: Bearer …` with your key or \
         token"
    )]
    Missing,
    #[error("`authorization` must come once, as `Bearer` and a key or token")]
    Malformed,
    #[error("this key is not known here: it may be mistyped or withdrawn")]
    UnknownKey,
    #[error("this token is not accepted: {0}")]
    Token(&'static str),
    /// Not the caller's fault.
    #[error("tokens cannot be checked now, as the issuer's keys cannot be had: ask again later")]
    NoKeys,
}

/// How callers show who they are.
pub enum Access {
    Open,
    Keys(Keys),
    Tokens(Box<Tokens>),
}

impl Access {
    /// # Errors
    /// When the issuer's keys are in a file that cannot be read, or its client cannot be made.
    pub fn new(mode: AccessMode) -> Result<Self, ConfigError> {
        Ok(match mode {
            AccessMode::Open => Self::Open,
            AccessMode::Keys(keys) => Self::Keys(Keys::new(keys)),
            AccessMode::Jwt(config) => Self::Tokens(Box::new(Tokens::new(*config)?)),
        })
    }

    /// Whether anybody may call.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Who sent these headers.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        if self.is_open() {
            return Ok(Caller::anonymous());
        }
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        match (all.next(), all.next()) {
            (Some(one), None) => self.holder(one).await,
            (Some(_), Some(_)) => Err(Denied::Malformed),
            (None, _) => Err(Denied::Missing),
        }
    }

    /// Who holds what this `Authorization` shows.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn holder(&self, authorization: &HeaderValue) -> Result<Caller, Denied> {
        let bearer = bearer(authorization).ok_or(Denied::Malformed)?;
        match self {
            Self::Open => Ok(Caller::anonymous()),
            Self::Keys(keys) => keys.holder(bearer),
            Self::Tokens(tokens) => tokens.subject(bearer).await,
        }
    }
}

/// What comes after `Bearer` (RFC 6750 2.1).
fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, credential) = authorization.to_str().ok()?.split_once(' ')?;
    let fits = scheme.eq_ignore_ascii_case("bearer")
        && !credential.is_empty()
        && credential.len() <= MAX_CREDENTIAL
        && credential.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(credential)
}
