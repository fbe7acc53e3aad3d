//! Tells text from binary data, and the types of texts.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::{
    bytes::{begins_with_any, contains, from, has},
    xml::{Root, prologue},
};

/// Returns a type whose files begin with text, whatever follows.
pub fn headed_by_text(bytes: &[u8]) -> Option<&'static str> {
    let digit = |offset: usize| bytes.get(offset).is_some_and(u8::is_ascii_digit);
    // ISO 32000-2, 7.5.2.
    if has(bytes, 0, b"%PDF-") && digit(5) && has(bytes, 6, b".") && digit(7) {
        return Some("application/pdf");
    }
    if has(bytes, 0, b"%!PS-Adobe-") && digit(11) {
        return Some("application/postscript");
    }
    if has(bytes, 0, b"{\\rtf") && digit(5) {
        return Some("application/rtf");
    }
    if has(bytes, 0, b"#usda ") && digit(6) {
        return Some("model/vnd.usda");
    }
    let is_radiance = begins_with_any(bytes, &[b"#?RADIANCE\n", b"#?RGBE\n"]);
    if is_radiance && contains(bytes, b"\nFORMAT=32-bit_rle_") {
        return Some("image/vnd.radiance");
    }
    if begins_with_any(bytes, &[b"ply\n", b"ply\r"]) {
        let formats: [&[u8]; 3] = [
            b"format ascii 1.0",
            b"format binary_little_endian 1.0",
            b"format binary_big_endian 1.0",
        ];
        let second_line = from(bytes, 3).trim_ascii_start();
        return begins_with_any(second_line, &formats).then_some("model/ply");
    }
    if has(bytes, 0, b"solid") && !bytes.contains(&0) {
        let line = bytes
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let second_line = from(bytes, line).trim_ascii_start();
        let is_stl = begins_with_any(second_line, &[b"facet normal", b"endsolid"]);
        return is_stl.then_some("model/stl");
    }
    None
}

/// Whether a character is a "binary data byte" of the WHATWG's MIME Sniffing Standard (section 3).
pub const fn is_binary(character: u32) -> bool {
    matches!(character, 0..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F)
}

/// Decodes the bytes if they are a text. Of a text in 8 bits that is not UTF-8 only the ASCII is
/// right, which markup needs. `is_cut`: the file goes on.
pub fn decode(bytes: &[u8], is_cut: bool) -> Option<Cow<'_, str>> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| decode_utf16(bytes, unit, is_cut);
    match bytes {
        [] | [0xFF, 0xFE, 0, 0, ..] => None,
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // A declaration in UTF-16 without a mark (XML 1.0, appendix F.1).
        [b'<', 0, b'?', 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, b'<', 0, b'?', ..] => utf16(bytes, u16::from_be_bytes),
        _ if bytes.iter().any(|byte| is_binary((*byte).into())) => None,
        _ => {
            let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            match std::str::from_utf8(bytes) {
                Ok(text) => Some(Cow::Borrowed(text)),
                Err(error) if error.error_len().is_none() && is_cut => {
                    let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
                    Some(String::from_utf8_lossy(whole))
                }
                Err(_) => {
                    let has_ascii = bytes.iter().any(u8::is_ascii);
                    has_ascii.then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
                }
            }
        }
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, is_cut: bool) -> Option<Cow<'static, str>> {
    let (units, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() && !is_cut {
        return None;
    }
    let mut units: Vec<u16> = units.iter().map(|pair| unit(*pair)).collect();
    // The first half of a pair, whose second half is cut off.
    if is_cut
        && units
            .last()
            .is_some_and(|unit| (0xD800..0xDC00).contains(unit))
    {
        units.pop();
    }
    let text = String::from_utf16(&units).ok()?;
    let is_wrong = |c: char| is_binary(c.into()) || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    (!text.chars().any(is_wrong)).then_some(Cow::Owned(text))
}

/// Returns the type of a text.
pub fn of_text(text: &str, is_cut: bool) -> &'static str {
    let text = text.trim_start();
    if text.starts_with('<') {
        return of_markup(text, is_cut);
    }
    if text.starts_with(['{', '[']) && is_json(text, is_cut) {
        return "application/json";
    }
    "text/plain"
}

/// The root element decides, not a word in a comment or in the content.
fn of_markup(text: &str, is_cut: bool) -> &'static str {
    let prologue = prologue(text);
    // Prose about an element, as in "<svg> is a tag", does not end like a document.
    let is_document = is_cut || text.trim_end().ends_with('>');
    match prologue.root {
        Root::Html => "text/html",
        Root::Element { name, .. } if name.eq_ignore_ascii_case("html") => "text/html",
        Root::Element { name, attributes } if is_document && is_svg(name, attributes) => {
            "image/svg+xml"
        }
        Root::Element {
            name: "COLLADA", ..
        } => "model/vnd.collada+xml",
        Root::Element { .. } | Root::Cut if prologue.is_declared => "text/xml",
        _ => "text/plain",
    }
}

/// Whether a root element is SVG's: by its namespace, or by its name alone where it declares none.
fn is_svg(name: &str, attributes: &str) -> bool {
    let (declaration, local) = match name.split_once(':') {
        Some((prefix, local)) => (format!("xmlns:{prefix}"), local),
        None => ("xmlns".to_owned(), name),
    };
    if local != "svg" {
        return false;
    }
    match attribute(attributes, &declaration) {
        // Some editors write the namespace as an entity of the DOCTYPE.
        Some(namespace) => namespace == "http://www.w3.org/2000/svg" || namespace.starts_with('&'),
        None => declaration == "xmlns",
    }
}

/// Returns the value of an attribute.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    attributes.match_indices(name).find_map(|(index, _)| {
        let before = attributes.get(..index)?;
        let value = attributes.get(index + name.len()..)?.trim_start();
        let value = value.strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, _) = value.get(1..)?.split_once(quote)?;
        before.ends_with(char::is_whitespace).then_some(value)
    })
}

/// Whether a text is JSON, as far as it goes.
fn is_json(text: &str, is_cut: bool) -> bool {
    // A number that is cut may be none yet, such as `-`.
    let in_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let text = if is_cut {
        text.trim_end_matches(in_number)
    } else {
        text
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => true,
        Err(error) => is_cut && error.is_eof(),
    }
}
