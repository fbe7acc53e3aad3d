//! Sniffs a file's type from its first bytes. Names and declared types are not trusted.

use super::Kind;

/// A media type and its file name extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileType {
    pub media_type: &'static str,
    pub ending: &'static str,
}

/// Number of first bytes that sniffing uses.
pub const SNIFF_BYTES: usize = 4_096;

/// Magic bytes of formats that the `infer` crate does not know.
const MAGIC: [(&[u8], FileType); 7] = [
    (b"glTF", FileType::of("model/gltf-binary", "glb")),
    (b"ply\n", FileType::of("model/ply", "ply")),
    (b"ply\r\n", FileType::of("model/ply", "ply")),
    (
        b"Kaydara FBX Binary",
        FileType::of("application/vnd.autodesk.fbx", "fbx"),
    ),
    (b"GGUF", FileType::of("application/x-gguf", "gguf")),
    (b"\x76\x2f\x31\x01", FileType::of("image/x-exr", "exr")),
    (b"#?RADIANCE", FileType::of("image/vnd.radiance", "hdr")),
];

impl FileType {
    /// The type of bytes that match no format.
    pub const UNKNOWN: Self = Self::of("application/octet-stream", "bin");
    pub const TEXT: Self = Self::of("text/plain", "txt");

    const fn of(media_type: &'static str, ending: &'static str) -> Self {
        Self { media_type, ending }
    }

    /// Sniffs the type from a file's first 4 KiB, or from all of a smaller file.
    #[must_use]
    pub fn sniff(first: &[u8]) -> Self {
        let magic = MAGIC.iter().find(|(magic, _)| first.starts_with(magic));
        if let Some((_, file_type)) = magic {
            return *file_type;
        }
        if is_safetensors(first) {
            return Self::of("application/x-safetensors", "safetensors");
        }
        // Check for text first: `infer` takes any `<` for HTML.
        if let Some(text) = text(first) {
            return sniff_text(text);
        }
        match infer::get(first) {
            // Use the common names of these types.
            Some(found) if found.mime_type() == "audio/x-wav" => Self::of("audio/wav", "wav"),
            Some(found) if found.mime_type() == "audio/x-flac" => Self::of("audio/flac", "flac"),
            Some(found) => Self::of(found.mime_type(), found.extension()),
            // An MP4 brand that `infer` does not know.
            None if first.get(4..8) == Some(b"ftyp") => Self::of("video/mp4", "mp4"),
            None => Self::UNKNOWN,
        }
    }

    /// Returns the part before the slash: `image`, `video`, `text`, …
    #[must_use]
    pub fn family(self) -> &'static str {
        self.media_type.split('/').next().unwrap_or_default()
    }

    /// Gives `name` an extension that fits. Replaces a wrong image extension, else appends one.
    #[must_use]
    pub fn fit(self, name: &str) -> String {
        let with_ending = |stem: &str| format!("{stem}.{}", self.ending);
        let Some((stem, ending)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())
        else {
            return with_ending(name);
        };
        let ending = ending.to_ascii_lowercase();
        let (sniffed, named) = (
            Kind::of_mime_type(self.media_type),
            Kind::of_file_name(name),
        );
        if ending == self.ending || self.aliases().contains(&&*ending) {
            return name.to_owned();
        }
        match (sniffed, named) {
            (Some(Kind::Image), Some(Kind::Image)) => with_ending(stem),
            (Some(Kind::Image), _) => with_ending(name),
            // The name says more than the bytes: a mesh stored as text, weights in an archive.
            _ if !self.is_definite() && !ending.is_empty() => name.to_owned(),
            (sniffed, named) if sniffed == named => name.to_owned(),
            _ => with_ending(name),
        }
    }

    /// Whether the sniffed type is specific enough to overrule the name.
    fn is_definite(self) -> bool {
        !matches!(
            self.media_type,
            "application/octet-stream" | "application/json" | "application/zip"
        ) && !self.media_type.starts_with("text/")
    }

    const fn aliases(self) -> &'static [&'static str] {
        match self.ending.as_bytes() {
            b"jpg" => &["jpeg"],
            b"tif" => &["tiff"],
            b"heif" => &["heic"],
            b"mp4" => &["m4v"],
            _ => &[],
        }
    }
}

/// Whether the bytes start like safetensors: an 8-byte length, then a JSON object.
fn is_safetensors(first: &[u8]) -> bool {
    let Some((length, rest)) = first.split_first_chunk::<8>() else {
        return false;
    };
    u64::from_le_bytes(*length) < 1 << 27 && rest.starts_with(b"{\"")
}

/// Returns the bytes as text, if they are text. The last character may be cut.
fn text(first: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(cut) if cut.error_len().is_none() => {
            std::str::from_utf8(first.get(..cut.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_control = |c: char| c.is_control() && !c.is_whitespace();
    // Some other formats begin with text: leave these to `infer`. Its other magic bytes are short,
    // and ordinary words begin with them.
    let is_other_format = infer::get(first).is_some_and(|found| {
        matches!(
            found.mime_type(),
            "application/pdf" | "application/rtf" | "application/postscript"
        )
    });
    (!text.is_empty() && !text.chars().any(is_control) && !is_other_format).then_some(text)
}

fn sniff_text(text: &str) -> FileType {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is_markup = text.starts_with('<');
    let lower = text.to_ascii_lowercase();
    if is_markup && lower.contains("<svg") && !lower.contains("<html") {
        return FileType::of("image/svg+xml", "svg");
    }
    if is_markup && (lower.starts_with("<!doctype html") || lower.starts_with("<html")) {
        return FileType::of("text/html", "html");
    }
    if lower.starts_with("<?xml") {
        return FileType::of("text/xml", "xml");
    }
    if text.starts_with(['{', '[']) {
        return FileType::of("application/json", "json");
    }
    FileType::TEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_beginning_tells_its_type() {
        let weights = [&12_u64.to_le_bytes()[..], b"{\"a\":{\"b\":1}}"].concat();
        for (first, media_type) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
            (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "video/mp4"),
            (b"glTF\x02\0\0\0", "model/gltf-binary"),
            (&weights, "application/x-safetensors"),
            (
                b"<?xml version=\"1.0\"?>\n<svg xmlns=\"x\">",
                "image/svg+xml",
            ),
            (b"\n<svg viewBox='0 0 1 1'/>", "image/svg+xml"),
            (b"<!DOCTYPE html><html><svg/></html>", "text/html"),
            (b"{\"nodes\": []}", "application/json"),
            (b"a line\nand another", "text/plain"),
            ("gekürzt ü".as_bytes().split_last().unwrap().1, "text/plain"),
            (b"\x01\x02\x03\x04", "application/octet-stream"),
            (b"\0\0\0\x18ftypcmfc\0\0\0\0", "video/mp4"),
            (b"BMW and other words", "text/plain"),
            (b"%PDF-1.7\nand more", "application/pdf"),
        ] {
            assert_eq!(FileType::sniff(first).media_type, media_type, "{first:?}");
        }
    }

    #[test]
    fn names_get_an_ending_that_fits() {
        let (png, jpg) = (
            FileType::of("image/png", "png"),
            FileType::of("image/jpeg", "jpg"),
        );
        for (name, file_type, fitting) in [
            ("cat.png", png, "cat.png"),
            ("cat.PNG", png, "cat.PNG"),
            ("cat.jpeg", jpg, "cat.jpeg"),
            ("cat.jpeg", png, "cat.png"),
            ("cat", png, "cat.png"),
            ("v1.2", png, "v1.2.png"),
            ("ü.gif", png, "ü.png"),
            (".png", png, ".png.png"),
            ("mesh.obj", FileType::TEXT, "mesh.obj"),
            ("mesh", FileType::TEXT, "mesh.txt"),
            ("weights.pt", FileType::UNKNOWN, "weights.pt"),
            ("clip.mov", FileType::of("video/mp4", "mp4"), "clip.mov"),
            ("cat.png", FileType::of("video/mp4", "mp4"), "cat.png.mp4"),
        ] {
            assert_eq!(file_type.fit(name), fitting);
        }
    }
}
