//! Who calls, and what they may: bearer keys ([`api_key`]), JSON Web Tokens ([`jwt`]), and how many
//! requests each caller has ([`rate_limit`]).
//!
//! Knows no GraphQL, and of HTTP only headers. What a caller shows is compared, hashed or verified
//! here, and never logged.

mod api_key;
mod budget;
mod caller;
mod jwks;
mod jwt;
mod places;
mod rate_limit;

use http::{HeaderMap, HeaderValue, header};

use self::{api_key::Keys, jwt::Tokens};
use crate::config::{AccessMode, ConfigError};

pub use crate::config::Permission;
pub use api_key::NewKey;
pub use budget::{Budget, Exceeded, Share};
pub use caller::{Caller, Denied, Permissions};
pub use places::{ClientSlot, SlotsByClient};
pub use rate_limit::{Client, RequestLimiter, RequestQuota};

/// The longest credential that is looked at, in bytes.
const MAX_CREDENTIAL: usize = 8 * 1024;

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
