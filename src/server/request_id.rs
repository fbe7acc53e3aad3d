//! The id of a request in responses and logs, and the span of its log lines.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    response::Response,
};

/// The response header that carries the id.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request in responses and logs: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A new id: unique in this process, and almost certainly among all processes.
    pub fn new() -> Self {
        static FIRST: LazyLock<u64> = LazyLock::new(|| {
            let mut bytes = [0; 8];
            // The id is only a label: zeros suffice if the operating system has no randomness.
            let _ = getrandom::fill(&mut bytes);
            u64::from_ne_bytes(bytes)
        });
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // An odd step visits every `u64` once before it repeats.
        let step = COUNT.fetch_add(1, Ordering::Relaxed);
        let number = FIRST.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut digits = [0; 16];
        for (position, digit) in digits.iter_mut().enumerate() {
            let nibble = (number >> (60 - 4 * position)) as u8 & 0xf;
            *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        }
        Self(digits)
    }

    /// The id that the router gave the request.
    pub fn of(request: &Request) -> Self {
        let given = request.extensions().get().copied();
        given.unwrap_or_else(Self::new)
    }

    /// Adds the header `x-request-id`.
    pub fn add_to(&self, response: &mut Response) {
        if let Ok(value) = HeaderValue::from_bytes(&self.0) {
            response.headers_mut().insert(HEADER, value);
        }
    }

    pub fn as_str(&self) -> &str {
        // Hexadecimal digits are UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The span of a request's log lines.
pub fn span(client: IpAddr) -> tracing::Span {
    tracing::info_span!("request", %client)
}
