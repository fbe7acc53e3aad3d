//! Times as people and servers write them.

use jiff::{Timestamp, civil, tz::TimeZone};

/// Reads RFC 3339. The last day of the year 9999, as many write for "for ever", is past what a
/// [`Timestamp`] holds and counts as its end.
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let date = text.get(..19)?.parse::<civil::DateTime>().ok()?;
        let has_zone = text.ends_with('Z') || text.get(19..)?.contains(['+', '-']);
        (date.year() == 9999 && has_zone).then_some(Timestamp::MAX)
    })
}

/// Reads RFC 3339, or a time without a zone, which means UTC (comfy-observed.md 1).
#[must_use]
pub fn lenient(text: &str) -> Option<Timestamp> {
    rfc3339(text).or_else(|| {
        let civil = text.parse::<civil::DateTime>().ok()?;
        match civil.to_zoned(TimeZone::UTC) {
            Ok(zoned) => Some(zoned.timestamp()),
            Err(_) => (civil.year() == 9999).then_some(Timestamp::MAX),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        let utc: Timestamp = "2026-11-20T15:40:38.767428Z".parse().unwrap();
        for text in [
            "2026-11-20T15:40:38.767428",
            "2026-11-20T15:40:38.767428Z",
            "2026-11-20T16:40:38.767428+01:00",
        ] {
            assert_eq!(lenient(text), Some(utc), "{text}");
        }
        assert_eq!(
            lenient("2026-11-20T15:40:38"),
            "2026-11-20T15:40:38Z".parse().ok()
        );
        assert_eq!(lenient("yesterday"), None);
        assert_eq!(rfc3339("2026-11-20T15:40:38"), None);
    }

    #[test]
    fn the_ends_of_time_are_times() {
        for text in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999+00:00"] {
            assert_eq!(rfc3339(text), Some(Timestamp::MAX), "{text}");
        }
        assert_eq!(lenient("9999-12-31T23:59:59"), Some(Timestamp::MAX));
        assert!(lenient("0001-01-02T00:00:00").is_some());
        assert_eq!(rfc3339("2026-02-30T00:00:00Z"), None);
        assert_eq!(rfc3339("9999-13-31T23:59:59Z"), None);
    }
}
