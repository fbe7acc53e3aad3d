//! How long others may keep an answer (RFC 9111).

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::http::HeaderValue;
use tokio::time::Instant;

use crate::source::Lifetime;

/// How long an answer is kept in which nothing changes before the gateway is configured anew.
const SETTLED: Duration = Duration::from_secs(60);

/// Whether and how long an answer may be kept.
#[derive(Debug, Clone, Copy)]
pub struct CachePolicy {
    end: Expiry,
    /// By the client that asked, and no other.
    private: bool,
}

/// When an answer stops being true.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    /// By no one: it was true for a moment only.
    Now,
    At(Instant),
    /// Not as long as this gateway runs.
    Never,
}

impl CachePolicy {
    /// Not at all.
    pub const NONE: Self = Self {
        end: Expiry::Now,
        private: false,
    };

    /// Of an answer to an operation that was executed.
    pub fn of(kind: OperationType, lifetime: Option<Lifetime>, private: bool) -> Self {
        let Some(lifetime) = lifetime.filter(|_| kind == OperationType::Query) else {
            return Self::NONE;
        };
        Self {
            end: lifetime.until.map_or(Expiry::Never, Expiry::At),
            private: private || lifetime.private,
        }
    }

    /// Until when the answer may be kept here; `None`: not at all.
    pub fn until(self) -> Option<Instant> {
        match self.end {
            Expiry::Now => None,
            Expiry::At(end) => Some(end),
            Expiry::Never => Some(Instant::now() + SETTLED),
        }
    }

    /// As `Cache-Control`.
    pub fn header(self) -> HeaderValue {
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
        let age = match self.end {
            Expiry::Now => return NO_STORE,
            Expiry::At(end) => end.saturating_duration_since(Instant::now()),
            Expiry::Never => SETTLED,
        };
        let (who, age) = (
            if self.private { "private" } else { "public" },
            age.as_secs(),
        );
        HeaderValue::try_from(format!("{who}, max-age={age}")).unwrap_or(NO_STORE)
    }
}
