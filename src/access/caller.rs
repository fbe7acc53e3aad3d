//! Callers, their permissions, and why one is refused.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::config::Permission;

/// Somebody who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) who: Arc<str>,
    pub(super) permissions: Permissions,
    /// Until when they are believed.
    pub(super) until: Option<Timestamp>,
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
