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

    /// Returns the value of `Cache-Control`. A browser asks again before it shows assets, so that it
    /// shows its own write; a 304 is cheap. Shared caches may keep public assets until they expire.
    pub fn header(self) -> HeaderValue {
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
        let value = match (self.end, self.private) {
            (Expiry::Now, _) => return NO_STORE,
            (Expiry::At(_), true) => return HeaderValue::from_static("private, no-cache"),
            (Expiry::At(end), false) => {
                let age = end.saturating_duration_since(Instant::now()).as_secs();
                format!("public, max-age=0, s-maxage={age}")
            }
            (Expiry::Never, private) => {
                let visibility = if private { "private" } else { "public" };
                format!("{visibility}, max-age={}", STATIC_LIFETIME.as_secs())
            }
        };
        HeaderValue::try_from(value).unwrap_or(NO_STORE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_ask_again_before_they_show_assets() {
        let until = |seconds| {
            let until = Instant::now() + Duration::from_secs(seconds);
            Some(Lifetime {
                until: Some(until),
                private: false,
            })
        };
        let header = |lifetime, private| {
            let policy = CachePolicy::of(OperationType::Query, lifetime, private);
            policy.header().to_str().expect("text").to_owned()
        };
        assert_eq!(header(until(9), true), "private, no-cache");
        assert!(
            ["8", "9"]
                .contains(&&*header(until(9), false).replace("public, max-age=0, s-maxage=", ""))
        );
        let fixed = Some(Lifetime {
            until: None,
            private: false,
        });
        assert_eq!(header(fixed, false), "public, max-age=60");
        assert_eq!(header(None, false), "no-store");
        let policy = CachePolicy::of(OperationType::Mutation, until(9), false);
        assert_eq!(policy.header(), "no-store");
    }
}
