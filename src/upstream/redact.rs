//! Redacts credentials from error responses. Some sources repeat a call's credential there, and the
//! text ends up in client errors and in the log.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue};

use super::answer::Answer;

/// Minimum length of a redacted part. Shorter parts are no secret and match ordinary words.
const MIN_SECRET_LEN: usize = 6;

/// The credentials that a call sends.
pub struct SentSecrets(Vec<HeaderValue>);

impl SentSecrets {
    /// Collects the header values that are marked as sensitive.
    pub fn of(headers: &HeaderMap) -> Self {
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        Self(sensitive.cloned().collect())
    }

    /// Redacts the credentials in an error response. A successful response is data and stays
    /// unchanged: it may contain a credential as a plain word, such as the user `default`.
    pub fn redact(&self, mut answer: Answer) -> Answer {
        if self.0.is_empty() || answer.status.is_success() {
            return answer;
        }
        let Ok(text) = std::str::from_utf8(&answer.body) else {
            return answer;
        };
        let repeated = self.words().into_iter().filter(|word| text.contains(word));
        let repeated: Vec<String> = repeated.collect();
        if !repeated.is_empty() {
            let hide = |text: String, word: &String| text.replace(word, "…");
            let text = repeated.iter().fold(text.to_owned(), hide);
            answer.body = text.into_bytes().into();
        }
        answer
    }

    /// Returns each credential, the part after its scheme, and the decoded parts of `Basic`.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for value in &self.0 {
            let Ok(text) = value.to_str() else { continue };
            words.push(text.to_owned());
            let Some((scheme, rest)) = text.split_once(' ') else {
                continue;
            };
            words.push(rest.to_owned());
            if scheme.eq_ignore_ascii_case("basic") {
                let pair = STANDARD.decode(rest).ok();
                let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
                if let Some(pair) = pair {
                    words.extend(pair.split(':').map(str::to_owned));
                }
            }
        }
        words.retain(|word| word.len() >= MIN_SECRET_LEN);
        words
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

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
        };
        let answer = SentSecrets::of(&headers).redact(answer);
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
