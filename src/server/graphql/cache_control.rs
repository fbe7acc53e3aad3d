//! How long caches may store a response (RFC 9111).

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::http::HeaderValue;
use tokio::time::Instant;

use crate::source::Lifetime;

/// Lifetime of a response that only a reconfiguration of the gateway can change.
const STATIC_LIFETIME: Duration = Duration::from_secs(60);

/// Whether and how long caches may store a response.
#[derive(Debug, Clone, Copy)]
pub struct CachePolicy {
    end: Expiry,
    /// Only the client that sent the request may store it.
    private: bool,
}

/// When a response expires.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    /// Immediately: no cache may store it.
    Now,
    At(Instant),
    /// Not while this gateway runs.
    Never,
}

impl CachePolicy {
    /// No cache may store the response.
    pub const NONE: Self = Self {
        end: Expiry::Now,
        private: false,
    };

    /// Returns the policy of an executed operation's response. Only queries are cacheable.
    pub fn of(kind: OperationType, lifetime: Option<Lifetime>, private: bool) -> Self {
        let Some(lifetime) = lifetime.filter(|_| kind == OperationType::Query) else {
            return Self::NONE;
        };
        Self {
            end: lifetime.until.map_or(Expiry::Never, Expiry::At),
            private: private || lifetime.private,
        }
    }

    /// Returns until when the gateway may cache the response; `None` if it must not.
    pub fn until(self) -> Option<Instant> {
        match self.end {
            Expiry::Now => None,
            Expiry::At(end) => Some(end),
            Expiry::Never => Some(Instant::now() + STATIC_LIFETIME),
        }
    }

    /// Returns the value of `Cache-Control`.
    pub fn header(self) -> HeaderValue {
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
        let age = match self.end {
            Expiry::Now => return NO_STORE,
            Expiry::At(end) => end.saturating_duration_since(Instant::now()),
            Expiry::Never => STATIC_LIFETIME,
        };
        let (visibility, age) = (
            if self.private { "private" } else { "public" },
            age.as_secs(),
        );
        HeaderValue::try_from(format!("{visibility}, max-age={age}")).unwrap_or(NO_STORE)
    }
}
