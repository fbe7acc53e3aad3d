//! The headers of a part: its name, and the name of its file (RFC 7578, 4.2).

use axum::http::{HeaderMap, header};
use mail_parser::{MessageParser, MimeHeaders};

/// What `Content-Disposition` says of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PartHeader {
    /// The part's name.
    pub name: Option<String>,
    /// The name of its file. Clients write it in several ways: quoted, with escapes of a browser's
    /// form, as encoded words (RFC 2047) or extended (`filename*`, RFC 8187), which wins.
    pub file_name: Option<String>,
}

impl PartHeader {
    /// Reads the headers of a part.
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_DISPOSITION) else {
            return Self::default();
        };
        Self::parse(&String::from_utf8_lossy(value.as_bytes()))
    }

    fn parse(value: &str) -> Self {
        // The parser reads mail, where this header is the same.
        // White space between two encoded words is no part of the text (RFC 2047, 6.2).
        let joined = with_backslashes(value).replace("?= =?", "?==?");
        let raw = format!("Content-Disposition: {joined}\r\n\r\n");
        let message = MessageParser::default().parse_headers(raw.as_bytes());
        let disposition = message
            .as_ref()
            .and_then(|message| message.content_disposition());
        let attributes = disposition.and_then(|disposition| disposition.attributes());
        let attributes = attributes.unwrap_or_default();
        let name = attributes.iter().find(|attribute| attribute.name == "name");
        let file_names = attributes
            .iter()
            .filter(|attribute| attribute.name == "filename");
        let mut file_names: Vec<&str> = file_names.map(|attribute| &*attribute.value).collect();
        // An extended name that is not UTF-8 is none.
        if file_names.len() > 1 {
            file_names.retain(|name| !name.contains(char::REPLACEMENT_CHARACTER));
        }
        let file_name = match *file_names.as_slice() {
            [first, _] if begins_with_extended(value) => Some(first.to_owned()),
            [_, .., last] => Some(last.to_owned()),
            [one] if value.to_ascii_lowercase().contains("filename*") => Some(one.to_owned()),
            [one] => Some(unescaped(one)),
            [] => None,
        };
        Self {
            name: name.map(|attribute| unescaped(&attribute.value)),
            file_name,
        }
    }
}

/// Doubles backslashes that escape nothing: browsers send them as they are.
fn with_backslashes(value: &str) -> String {
    let mut doubled = String::with_capacity(value.len());
    let mut characters = value.chars().peekable();
    while let Some(c) = characters.next() {
        doubled.push(c);
        if c == '\\' {
            let escaped = characters.next_if(|next| matches!(next, '"' | '\\'));
            doubled.push(escaped.unwrap_or('\\'));
        }
    }
    doubled
}

/// Whether the extended name stands before the plain one.
fn begins_with_extended(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let plain = value.find("filename=").unwrap_or(usize::MAX);
    value
        .find("filename*")
        .is_some_and(|extended| extended < plain)
}

/// Turns back the three escapes of a browser's form (HTML, multipart/form-data encoding).
fn unescaped(text: &str) -> String {
    text.replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_clients_write_them() {
        for (value, name, file_name) in [
            (
                "form-data; name=\"0\"; filename=\"cat.png\"",
                "0",
                Some("cat.png"),
            ),
            // .NET's HttpClient.
            (
                "form-data; name=0; filename=\"=?utf-8?B?54uQLnBuZw==?=\"; \
                 filename*=utf-8''%E7%8B%90.png",
                "0",
                Some("狐.png"),
            ),
            (
                "form-data; name=0; filename*=utf-8''%E7%8B%90.png; filename=\"x.png\"",
                "0",
                Some("狐.png"),
            ),
            (
                "form-data; name=\"0\"; filename=\"=?utf-8?Q?=E7=8B=90_a.png?=\"",
                "0",
                Some("狐 a.png"),
            ),
            (
                "form-data; name=\"0\"; filename*=iso-8859-1'en'%A3%20rates.png",
                "0",
                Some("£ rates.png"),
            ),
            (
                "form-data; name=\"0\"; filename=\"=?utf-8?B?w6ku?= =?utf-8?B?cG5n?=\"",
                "0",
                Some("é.png"),
            ),
            (
                "form-data; name=\"0\"; filename*=UTF-8''%ff.png; filename=\"x.png\"",
                "0",
                Some("x.png"),
            ),
            // Browsers.
            (
                "form-data; name=\"0\"; filename=\"12%22 print.png\"",
                "0",
                Some("12\" print.png"),
            ),
            (
                "form-data; name=\"a%0D%0Ab\"; filename=\"c%20d.png\"",
                "a\r\nb",
                Some("c%20d.png"),
            ),
            (
                "form-data; name=\"0\"; filename=\"größe 狐.png\"",
                "0",
                Some("größe 狐.png"),
            ),
            (
                "form-data; name=\"0\"; filename=\"C:\\dir\\x.png\"",
                "0",
                Some("C:\\dir\\x.png"),
            ),
            // curl.
            (
                "form-data; name=\"0\"; filename=\"a\\\"b\\\\.png\"",
                "0",
                Some("a\"b\\.png"),
            ),
            // An extended name has its own escapes.
            (
                "form-data; name=\"0\"; filename*=UTF-8''a%2522.png",
                "0",
                Some("a%22.png"),
            ),
            (
                "form-data; NAME=\"0\"; FileName=\"a;b=c.png\"",
                "0",
                Some("a;b=c.png"),
            ),
            (
                "form-data; name=\"0\"; filename=\"; name=evil\"",
                "0",
                Some("; name=evil"),
            ),
            ("form-data;name=operations", "operations", None),
        ] {
            let expected = PartHeader {
                name: Some(name.to_owned()),
                file_name: file_name.map(str::to_owned),
            };
            assert_eq!(PartHeader::parse(value), expected, "{value}");
        }
        assert_eq!(PartHeader::parse("form-data; filename=\"x\"").name, None);
        assert_eq!(PartHeader::parse(""), PartHeader::default());
    }
}
