//! Reads a response whole.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::{error::UpstreamError, redact::SentSecrets};

/// A response that was read whole, with any status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The credentials of the call, which a message must not repeat.
    pub secrets: SentSecrets,
}

impl Answer {
    /// Redacts the credentials that the call sent. A successful response is data and stays
    /// unchanged: it may contain a credential as a plain word, such as the user `default`. It keeps
    /// the credentials, for messages made from it.
    #[must_use]
    pub fn redacted(mut self, secrets: SentSecrets) -> Self {
        if secrets.is_empty() {
            return self;
        }
        if self.status.is_success() {
            self.secrets = secrets;
        } else if let Ok(text) = std::str::from_utf8(&self.body) {
            self.body = secrets.without(text).into();
        }
        self
    }
}

/// Reads a response whole, up to `limit` bytes.
pub async fn read_answer(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Answer, UpstreamError> {
    let mut body = Bytes::new();
    // A body of one chunk is used as it is, without a copy.
    let mut joined = BytesMut::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| UpstreamError::of(&error))?
    {
        if joined.len() + body.len() + piece.len() > limit {
            return Err(UpstreamError::TooLarge { limit });
        }
        joined.extend_from_slice(&std::mem::replace(&mut body, piece));
    }
    if !joined.is_empty() {
        joined.extend_from_slice(&body);
        body = joined.freeze();
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
        secrets: SentSecrets::default(),
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use http::HeaderValue;

    use super::*;

    fn hide(credential: &str, body: &str) -> String {
        hide_with(StatusCode::BAD_REQUEST, credential, body)
    }

    fn hide_with(status: StatusCode, credential: &str, body: &str) -> String {
        let mut value = HeaderValue::from_str(credential).expect("a header");
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let answer = Answer {
            status,
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            secrets: SentSecrets::default(),
        };
        let answer = answer.redacted(SentSecrets::of(&headers));
        String::from_utf8(answer.body.to_vec()).expect("text")
    }

    #[test]
    fn repeated_credentials_are_redacted() {
        assert_eq!(
            hide(
                "Bearer correct-horse",
                "bad key Bearer correct-horse (correct-horse)"
            ),
            "bad key … (…)"
        );
        let pair = format!("Basic {}", STANDARD.encode("the-key:the-secret"));
        assert_eq!(hide(&pair, "the-key, the-secret"), "…, …");
        assert_eq!(hide("3fa85f64-5717-4562", "no 3fa85f64-5717-4562"), "no …");
        assert_eq!(hide("a", "a word"), "a word");
    }

    #[test]
    fn data_stays_as_it_is() {
        let asset = r#"{"name":"default.png"}"#;
        assert_eq!(hide_with(StatusCode::OK, "default", asset), asset);
    }
}
