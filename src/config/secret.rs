//! A secret text that cannot be printed.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

/// A credential. `Debug` shows `[REDACTED]`. Only [`Secret::expose`] returns the text.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

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

impl<'de> Deserialize<'de> for Secret {
    /// Refuses other types, such as numbers, without repeating the value: serde's own message would
    /// quote the secret.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quiet;
        const EXPECTED: &str = "a secret must be a text in quotes";
        impl de::Visitor<'_> for Quiet {
            type Value = Secret;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom(EXPECTED))
            }
        }
        deserializer.deserialize_any(Quiet)
    }
}
