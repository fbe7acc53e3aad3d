//! A secret text that cannot be printed.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};

/// A credential. `Debug` shows `[REDACTED]`. Only [`Secret::expose`] returns the text.
///
/// A settings key of this type may also be given as a file (`…_file`) or as the name of a variable
/// (`…_env`).
#[derive(Clone, Debug, Deserialize)]
pub struct Secret(#[serde(deserialize_with = "text")] SecretString);

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// Returns the text, for the header that carries it and the hash that names its scope.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Reads a credential that a header carries: visible ASCII, not empty.
///
/// # Errors
/// The rule, for another text.
pub fn credential<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let secret = Secret::deserialize(deserializer)?;
    let text = secret.expose();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(secret));
    }
    Err(D::Error::custom(
        "must be visible ASCII without blanks or line breaks, and not empty: paste the credential \
         alone",
    ))
}
