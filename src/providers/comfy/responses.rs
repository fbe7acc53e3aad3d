//! Decodes Comfy's responses, and maps its error statuses.

use http::{HeaderMap, StatusCode};

use crate::{providers::decode::response, source::SourceError, upstream::Answer};

/// [`response::json`] with Comfy's meanings of the statuses.
pub fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, SourceError> {
    if answer.status.is_success() {
        response::json(answer)
    } else {
        Err(refusal(answer.status, &answer.headers, &answer.body))
    }
}

/// Maps an error status. Comfy Cloud's 429 is about payment, not speed (docs/providers/comfy.md 1).
/// A local server whose assets API is off sends a code.
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
