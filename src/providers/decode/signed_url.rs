//! URLs that browsers load directly, and the expiry of signed URLs.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use url::Url;

use crate::asset::{Location, timestamp};

/// Returns the location of an http or https URL; `None` for any other text.
pub fn direct(url: &str) -> Option<Location> {
    (url.starts_with("https://") || url.starts_with("http://")).then(|| Location::Direct {
        url: url.to_owned(),
        expires_at: expiry(url),
    })
}

/// Returns the expiry of a signed URL; `None` for any other:
///
/// - CloudFront: `Expires`, or the `Policy` document
/// - S3 and Google Cloud Storage: `X-Amz-Date` or `X-Goog-Date`, with `X-Amz-Expires` or
///   `X-Goog-Expires`
/// - Azure Blob Storage: `se` of a shared access signature, a time or a day
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
    if let (Some(end), Some(_)) = (parameter("se"), parameter("sig")) {
        let midnight = || {
            let day: civil::Date = end.parse().ok()?;
            let begin = day.at(0, 0, 0, 0).to_zoned_datetime(TimeZone::UTC).ok()?;
            Some(begin.timestamp())
        };
        return timestamp::lenient(&end).or_else(midnight);
    }
    let (date, lifetime) = ["Amz", "Goog"].into_iter().find_map(|vendor| {
        let date = parameter(&format!("X-{vendor}-Date"))?;
        Some((date, parameter(&format!("X-{vendor}-Expires"))?))
    })?;
    let begins: civil::DateTime = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    let lifetime_seconds: i64 = lifetime.parse().ok()?;
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
        assert_eq!(
            expiry("https://s/a?X-Goog-Date=20270115T075900Z&X-Goog-Expires=60&X-Goog-Signature=x"),
            end
        );
        assert_eq!(
            expiry("https://s/a?sv=2024-11-04&sp=r&se=2027-01-15T08%3A00%3A00Z&sig=x"),
            end
        );
        let midnight = Timestamp::from_second(1_799_971_200).ok();
        assert_eq!(expiry("https://s/a?se=2027-01-15&sig=x"), midnight);
        assert_eq!(expiry("https://s/a?se=2027-01-15"), None);
        assert_eq!(expiry("https://c/a?width=2"), None);
        assert_eq!(expiry("https://c/a"), None);
    }
}
