//! Parsing and formatting of timestamps.

use jiff::{
    Timestamp, civil,
    tz::{Offset, TimeZone},
};

/// Parses RFC 3339. The last day of the year 9999, a common "for ever", exceeds the range of
/// [`Timestamp`] and reads as [`Timestamp::MAX`].
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let date = text.get(..19)?.parse::<civil::DateTime>().ok()?;
        let has_zone = text.ends_with('Z') || text.get(19..)?.contains(['+', '-']);
        (date.year() == 9999 && has_zone).then_some(Timestamp::MAX)
    })
}

/// Parses RFC 3339, or a time without a zone, which means UTC.
#[must_use]
pub fn lenient(text: &str) -> Option<Timestamp> {
    let plain = plain(text.strip_suffix('Z').unwrap_or(text));
    plain.or_else(|| rfc3339(text)).or_else(|| {
        let civil = text.parse::<civil::DateTime>().ok()?;
        match civil.to_zoned_datetime(TimeZone::UTC) {
            Ok(zoned) => Some(zoned.timestamp()),
            Err(_) => (civil.year() == 9999).then_some(Timestamp::MAX),
        }
    })
}

/// Parses the most common form, `2026-11-20T15:40:38.767428`, as UTC. This fast path takes a tenth
/// of the general parser's time.
fn plain(text: &str) -> Option<Timestamp> {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let (date_time, fraction) = text.as_bytes().split_at_checked(SHAPE.len())?;
    let mut signs = date_time.iter().zip(SHAPE);
    let has_shape = signs.all(|(byte, sign)| match sign {
        b'd' => byte.is_ascii_digit(),
        _ => byte == sign,
    });
    let digits = match fraction {
        [] => fraction,
        [b'.', digits @ ..] if matches!(digits.len(), 3 | 6) => digits,
        _ => return None,
    };
    if !has_shape || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| {
        let add = |number: i32, digit: &u8| number * 10 + i32::from(digit - b'0');
        digits.iter().fold(0, add)
    };
    let at = |begin: usize| date_time.get(begin..begin + 2).map(number);
    let nanoseconds = match digits.len() {
        3 => number(digits) * 1_000_000,
        _ => number(digits) * 1_000,
    };
    let civil = civil::DateTime::new(
        (at(0)? * 100 + at(2)?) as i16,
        at(5)? as i8,
        at(8)? as i8,
        at(11)? as i8,
        at(14)? as i8,
        at(17)? as i8,
        nanoseconds,
    );
    Offset::UTC.to_timestamp(civil.ok()?).ok()
}

/// Appends a time as RFC 3339 in UTC with milliseconds: `2026-11-20T15:40:38.767Z`. Equals the
/// output of [`Timestamp`] with three digits.
pub fn write(time: Timestamp, text: &mut Vec<u8>) {
    let civil = Offset::UTC.to_datetime(time);
    let Ok(year) = u32::try_from(civil.year()) else {
        return text.extend_from_slice(format!("{time:.3}").as_bytes());
    };
    let positive = |number: i8| u32::from(number.unsigned_abs());
    let parts = [
        (0..4, year),
        (5..7, positive(civil.month())),
        (8..10, positive(civil.day())),
        (11..13, positive(civil.hour())),
        (14..16, positive(civil.minute())),
        (17..19, positive(civil.second())),
        (20..23, u32::from(civil.millisecond().unsigned_abs())),
    ];
    let mut written = *b"0000-00-00T00:00:00.000Z";
    for (range, mut number) in parts {
        for digit in written.get_mut(range).into_iter().flatten().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    text.extend_from_slice(&written);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_print() {
        for text in [
            "2026-11-20T15:40:38.767428Z",
            "1969-12-31T23:59:59.999999Z",
            "0001-01-02T00:00:00Z",
            "-000044-03-15T00:00:00.25Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            let mut written = Vec::new();
            write(time, &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), format!("{time:.3}"));
        }
        for time in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let mut written = Vec::new();
            write(time, &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), format!("{time:.3}"));
        }
    }

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

    proptest::proptest! {
        #[test]
        fn plain_times_are_read_as_any_others(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,9})?(Z|z|\\+01:00)?",
            seconds in -62_000_000_000_i64..250_000_000_000,
            micros in 0_i32..1_000_000,
        ) {
            // `lenient` without the fast path.
            let reference = |text: &str| -> Option<Timestamp> {
                rfc3339(text).or_else(|| {
                    let civil = text.parse::<civil::DateTime>().ok()?;
                    civil.to_zoned_datetime(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
                })
            };
            proptest::prop_assert_eq!(lenient(&text), reference(&text));
            let time = Timestamp::new(seconds, micros * 1_000).unwrap();
            let text = time.to_string();
            proptest::prop_assert_eq!(lenient(&text), Some(time));
            proptest::prop_assert_eq!(lenient(text.trim_end_matches('Z')), Some(time));
        }
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
