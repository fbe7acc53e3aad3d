//! Callers, their permissions, and why one is refused.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::settings::Permission;

/// The caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) who: Arc<str>,
    pub(super) permissions: Permissions,
    /// When the caller's token expires; `None`: never.
    pub(super) expires_at: Option<Timestamp>,
}

/// The permissions of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions([bool; Permission::ALL.len()]);

impl Permissions {
    /// Every permission.
    pub const ALL: Self = Self([true; Permission::ALL.len()]);

    #[must_use]
    pub const fn have(self, permission: Permission) -> bool {
        self.0[permission as usize]
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(granted: I) -> Self {
        let mut permissions = Self::default();
        for permission in granted {
            permissions.0[permission as usize] = true;
        }
        permissions
    }
}

impl Caller {
    /// An anonymous caller with every permission, for a gateway that does not authenticate.
    #[must_use]
    pub fn anonymous() -> Self {
        static WHO: LazyLock<Arc<str>> = LazyLock::new(|| "anonymous".into());
        Self {
            who: Arc::clone(&WHO),
            permissions: Permissions::ALL,
            expires_at: None,
        }
    }

    /// The caller's name in the log: `key:<id>`, `sub:<subject>` or `anonymous`.
    #[must_use]
    pub const fn who(&self) -> &Arc<str> {
        &self.who
    }

    /// The caller's permissions.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        self.permissions
    }

    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.permissions.have(permission)
    }

    /// Whether the caller's token has expired.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.expires_at
            .is_some_and(|expires_at| Timestamp::now() >= expires_at)
    }
}

/// Why a caller is refused. The messages contain nothing of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error(
        "this gateway requires authentication: send `authorization: Bearer …` with your key or \
         token"
    )]
    Missing,
    #[error("send exactly one `authorization`, with `Bearer` and a key or token")]
    Malformed,
    #[error("this key is unknown: it may be mistyped or revoked")]
    UnknownKey,
    #[error("this token is not accepted: {0}")]
    Token(&'static str),
    /// Not the caller's fault: the issuer's keys are unavailable.
    #[error("tokens cannot be verified now, as the issuer's keys are unavailable: retry later")]
    NoKeys,
}
