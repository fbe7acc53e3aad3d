//! How long others may keep an answer (RFC 9111), and what they ask with when they have one
//! (RFC 9110, 13).

use std::time::Duration;

use async_graphql::{Response as GraphResponse, parser::types::OperationType};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::source::Lifetime;

/// How long an answer is kept in which nothing changes before the gateway is configured anew.
const SETTLED: Duration = Duration::from_secs(60);

/// What may be done with an answer.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// `None`: nobody may keep it.
    lifetime: Option<Lifetime>,
    /// It has a tag to ask again with.
    tagged: bool,
}

impl Keeping {
    pub const NEVER: Self = Self {
        lifetime: None,
        tagged: false,
    };

    /// Of an answer that was executed. `named`: its document can be asked for by name or address.
    pub fn of(
        response: &GraphResponse,
        kind: OperationType,
        lifetime: Option<Lifetime>,
        named: bool,
    ) -> Self {
        let may = kind == OperationType::Query && response.errors.is_empty();
        Self {
            lifetime: lifetime.filter(|_| may),
            tagged: named,
        }
    }

    /// The same, for a caller who had to say who they are.
    pub fn private(self) -> Self {
        let private = |lifetime| Lifetime {
            private: true,
            ..lifetime
        };
        Self {
            lifetime: self.lifetime.map(private),
            ..self
        }
    }

    /// Tells it, and answers 304 where whoever asks has the same answer already.
    pub fn apply(self, response: &mut Response, body: &[u8], asked: &HeaderMap) {
        let Some(lifetime) = self.lifetime else {
            return;
        };
        let who = if lifetime.private {
            "private"
        } else {
            "public"
        };
        let age = lifetime.age.unwrap_or(SETTLED).as_secs();
        let told = HeaderValue::try_from(format!("{who}, max-age={age}"));
        let headers = response.headers_mut();
        if let Ok(told) = told {
            headers.insert(header::CACHE_CONTROL, told);
        }
        if !self.tagged {
            return;
        }
        // Weak: compressed or not, it is the same answer.
        let hash = blake3::hash(body);
        // 18 of 32 bytes, and two letters that were just written: neither slice can fail.
        let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_bytes()[..18]));
        let is_known = asked
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|own| own.trim() == "*" || own.trim().trim_start_matches("W/") == &tag[2..]);
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, tag);
        }
        // Of a POST too where its document has a name: RFC 9110 would have 412 for what changes
        // something, and a query changes nothing.
        if is_known {
            headers.remove(header::CONTENT_TYPE);
            headers.remove(header::CONTENT_LENGTH);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
        }
    }
}
