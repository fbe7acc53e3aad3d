//! Decodes Comfy's responses, and maps its error statuses.

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::{providers::decode::response, source::SourceError, upstream::Answer};

/// [`response::json`] with Comfy's meanings of the statuses.
pub fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, SourceError> {
    if answer.status.is_success() {
        response::json(answer)
    } else {
        Err(refusal(answer.status, &answer.headers, &answer.body))
    }
}

/// The types of a 429 that are about the account's plan. Any other 429 limits the rate
/// (docs/providers/comfy.md 2).
const PAYMENT_TYPES: [&str; 6] = [
    "FREE_TIER_EXHAUSTED",
    "FREE_TIER_NOT_ALLOWED",
    "PAYMENT_REQUIRED",
    "CLOUD_SUBSCRIPTION_REQUIRED",
    "PARTNER_NODE_PAYMENT_REQUIRED",
    "MODEL_PAYMENT_REQUIRED",
];

#[derive(Deserialize)]
struct Refusal {
    error: TypedError,
}

#[derive(Deserialize)]
struct TypedError {
    #[serde(rename = "type")]
    kind: String,
}

/// Whether a 429 with this body is about payment.
pub fn is_payment_429(body: &[u8]) -> bool {
    serde_json::from_slice::<Refusal>(body)
        .is_ok_and(|refusal| PAYMENT_TYPES.contains(&refusal.error.kind.as_str()))
}

/// Maps an error status. Some 429 of Comfy Cloud are about payment, not speed. A local server whose
/// assets API is off sends a code.
pub fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> SourceError {
    if status == StatusCode::TOO_MANY_REQUESTS && is_payment_429(body) {
        return response::payment_required(status, body);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && contains(body, b"SERVICE_DISABLED") {
        return SourceError::Unavailable {
            status: Some(503),
            reason:
                "its assets API is switched off: start ComfyUI with --enable-assets, or a newer \
                     one without --disable-assets"
                    .to_owned(),
            retry_after: None,
        };
    }
    if status == StatusCode::BAD_REQUEST && contains(body, b"UNSUPPORTED_PARAM") {
        return SourceError::Unsupported(
            "this version of the server has no such filter, which is `metadataFilter` on ComfyUI \
             from 0.38 on: leave it out for this source"
                .to_owned(),
        );
    }
    response::refusal(status, headers, body)
}

fn contains(body: &[u8], word: &[u8]) -> bool {
    body.windows(word.len()).any(|part| part == word)
}
