//! `Content-Disposition` of files: whether a browser shows or saves them, and under which name (RFC
//! 6266).

use std::fmt::Write;

use axum::http::HeaderValue;

/// Maximum characters of a name.
const MAX_NAME: usize = 100;

/// Makes the header's value. `media_type` is that of the bytes sent: a preview gets its ending.
pub fn content_disposition(
    is_inline: bool,
    name: &str,
    media_type: Option<&str>,
) -> Option<HeaderValue> {
    let name = match media_type.and_then(image_ending) {
        None => name.to_owned(),
        Some(endings) => with_ending(name, endings),
    };
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name = shortened(&name);
    let kind = if is_inline { "inline" } else { "attachment" };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let fallback: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    let mut value = format!("{kind}; filename=\"{fallback}\"");
    if fallback != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            // RFC 8187, 3.2.1: attr-char.
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                value.push(byte.into());
            } else {
                // Writing to a String cannot fail.
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    HeaderValue::try_from(value).ok()
}

/// The endings of a type of pictures, which previews have. The first is the usual one.
fn image_ending(media_type: &str) -> Option<&'static [&'static str]> {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    Some(match essence.to_ascii_lowercase().as_str() {
        "image/jpeg" => &["jpg", "jpeg", "jpe", "jfif", "mpo"],
        "image/png" => &["png", "apng"],
        "image/webp" => &["webp"],
        "image/gif" => &["gif"],
        "image/avif" => &["avif", "avifs"],
        _ => return None,
    })
}

/// Replaces an ending that does not fit.
fn with_ending(name: &str, endings: &[&str]) -> String {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && is_ending(ending) => (stem, ending),
        _ => (name, ""),
    };
    let fits = |known: &&str| known.eq_ignore_ascii_case(ending);
    match endings.first() {
        Some(usual) if !endings.iter().any(fits) => format!("{stem}.{usual}"),
        _ => name.to_owned(),
    }
}

/// Whether the part after the last dot names a type, unlike that of `v1.2`.
fn is_ending(part: &str) -> bool {
    part.len() <= 5 && part.chars().any(|c| c.is_ascii_alphabetic())
}

/// Shortens a name, but keeps its ending.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= MAX_NAME {
        return name.to_owned();
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let ending = ending.filter(|ending| ending.chars().count() < 20);
    let ending = ending.map_or_else(String::new, |ending| format!(".{ending}"));
    let stem = name.chars().take(MAX_NAME - ending.chars().count());
    stem.collect::<String>() + &ending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_keeps_its_name_with_the_ending_of_what_is_sent() {
        let long = format!("{}.safetensors", "n".repeat(200));
        let shortened = format!("{}.safetensors", "n".repeat(88));
        for (name, media_type, expected) in [
            (
                "cat.png",
                Some("image/png"),
                "inline; filename=\"cat.png\"".to_owned(),
            ),
            (
                "größe 狐.png",
                Some("image/png"),
                "inline; filename=\"gr__e _.png\"; \
                 filename*=UTF-8''gr%C3%B6%C3%9Fe%20%E7%8B%90.png"
                    .to_owned(),
            ),
            (
                "song.wav",
                Some("image/webp"),
                "inline; filename=\"song.webp\"".to_owned(),
            ),
            (
                "cat.JPEG",
                Some("image/jpeg"),
                "inline; filename=\"cat.JPEG\"".to_owned(),
            ),
            (
                "v1.2",
                Some("image/png"),
                "inline; filename=\"v1.2.png\"".to_owned(),
            ),
            ("mesh.glb", None, "inline; filename=\"mesh.glb\"".to_owned()),
            (
                "12\" print.png",
                None,
                "inline; filename=\"12_ print.png\"; filename*=UTF-8''12%22%20print.png".to_owned(),
            ),
            ("a\r\nb.png", None, "inline; filename=\"ab.png\"".to_owned()),
            (&long, None, format!("inline; filename=\"{shortened}\"")),
        ] {
            let value = content_disposition(true, name, media_type).expect("a header");
            assert_eq!(value.to_str().expect("ASCII"), expected);
        }
    }
}
