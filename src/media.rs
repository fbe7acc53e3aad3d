//! Signed URLs of renditions that only the gateway can load; `schema` makes, `server` opens them.
//!
//! `<public_url>/media/<token>`. A token holds an asset, a rendition and an expiry, under a MAC
//! that also covers the credential scope. It cannot be forged, altered or used after its expiry, or
//! after the source's credential has changed. Making one costs no upstream call.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use url::Url;

use crate::{
    asset::{AssetId, Rendition, SourceName, is_upstream_id_text},
    source::CredentialScope,
};

const HOUR: i64 = 3600;
/// The minimum lifetime of a URL, in seconds.
const LIFE: i64 = 24 * HOUR;
const MAC: usize = 16;

/// Makes and opens media URLs.
#[derive(Clone)]
pub struct MediaUrls {
    key: [u8; 32],
    /// Without a trailing slash.
    base: String,
}

/// The file that a token grants, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: AssetId,
    pub rendition: Rendition,
    pub expires_at: Timestamp,
}

/// Why a token opens nothing: it is damaged, forged, from another gateway, or expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    #[error("not a media URL of this gateway: query the asset's `url` again")]
    Unknown,
    #[error("this URL has expired: query the asset's `url` again")]
    Expired,
}

impl MediaUrls {
    #[must_use]
    pub fn new(key: [u8; 32], public_url: &Url) -> Self {
        Self {
            key,
            base: public_url.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// Makes the URL of a rendition, and returns its expiry. Expiries fall on full hours, so that
    /// an asset's URL stays the same for a while and browsers can cache the file.
    #[must_use]
    pub fn url(
        &self,
        id: &AssetId,
        rendition: Rendition,
        scope: &CredentialScope,
        now: Timestamp,
    ) -> (String, Timestamp) {
        let end = (now.as_second() / HOUR + 1) * HOUR + LIFE;
        let mut token = vec![match rendition {
            Rendition::Original => 0,
            Rendition::Small => 1,
            Rendition::Large => 2,
        }];
        // Hours since 1970 fit into 32 bits until the year 491,000.
        token.extend(u32::try_from(end / HOUR).unwrap_or(u32::MAX).to_be_bytes());
        token.extend(id.source.as_str().as_bytes());
        token.push(b':');
        token.extend(id.upstream.as_bytes());
        token.extend(self.mac(&token, scope));
        let url = format!("{}/media/{}", self.base, URL_SAFE_NO_PAD.encode(token));
        (url, Timestamp::from_second(end).unwrap_or(now))
    }

    /// Opens a token. `scope_of` returns the scope of a source's current credential.
    ///
    /// # Errors
    /// - [`InvalidToken::Unknown`]: the token is malformed, or its MAC or its scope is wrong.
    /// - [`InvalidToken::Expired`]: the token is genuine but has expired.
    pub fn open(
        &self,
        token: &str,
        scope_of: impl Fn(&SourceName) -> Option<CredentialScope>,
        now: Timestamp,
    ) -> Result<Grant, InvalidToken> {
        const UNKNOWN: InvalidToken = InvalidToken::Unknown;
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| UNKNOWN)?;
        let (plain, mac) = bytes
            .len()
            .checked_sub(MAC)
            .map(|at| bytes.split_at(at))
            .ok_or(UNKNOWN)?;
        let (rendition, rest) = plain.split_first().ok_or(UNKNOWN)?;
        let (hours, name) = rest.split_first_chunk::<4>().ok_or(UNKNOWN)?;
        let name = std::str::from_utf8(name).map_err(|_| UNKNOWN)?;
        let (source, upstream) = name.split_once(':').ok_or(UNKNOWN)?;
        let source = SourceName::parse(source).map_err(|_| UNKNOWN)?;
        let scope = scope_of(&source).ok_or(UNKNOWN)?;
        // Hashes of blake3 compare in constant time.
        let expected = blake3::Hash::from_bytes(zero_padded(&self.mac(plain, &scope)));
        if expected != blake3::Hash::from_bytes(zero_padded(mac)) || !is_upstream_id_text(upstream)
        {
            return Err(UNKNOWN);
        }
        let end = i64::from(u32::from_be_bytes(*hours)) * HOUR;
        let expires_at = Timestamp::from_second(end).map_err(|_| UNKNOWN)?;
        if expires_at <= now {
            return Err(InvalidToken::Expired);
        }
        let rendition = match rendition {
            0 => Rendition::Original,
            1 => Rendition::Small,
            2 => Rendition::Large,
            _ => return Err(UNKNOWN),
        };
        Ok(Grant {
            id: AssetId {
                source,
                upstream: upstream.into(),
            },
            rendition,
            expires_at,
        })
    }

    fn mac(&self, plain: &[u8], scope: &CredentialScope) -> [u8; MAC] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(scope.as_bytes());
        hasher.update(plain);
        let mut mac = [0; MAC];
        hasher.finalize_xof().fill(&mut mac);
        mac
    }
}

fn zero_padded(mac: &[u8]) -> [u8; 32] {
    let mut wide = [0; 32];
    for (slot, byte) in wide.iter_mut().zip(mac) {
        *slot = *byte;
    }
    wide
}
