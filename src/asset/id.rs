//! Identifiers: source names, asset ids, and the global ids that Relay clients hold.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Maximum length of an upstream id, in bytes. Known ids have 22 to 42.
const MAX_UPSTREAM_ID: usize = 128;

/// The name of one configured account or server: `[a-z][a-z0-9-]{0,31}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`InvalidName`], which states the rule, if `text` breaks it.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let letters = text.as_bytes();
        let fits = (1..=32).contains(&letters.len())
            && letters.first().is_some_and(u8::is_ascii_lowercase)
            && letters
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the two-byte hash that replaces the name inside cursors and list keys.
    #[must_use]
    pub fn hash16(&self) -> u16 {
        let digest = blake3::hash(self.0.as_bytes());
        u16::from_be_bytes([digest.as_bytes()[0], digest.as_bytes()[1]])
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The text is not a source name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a source's name is 1 to 32 characters: lower-case letters, digits and hyphens, a letter first"
)]
pub struct InvalidName;

/// Identifies an asset across all sources.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId {
    pub source: SourceName,
    /// The source's own id: opaque, case-sensitive, 1 to 128 bytes.
    pub upstream: Arc<str>,
}

impl AssetId {
    /// Returns the global id, as [`GlobalId`] prints it: letters, digits, `-` and `_`.
    #[must_use]
    pub fn global(&self) -> Box<str> {
        let (source, upstream) = (self.source.as_str(), &*self.upstream);
        let plain = [b"a:", source.as_bytes(), b":", upstream.as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(plain).into()
    }
}

/// A decoded Relay global id. On the wire: unpadded base64url of `a:<source>:<upstream id>` or
/// `s:<source>`, in the one canonical spelling. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GlobalId {
    Asset(AssetId),
    Source(SourceName),
}

impl GlobalId {
    /// Parses an id that a client sends.
    ///
    /// # Errors
    /// [`InvalidId`] for any text that this gateway does not write: other alphabets, padding, stray
    /// bits, unknown prefixes, empty or overlong parts.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        // Longer than 4/3 of the longest plain text: not worth decoding.
        if text.len() > 256 {
            return Err(InvalidId);
        }
        let plain = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidId)?;
        let plain = String::from_utf8(plain).map_err(|_| InvalidId)?;
        // The decoder accepts only the spelling that `to_string` writes: no padding, no stray bits.
        match plain.split_once(':').ok_or(InvalidId)? {
            ("a", rest) => {
                let (source, upstream) = rest.split_once(':').ok_or(InvalidId)?;
                if !is_upstream_id_text(upstream) {
                    return Err(InvalidId);
                }
                Ok(Self::Asset(AssetId {
                    source: SourceName::parse(source).map_err(|_| InvalidId)?,
                    upstream: upstream.into(),
                }))
            }
            ("s", source) => {
                let source = SourceName::parse(source).map_err(|_| InvalidId)?;
                Ok(Self::Source(source))
            }
            _ => Err(InvalidId),
        }
    }
}

impl fmt::Display for GlobalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asset(id) => f.write_str(&id.global()),
            Self::Source(name) => f.write_str(&URL_SAFE_NO_PAD.encode(format!("s:{name}"))),
        }
    }
}

/// Whether an upstream id can be part of a global id and of a URL path.
#[must_use]
pub fn is_upstream_id_text(text: &str) -> bool {
    // Dot segments and control characters do not survive in a URL: a read by such an id would
    // request another resource.
    (1..=MAX_UPSTREAM_ID).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.chars().any(char::is_control)
}

/// The text is not an id of this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this gateway: use an `id` exactly as an earlier answer gave it")]
pub struct InvalidId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_round_trip() {
        let id = GlobalId::Asset(AssetId {
            source: SourceName::parse("comfy-local").unwrap(),
            upstream: "a:b/ü".into(),
        });
        assert_eq!(GlobalId::parse(&id.to_string()), Ok(id.clone()));
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        let source = GlobalId::Source(SourceName::parse("studio").unwrap()).to_string();
        assert!(GlobalId::parse(&source).is_ok());
        assert!(GlobalId::parse(&format!("{source}=")).is_err());
        // "s:ab" ends in two unused bits: another last letter decodes to the same bytes.
        let spelled = URL_SAFE_NO_PAD.encode("s:ab");
        assert_eq!(spelled, "czphYg");
        assert!(GlobalId::parse("czphYg").is_ok());
        assert!(GlobalId::parse("czphYh").is_err());
    }

    #[test]
    fn ids_that_no_path_can_hold_are_refused() {
        for bad in [
            "", ".", "..", "\t", "a\nb", "a\r", "\u{7f}", "\u{85}", "a\0",
        ] {
            assert!(!is_upstream_id_text(bad), "{bad:?}");
            let text = URL_SAFE_NO_PAD.encode(format!("a:comfy:{bad}"));
            assert!(GlobalId::parse(&text).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsed_ids_print_the_same(
            text in "(YT|cz)[A-Za-z0-9_=+/-]{1,40}",
            plain in "[as]:[a-z:]{1,9}(:.{0,9})?",
        ) {
            for text in [&text, &URL_SAFE_NO_PAD.encode(plain)] {
                if let Ok(id) = GlobalId::parse(text) {
                    proptest::prop_assert_eq!(&id.to_string(), text);
                }
            }
        }
    }

    #[test]
    fn names_follow_the_rule() {
        for good in ["a", "comfy-local", "s3"] {
            assert!(SourceName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "3d", "-a", "Comfy", "a_b", &"a".repeat(33)] {
            assert!(SourceName::parse(bad).is_err(), "{bad}");
        }
    }
}
