//! Reads a valid list in one pass: it decodes each row in place and keeps the row's text.
//! [`super::rows`] reads an invalid list, in two passes.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Deserializer;

/// Returns the rows of the top-level array `name`, and the text without them. `find_known` gets the
/// text from a row on. If it knows the row, it returns the mapped row and its text, which is then
/// not decoded. `None` means that the text is invalid.
pub fn rows<'a, W: DeserializeOwned, T>(
    text: &'a str,
    name: &str,
    find_known: impl Fn(&'a str) -> Option<(T, &'a str)>,
    map: impl Fn(W, &'a str) -> Option<T>,
) -> Option<(Vec<T>, String)> {
    let mut rest = Rest(text);
    let mut found = None;
    rest.pass('{')?;
    loop {
        let (key, _) = rest.value::<String>()?;
        rest.pass(':')?;
        if key != name {
            rest.value::<IgnoredAny>()?;
        } else if found.is_none() {
            rest.pass('[')?;
            let begin = text.len() - rest.0.len();
            let rows = rest.elements(&find_known, &map)?;
            // `rest` is already past the closing bracket.
            found = Some((rows, begin, text.len() - rest.0.len() - 1));
        } else {
            return None;
        }
        if rest.pass(',').is_none() {
            break;
        }
    }
    rest.pass('}')?;
    let (rows, begin, end) = found.filter(|_| rest.is_at_end())?;
    let around = [text.get(..begin)?, text.get(end..)?].concat();
    Some((rows, around))
}

/// The unread rest of the text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Skips whitespace and then `sign`.
    fn pass(&mut self, sign: char) -> Option<()> {
        self.0 = self.0.trim_start_matches(is_space).strip_prefix(sign)?;
        Some(())
    }

    fn is_at_end(&self) -> bool {
        self.0.trim_start_matches(is_space).is_empty()
    }

    /// Reads a value and returns it with its text.
    fn value<T: DeserializeOwned>(&mut self) -> Option<(T, &'a str)> {
        let text = self.0.trim_start_matches(is_space);
        let mut values = Deserializer::from_str(text).into_iter();
        let value = values.next()?.ok()?;
        let (value_text, rest) = text.split_at_checked(values.byte_offset())?;
        self.0 = rest;
        Some((value, value_text))
    }

    /// Reads the elements of an array, from after its opening bracket to its end.
    fn elements<W: DeserializeOwned, T>(
        &mut self,
        find_known: impl Fn(&'a str) -> Option<(T, &'a str)>,
        map: impl Fn(W, &'a str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut elements = Vec::new();
        if self.pass(']').is_some() {
            return Some(elements);
        }
        loop {
            self.0 = self.0.trim_start_matches(is_space);
            if let Some((element, text)) = find_known(self.0) {
                self.0 = self.0.get(text.len()..)?;
                elements.push(element);
            } else {
                let (element, text) = self.value()?;
                elements.push(map(element, text)?);
            }
            if self.pass(',').is_none() {
                break;
            }
        }
        self.pass(']')?;
        Some(elements)
    }
}

/// Whether a character is JSON whitespace (RFC 8259, 2).
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn unknown<T>(_: &str) -> Option<(T, &str)> {
        None
    }

    fn read(text: &str) -> Option<(Vec<(u64, &str)>, String)> {
        rows(text, "assets", unknown, |number: u64, text| {
            Some((number, text))
        })
    }

    #[test]
    fn rows_are_read_with_their_texts() {
        let text =
            " { \"a\" : [ 1, {\"assets\":[2]} ] , \"assets\" : [ 1 , 20,300 ] ,\"b\":-1e3 } ";
        let around = r#" { "a" : [ 1, {"assets":[2]} ] , "assets" : [] ,"b":-1e3 } "#;
        let rows = vec![(1, "1"), (20, "20"), (300, "300")];
        assert_eq!(read(text), Some((rows, around.to_owned())));
        let none = (Vec::new(), r#"{"\u0061ssets":[]}"#.to_owned());
        assert_eq!(read(r#"{"\u0061ssets":[ ]}"#), Some(none));
    }

    #[test]
    fn known_rows_are_not_decoded() {
        let known = |text: &'static str| {
            let row = text.get(..2).filter(|row| *row == "[]")?;
            Some(((0, row), row))
        };
        let read = |text| {
            rows(text, "assets", known, |number: u64, text| {
                Some((number, text))
            })
        };
        let expected = Some((
            vec![(1, "1"), (0, "[]"), (0, "[]")],
            r#"{"assets":[]}"#.to_owned(),
        ));
        assert_eq!(read(r#"{"assets":[1, [] ,[]]}"#), expected);
        assert_eq!(read(r#"{"assets":[[]1]}"#), None);
        assert_eq!(read(r#"{"assets":[[]"#), None);
    }

    #[test]
    fn invalid_lists_are_refused() {
        for text in [
            "",
            "{}",
            "[1]",
            r#"{"assets":[1]"#,
            r#"{"assets":[1]}}"#,
            r#"{"assets":[1,]}"#,
            r#"{"assets":[,1]}"#,
            r#"{"assets":[1 2]}"#,
            r#"{"assets":[12}"#,
            r#"{"assets":[null]}"#,
            r#"{"assets":[NaN]}"#,
            r#"{"assets":{"0":1}}"#,
            r#"{"assets":[1],}"#,
            r#"{"assets":[1],"assets":[1]}"#,
            r#"{"assets":[1] "b":2}"#,
            r#"{"assets":[1],"b":nul}"#,
            "{\"assets\":[1\u{a0}]}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(
            rows(
                r#"{"assets":[1]}"#,
                "assets",
                unknown,
                |_: u64, _| None::<()>
            ),
            None
        );
    }

    proptest::proptest! {
        #[test]
        fn it_reads_what_serde_reads(text in "[\\[\\]{}\",:\\\\a1-2 .e]{0,40}") {
            for text in [
                format!("{{\"assets\":[{text}]}}"),
                format!("{{\"assets\":[1,{text}]}}"),
                format!("{{\"assets\":[1],{text}}}"),
                format!("{{{text}\"assets\":[1]}}"),
            ] {
                let parsed = rows(&text, "assets", unknown, |parsed: Value, text| Some((parsed, text)));
                let Some((parsed, around)) = parsed else { continue };
                let whole: Value = serde_json::from_str(&text).unwrap();
                let around: Value = serde_json::from_str(&around).unwrap();
                let rows: Vec<_> = parsed.iter().map(|(value, _)| value.clone()).collect();
                proptest::prop_assert_eq!(&whole["assets"], &json!(rows));
                for (value, text) in parsed {
                    proptest::prop_assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
                }
                let less = |mut whole: Value| {
                    whole["assets"] = json!([]);
                    whole
                };
                proptest::prop_assert_eq!(around.clone(), less(whole));
                proptest::prop_assert_eq!(&around["assets"], &json!([]));
            }
        }
    }
}
