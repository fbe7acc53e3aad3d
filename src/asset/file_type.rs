//! What a file is, from its first bytes: names and declared types are not believed.

use super::Kind;

/// A media type and the ending that a file name of it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileType {
    pub media_type: &'static str,
    pub ending: &'static str,
}

/// Bytes that tell a type.
pub const TELLING: usize = 4_096;

/// Formats of this field that the general table does not know, by their beginning.
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
    /// Bytes that say nothing.
    pub const UNKNOWN: Self = Self::of("application/octet-stream", "bin");
    pub const TEXT: Self = Self::of("text/plain", "txt");

    const fn of(media_type: &'static str, ending: &'static str) -> Self {
        Self { media_type, ending }
    }

    /// Sniffs a type from a file's first bytes, [`TELLING`] of them where there are as many.
    #[must_use]
    pub fn sniff(first: &[u8]) -> Self {
        let magic = MAGIC.iter().find(|(magic, _)| first.starts_with(magic));
        if let Some((_, known)) = magic {
            return *known;
        }
        if is_safetensors(first) {
            return Self::of("application/x-safetensors", "safetensors");
        }
        // Marks of text first: the general table takes any `<` for a page.
        if let Some(text) = text(first) {
            return of_text(text);
        }
        match infer::get(first) {
            // What others call it.
            Some(found) if found.mime_type() == "audio/x-wav" => Self::of("audio/wav", "wav"),
            Some(found) if found.mime_type() == "audio/x-flac" => Self::of("audio/flac", "flac"),
            Some(found) => Self::of(found.mime_type(), found.extension()),
            // A brand that the table does not know.
            None if first.get(4..8) == Some(b"ftyp") => Self::of("video/mp4", "mp4"),
            None => Self::UNKNOWN,
        }
    }

    /// `image`, `video`, `text`, …
    #[must_use]
    pub fn family(self) -> &'static str {
        self.media_type.split('/').next().unwrap_or_default()
    }

    /// `name` with an ending that fits; a picture's wrong one is exchanged.
    #[must_use]
    pub fn fit(self, name: &str) -> String {
        let with_ending = |stem: &str| format!("{stem}.{}", self.ending);
        let Some((stem, ending)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())
        else {
            return with_ending(name);
        };
        let ending = ending.to_ascii_lowercase();
        let (own, meant) = (
            Kind::of_mime_type(self.media_type),
            Kind::of_file_name(name),
        );
        if ending == self.ending || self.aliases().contains(&&*ending) {
            return name.to_owned();
        }
        match (own, meant) {
            (Some(Kind::Image), Some(Kind::Image)) => with_ending(stem),
            (Some(Kind::Image), _) => with_ending(name),
            // The bytes say less than the name does: a mesh as text, weights in an archive.
            _ if !self.is_definite() && !ending.is_empty() => name.to_owned(),
            (own, meant) if own == meant => name.to_owned(),
            _ => with_ending(name),
        }
    }

    /// Whether the bytes leave nothing to the name.
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

/// Eight bytes of length, then a JSON object of that length.
fn is_safetensors(first: &[u8]) -> bool {
    let Some((length, rest)) = first.split_first_chunk::<8>() else {
        return false;
    };
    u64::from_le_bytes(*length) < 1 << 27 && rest.starts_with(b"{\"")
}

/// The bytes as text, where they are: a letter may be cut at the end.
fn text(first: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(cut) if cut.error_len().is_none() => {
            std::str::from_utf8(first.get(..cut.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_control = |c: char| c.is_control() && !c.is_whitespace();
    // Some formats have a legible head: these are left to the general table. Its other marks are
    // short, and words begin like them.
    let known = infer::get(first).is_some_and(|found| {
        matches!(
            found.mime_type(),
            "application/pdf" | "application/rtf" | "application/postscript"
        )
    });
    (!text.is_empty() && !text.chars().any(is_control) && !known).then_some(text)
}

fn of_text(text: &str) -> FileType {
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
        for (name, own, fitting) in [
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
            assert_eq!(own.fit(name), fitting);
        }
    }
}
