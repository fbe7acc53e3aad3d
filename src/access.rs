//! Authenticates callers by bearer keys ([`api_key`]) or JSON Web Tokens ([`jwt`]), holds their
//! permissions, and limits their requests ([`rate_limit`]).
//!
//! It uses nothing of GraphQL, and of HTTP only headers. It compares, hashes or verifies
//! credentials, and never logs them.

mod api_key;
mod budget;
mod caller;
mod client_slots;
mod jwks;
mod jwt;
mod rate_limit;

use http::{HeaderMap, HeaderValue, header};

use self::{api_key::Keys, jwt::Tokens};
use crate::settings::{AccessMode, ConfigError};

pub use crate::settings::Permission;
pub use api_key::NewKey;
pub use budget::{Budget, Exceeded, Share};
pub use caller::{Caller, Denied, Permissions};
pub use client_slots::{ClientSlot, SlotsByClient};
pub use jwks::KeySet;
pub use rate_limit::{Client, RequestLimiter, RequestQuota};

/// The longest credential that is accepted, in bytes.
const MAX_CREDENTIAL: usize = 8 * 1024;

/// How callers authenticate.
pub enum Access {
    Open,
    Keys(Keys),
    Tokens(Box<Tokens>),
}

impl Access {
    /// # Errors
    /// [`ConfigError`]: the file with the issuer's keys is unreadable or has none, an algorithm is
    /// unknown, or the issuer's HTTP client cannot be built.
    pub fn new(mode: AccessMode) -> Result<Self, ConfigError> {
        Ok(match mode {
            AccessMode::Open => Self::Open,
            AccessMode::Keys(keys) => Self::Keys(Keys::new(keys)),
            AccessMode::Jwt(config) => Self::Tokens(Box::new(Tokens::new(*config)?)),
        })
    }

    /// Whether the gateway accepts callers without authentication.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Asks the token issuer for its keys and returns their number. `None`: there is no issuer to
    /// ask.
    ///
    /// # Errors
    /// Why there are no keys, in words.
    pub async fn probe_issuer(&self) -> Option<Result<usize, String>> {
        match self {
            Self::Open | Self::Keys(_) => None,
            Self::Tokens(tokens) => tokens.probe_issuer().await,
        }
    }

    /// Authenticates the caller that sent these headers.
    ///
    /// # Errors
    /// [`Denied`]: there is not exactly one valid credential, or it cannot be verified now.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        if self.is_open() {
            return Ok(Caller::anonymous());
        }
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.holder(value).await,
            (Some(_), Some(_)) => Err(Denied::Malformed),
            (None, _) => Err(Denied::Missing),
        }
    }

    /// Finds the caller that holds the credential in this `Authorization`.
    ///
    /// # Errors
    /// [`Denied`]: the credential is malformed or invalid, or cannot be verified now.
    pub async fn holder(&self, authorization: &HeaderValue) -> Result<Caller, Denied> {
        let bearer = bearer(authorization).ok_or(Denied::Malformed)?;
        match self {
            Self::Open => Ok(Caller::anonymous()),
            Self::Keys(keys) => keys.holder(bearer),
            Self::Tokens(tokens) => tokens.verify(bearer).await,
        }
    }
}

/// The credential after `Bearer` (RFC 6750 2.1). `None`: the value is malformed.
fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, credential) = authorization.to_str().ok()?.split_once(' ')?;
    let fits = scheme.eq_ignore_ascii_case("bearer")
        && !credential.is_empty()
        && credential.len() <= MAX_CREDENTIAL
        && credential.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(credential)
}
