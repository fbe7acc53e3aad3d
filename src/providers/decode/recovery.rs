//! Repairs a list that is invalid JSON because of single rows (a bare `NaN`, a control character in
//! a string). It splits the rows by quotes and brackets alone.

use serde::de::IgnoredAny;

/// Replaces every row of the array `name` that is not JSON by `null`. Returns `None` if no such
/// array is closed, or if all its rows are JSON.
pub fn without_bad_rows(text: &str, name: &str) -> Option<String> {
    let (begin, end) = array(text, name)?;
    let mut repaired = String::with_capacity(text.len());
    repaired.push_str(&text[..begin]);
    let mut has_bad_row = false;
    for (index, row) in rows(&text[begin..end]).into_iter().enumerate() {
        if index > 0 {
            repaired.push(',');
        }
        if serde_json::from_str::<IgnoredAny>(row).is_ok() {
            repaired.push_str(row);
        } else {
            has_bad_row = true;
            repaired.push_str("null");
        }
    }
    repaired.push_str(&text[end..]);
    has_bad_row.then_some(repaired)
}

/// Returns where the elements of a top-level array begin and end, without its brackets.
fn array(text: &str, name: &str) -> Option<(usize, usize)> {
    let quoted_name = format!("\"{name}\"");
    let mut scan = Scan::default();
    let mut begin = None;
    for (at, byte) in text.bytes().enumerate() {
        let (depth, quoted) = (scan.depth, scan.quoted);
        scan.step(byte);
        match begin {
            None if depth == 1
                && !quoted
                && byte == b'"'
                && text[at..].starts_with(&quoted_name) =>
            {
                let rest = &text[at + quoted_name.len()..];
                let value = rest.trim_start().strip_prefix(':')?.trim_start();
                let value = value.strip_prefix('[')?;
                begin = Some(text.len() - value.len());
            }
            Some(begin) if at >= begin && !quoted && byte == b']' && scan.depth == 1 => {
                return Some((begin, at));
            }
            _ => {}
        }
    }
    None
}

/// Splits the text between an array's brackets into elements; an empty array has none.
fn rows(inside: &str) -> Vec<&str> {
    let mut scan = Scan::default();
    let (mut rows, mut from) = (Vec::new(), 0);
    for (at, byte) in inside.bytes().enumerate() {
        if byte == b',' && scan.depth == 0 && !scan.quoted {
            rows.push(inside[from..at].trim());
            from = at + 1;
        }
        scan.step(byte);
    }
    let last = inside[from..].trim();
    if !last.is_empty() || !rows.is_empty() {
        rows.push(last);
    }
    rows
}

/// The bracket depth, and whether the scan is inside a string.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Scan {
    fn step(&mut self, byte: u8) {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.quoted = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bad_row_is_lost() {
        let text = r#"{"note":"\"assets\":[","assets" : [ {"a":[1,{"b":"],["}]}, {"a":NaN}, {"a":"\\"} ],"total":3}"#;
        assert_eq!(
            without_bad_rows(text, "assets").as_deref(),
            Some(
                r#"{"note":"\"assets\":[","assets" : [{"a":[1,{"b":"],["}]},null,{"a":"\\"}],"total":3}"#
            )
        );
        let controlled = "{\"assets\":[{\"a\":\"\u{1}\"},{\"a\":1}]}";
        assert_eq!(
            without_bad_rows(controlled, "assets").as_deref(),
            Some(r#"{"assets":[null,{"a":1}]}"#)
        );
    }

    #[test]
    fn unrepairable_lists_are_left() {
        for text in [
            "",
            "<html>",
            r#"{"assets":[{"a":1},{"a"#,
            r#"{"assets":[{"a":1}]}"#,
            r#"{"assets":[]}"#,
            r#"{"assets":7,"x":NaN}"#,
        ] {
            assert_eq!(without_bad_rows(text, "assets"), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:\\\\a-c\"assets\" é]{0,80}") {
            let _ = without_bad_rows(&text, "assets");
            let _ = without_bad_rows(&format!("{{\"assets\":[{text}"), "assets");
        }
    }
}
