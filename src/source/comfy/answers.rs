//! Comfy's answers: what was read, and why a call was refused.

use http::{HeaderMap, StatusCode};

use crate::{
    source::{SourceError, response},
    upstream::Answer,
};

/// [`response::json`] with Comfy's own meanings of statuses.
pub fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, SourceError> {
    if answer.status.is_success() {
        response::json(answer)
    } else {
        Err(refusal(answer.status, &answer.headers, &answer.body))
    }
}

/// Comfy Cloud's 429 is about money, not speed (comfy.md 1 [docs]); a local server whose assets
/// are switched off says so with a code.
pub fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> SourceError {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return SourceError::PaymentRequired {
            status: 429,
            message: "Comfy Cloud says that the subscription is not active (429): renew it",
        };
    }
    if status == StatusCode::SERVICE_UNAVAILABLE
        && body.windows(16).any(|w| w == b"SERVICE_DISABLED")
    {
        return SourceError::Unavailable {
            status: Some(503),
            reason: "its assets API is switched off: start ComfyUI with --enable-assets".to_owned(),
            retry_after: None,
        };
    }
    response::refusal(status, headers, body)
}
