//! Redacts credentials from error responses. Some sources repeat a call's credential there, and the
//! text ends up in client errors and in the log.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue};

/// Minimum length of a redacted part. Shorter parts are no secret and match ordinary words.
const MIN_SECRET_LEN: usize = 6;

/// The credentials that a call sends.
#[derive(Debug, Default)]
pub struct SentSecrets(Vec<HeaderValue>);

impl SentSecrets {
    /// Collects the header values that are marked as sensitive.
    pub fn of(headers: &HeaderMap) -> Self {
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        Self(sensitive.cloned().collect())
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a text with `…` in place of each credential.
    #[must_use]
    pub fn without(&self, text: &str) -> String {
        let hide = |text: String, word: &String| text.replace(word, "…");
        self.words().iter().fold(text.to_owned(), hide)
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
