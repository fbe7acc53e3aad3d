//! The types of binary files, by their magic bytes. A magic of letters needs the bytes after it too,
//! as words begin with the same letters.

use super::{
    bytes::{begins_with_any, big_endian, contains, from, has, little_endian},
    containers, mpeg,
    text::is_binary,
};

/// Types whose first bytes are alone enough, as (bytes, type).
const MAGIC: [(&[u8], &str); 29] = [
    (b"\x89PNG\r\n\x1A\n", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0\x10\0\0\0CR\x02", "image/x-canon-cr2"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    // BigTIFF.
    (b"II+\0\x08\0\0\0", "image/tiff"),
    (b"MM\0+\0\x08\0\0", "image/tiff"),
    (b"\x76\x2F\x31\x01\x02", "image/x-exr"),
    (b"8BPS\0\x01\0\0\0\0\0\0", "image/vnd.adobe.photoshop"),
    (b"8BPS\0\x02\0\0\0\0\0\0", "image/vnd.adobe.photoshop"),
    (b"\xFF\x0A", "image/jxl"),
    (b"\0\0\0\x0CJXL \r\n\x87\n", "image/jxl"),
    (b"\xFF\x4F\xFF\x51", "image/j2c"),
    (b"caff\0\x01\0\0", "audio/x-caf"),
    (b"#!AMR\n", "audio/amr"),
    (b"#!AMR-WB\n", "audio/amr-wb"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (
        b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\0\0",
        "audio/x-w64",
    ),
    (b"glTF\x01\0\0\0", "model/gltf-binary"),
    (b"glTF\x02\0\0\0", "model/gltf-binary"),
    (
        b"Kaydara FBX Binary  \0\x1A\0",
        "application/vnd.autodesk.fbx",
    ),
    (b"PK\x05\x06", "application/zip"),
    (b"PK\x07\x08PK\x03\x04", "application/zip"),
    (b"\x1F\x8B\x08", "application/gzip"),
    (b"FLV\x01\x01\0\0\0\x09", "video/x-flv"),
    (b"FLV\x01\x04\0\0\0\x09", "video/x-flv"),
    (b"FLV\x01\x05\0\0\0\x09", "video/x-flv"),
];

/// Returns the type of binary bytes. `is_cut`: the file goes on.
pub fn of_binary(bytes: &[u8], is_cut: bool) -> Option<&'static str> {
    // Its length comes first, and may look like any magic of few bytes.
    if is_safetensors(bytes, is_cut) {
        return Some("application/x-safetensors");
    }
    let magic = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    magic
        .map(|(_, media_type)| *media_type)
        .or_else(|| structured(bytes))
        .or_else(|| containers::ogg(bytes))
        .or_else(|| containers::matroska(bytes))
        .or_else(|| containers::iso_media(bytes))
        .or_else(|| mpeg::mpeg(bytes))
}

/// Returns a type that several places of the bytes tell.
fn structured(bytes: &[u8]) -> Option<&'static str> {
    let is_wave = begins_with_any(bytes, &[b"RIFF", b"RF64", b"BW64"]) && has(bytes, 8, b"WAVE");
    // The sizes of the header that follows.
    let bitmap_header = little_endian(bytes, 14);
    let is_bitmap = has(bytes, 0, b"BM")
        && has(bytes, 6, &[0; 4])
        && matches!(bitmap_header, Some(12 | 40 | 52 | 56 | 64 | 108 | 124));
    let is_icon = has(bytes, 0, b"\0\0\x01\0")
        && bytes.get(4).is_some_and(|count| *count > 0)
        && has(bytes, 5, b"\0")
        && has(bytes, 9, b"\0");
    let is_flac = has(bytes, 0, b"fLaC")
        && bytes.get(4).is_some_and(|kind| matches!(kind, 0 | 0x80))
        && has(bytes, 5, b"\0\0\x22");
    let is_gguf = has(bytes, 0, b"GGUF")
        && [little_endian(bytes, 4), big_endian(bytes, 4)]
            .into_iter()
            .flatten()
            .any(|version| (1..256).contains(&version));
    let is_basic = has(bytes, 0, b".snd")
        && big_endian(bytes, 4).is_some_and(|offset| (24..65_536).contains(&offset));
    if has(bytes, 0, b"RIFF") && has(bytes, 8, b"WEBPVP8") {
        Some("image/webp")
    } else if is_wave {
        Some("audio/wav")
    } else if has(bytes, 0, b"RIFF") && has(bytes, 8, b"AVI ") {
        Some("video/x-msvideo")
    } else if has(bytes, 0, b"FORM") && (has(bytes, 8, b"AIFF") || has(bytes, 8, b"AIFC")) {
        Some("audio/aiff")
    } else if is_bitmap {
        Some("image/bmp")
    } else if is_icon {
        Some("image/vnd.microsoft.icon")
    } else if is_flac {
        Some("audio/flac")
    } else if is_gguf {
        Some("application/x-gguf")
    } else if is_basic {
        Some("audio/basic")
    } else {
        jpeg_2000(bytes)
            .or_else(|| zip(bytes))
            .or_else(|| asf(bytes))
    }
}

/// Whether the bytes are safetensors: the length of a header, then the header as a JSON object, which
/// spaces may pad (<https://github.com/huggingface/safetensors#format>).
fn is_safetensors(bytes: &[u8], is_cut: bool) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return false;
    };
    let length = u64::from_le_bytes(*length);
    if !(2..=100_000_000).contains(&length) {
        return false;
    }
    let header = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length));
    let header = match header {
        Some(header) => header,
        None if is_cut => rest,
        None => return false,
    };
    let Some(inside) = header.strip_prefix(b"{") else {
        return false;
    };
    matches!(inside.trim_ascii_start().first(), Some(b'"' | b'}'))
        && !header.iter().any(|byte| is_binary((*byte).into()))
}

/// JPEG 2000 and its relatives, by their brand (ISO/IEC 15444-1, annex I).
fn jpeg_2000(bytes: &[u8]) -> Option<&'static str> {
    if !has(bytes, 0, b"\0\0\0\x0CjP  \r\n\x87\n") {
        return None;
    }
    Some(match bytes.get(20..24) {
        Some(b"jpx ") => "image/jpx",
        Some(b"jpm ") => "image/jpm",
        Some(b"mjp2") => "video/mj2",
        _ => "image/jp2",
    })
}

/// A ZIP archive. One whose first file is a stored scene is USDZ.
fn zip(bytes: &[u8]) -> Option<&'static str> {
    if !has(bytes, 0, b"PK\x03\x04") {
        return None;
    }
    let length = from(bytes, 26).first_chunk::<2>();
    let length = length.map_or(0, |length| usize::from(u16::from_le_bytes(*length)));
    let name = from(bytes, 30).get(..length).unwrap_or_default();
    let scenes: [&[u8]; 3] = [b".usd", b".usda", b".usdc"];
    let is_scene = scenes.iter().any(|ending| name.ends_with(ending)) && has(bytes, 8, b"\0\0");
    Some(if is_scene {
        "model/vnd.usdz+zip"
    } else {
        "application/zip"
    })
}

/// Windows Media: a sound if it has a stream of sound and none of pictures.
fn asf(bytes: &[u8]) -> Option<&'static str> {
    const HEADER: &[u8] = b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\0\xAA\0\x62\xCE\x6C";
    const AUDIO: &[u8] = b"\x40\x9E\x69\xF8\x4D\x5B\xCF\x11\xA8\xFD\0\x80\x5F\x5C\x44\x2B";
    const VIDEO: &[u8] = b"\xC0\xEF\x19\xBC\x4D\x5B\xCF\x11\xA8\xFD\0\x80\x5F\x5C\x44\x2B";
    has(bytes, 0, HEADER).then(|| {
        if contains(bytes, AUDIO) && !contains(bytes, VIDEO) {
            "audio/x-ms-wma"
        } else {
            "video/x-ms-wmv"
        }
    })
}
