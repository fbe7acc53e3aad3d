//! URLs that browsers load directly, and the expiry of signed URLs.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use url::Url;

use crate::asset::Location;

/// Returns the location of an http or https URL; `None` for any other text.
pub fn direct(url: &str) -> Option<Location> {
    (url.starts_with("https://") || url.starts_with("http://")).then(|| Location::Direct {
        url: url.to_owned(),
        expires_at: expiry(url),
    })
}

/// Returns the expiry of a CloudFront URL (`Expires`, or the `Policy` document) or an S3-style URL
/// (`X-Amz-Date` with `X-Amz-Expires`); `None` for any other.
pub fn expiry(url: &str) -> Option<Timestamp> {
    if !url.contains('?') {
        return None;
    }
    let url = Url::parse(url).ok()?;
    let parameter = |parameter_name: &str| {
        url.query_pairs()
            .find(|(name, _)| name.eq_ignore_ascii_case(parameter_name))
            .map(|(_, value)| value.into_owned())
    };
    if let Some(expires) = parameter("Expires").and_then(|text| text.parse().ok()) {
        return Timestamp::from_second(expires).ok();
    }
    if let Some(policy) = parameter("Policy") {
        return policy_expiry(&policy);
    }
    let begins: civil::DateTime =
        civil::DateTime::strptime("%Y%m%dT%H%M%SZ", parameter("X-Amz-Date")?).ok()?;
    let lifetime_seconds: i64 = parameter("X-Amz-Expires")?.parse().ok()?;
    let begins = begins.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp();
    begins
        .checked_add(SignedDuration::from_secs(lifetime_seconds))
        .ok()
}

/// Reads the expiry of a CloudFront policy: JSON in base64 with `-_~` for `+=/`.
fn policy_expiry(policy: &str) -> Option<Timestamp> {
    let standard_base64: String = policy
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '=',
            '~' => '/',
            other => other,
        })
        .collect();
    let engine = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let json: serde_json::Value =
        serde_json::from_slice(&engine.decode(standard_base64).ok()?).ok()?;
    let seconds = json
        .pointer("/Statement/0/Condition/DateLessThan/AWS:EpochTime")?
        .as_i64()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signature_style_has_an_expiry() {
        let end = Timestamp::from_second(1_800_000_000).ok();
        assert_eq!(expiry("https://c/a?Expires=1800000000&Signature=x"), end);
        let policy = r#"{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1800000000}}}]}"#;
        let policy = base64::engine::general_purpose::STANDARD
            .encode(policy)
            .replace('+', "-")
            .replace('=', "_")
            .replace('/', "~");
        assert_eq!(
            expiry(&format!("https://c/a?Policy={policy}&Key-Pair-Id=K")),
            end
        );
        assert_eq!(
            expiry("https://s/a?X-Amz-Date=20270115T075900Z&X-Amz-Expires=60"),
            end
        );
        assert_eq!(expiry("https://c/a?width=2"), None);
        assert_eq!(expiry("https://c/a"), None);
    }
}
