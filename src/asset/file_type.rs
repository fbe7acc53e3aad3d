//! Tells a file's type from its first bytes. Names and declared types are not trusted.
//!
//! `docs/uploads.md` lists the formats and the sources of their rules.

mod binary;
mod bytes;
mod containers;
mod mpeg;
mod text;
mod xml;

use super::Kind;

/// A media type and its file name extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileType {
    pub media_type: &'static str,
    pub ending: &'static str,
}

/// Maximum number of first bytes that sniffing uses. A prologue of XML or a header of Matroska may be long.
pub const SNIFF_BYTES: usize = 64 * 1_024;

/// Media types and the endings that fit them. The first is the usual one.
const ENDINGS: [(&str, &[&str]); 85] = [
    ("application/gzip", &["gz"]),
    ("application/json", &["json"]),
    ("application/octet-stream", &["bin"]),
    ("application/ogg", &["ogx", "ogg", "oga", "ogv"]),
    ("application/pdf", &["pdf", "ai"]),
    ("application/postscript", &["ps", "eps", "ai"]),
    ("application/rtf", &["rtf"]),
    ("application/vnd.autodesk.fbx", &["fbx"]),
    ("application/x-gguf", &["gguf"]),
    ("application/x-safetensors", &["safetensors", "sft"]),
    ("application/zip", &["zip"]),
    ("audio/aac", &["aac", "adts"]),
    ("audio/aiff", &["aiff", "aif", "aifc"]),
    ("audio/amr", &["amr"]),
    ("audio/amr-wb", &["awb"]),
    ("audio/basic", &["au", "snd"]),
    ("audio/flac", &["flac"]),
    ("audio/midi", &["mid", "midi", "kar"]),
    ("audio/mp4", &["m4a", "m4b", "m4p", "m4r", "aax", "mp4"]),
    ("audio/mpeg", &["mp3", "mp2", "mpga"]),
    ("audio/ogg", &["ogg", "oga", "opus", "spx", "ogx"]),
    ("audio/wav", &["wav", "wave", "bwf", "rf64"]),
    ("audio/webm", &["weba", "webm"]),
    ("audio/x-caf", &["caf"]),
    ("audio/x-matroska", &["mka", "mkv"]),
    ("audio/x-ms-wma", &["wma", "asf"]),
    ("audio/x-w64", &["w64"]),
    ("image/avif", &["avif", "avifs"]),
    ("image/bmp", &["bmp", "dib"]),
    ("image/gif", &["gif"]),
    ("image/heic", &["heic", "heif", "hif", "heics"]),
    ("image/heic-sequence", &["heics", "heic", "heif", "heifs"]),
    ("image/heif", &["heif", "heic", "hif", "avci"]),
    ("image/heif-sequence", &["heifs", "heif", "heic", "heics"]),
    ("image/j2c", &["j2c", "j2k", "jpc"]),
    ("image/jp2", &["jp2", "jpg2", "jpf"]),
    ("image/jpeg", &["jpg", "jpeg", "jpe", "jfif", "mpo"]),
    ("image/jpm", &["jpm"]),
    ("image/jpx", &["jpx", "jpf"]),
    ("image/jxl", &["jxl"]),
    ("image/png", &["png", "apng"]),
    ("image/svg+xml", &["svg"]),
    (
        "image/tiff",
        &[
            "tif", "tiff", "btf", "tf8", "dng", "nef", "nrw", "arw", "sr2", "pef", "srw", "3fr",
        ],
    ),
    ("image/vnd.adobe.photoshop", &["psd", "psb"]),
    ("image/vnd.microsoft.icon", &["ico"]),
    ("image/vnd.radiance", &["hdr", "pic", "rgbe"]),
    ("image/webp", &["webp"]),
    ("image/x-canon-cr2", &["cr2"]),
    ("image/x-canon-cr3", &["cr3"]),
    ("image/x-exr", &["exr"]),
    ("model/gltf+json", &["gltf"]),
    ("model/gltf-binary", &["glb", "vrm"]),
    ("model/ksplat", &["ksplat"]),
    ("model/mtl", &["mtl"]),
    ("model/obj", &["obj"]),
    ("model/ply", &["ply"]),
    ("model/sog", &["sog"]),
    ("model/splat", &["splat"]),
    ("model/spz", &["spz"]),
    ("model/stl", &["stl"]),
    ("model/vnd.collada+xml", &["dae"]),
    ("model/vnd.ms-package.3dmanufacturing-3dmodel+xml", &["3mf"]),
    ("model/vnd.usda", &["usda", "usd"]),
    ("model/vnd.usdz+zip", &["usdz"]),
    ("model/x-3d-vox", &["vox"]),
    ("model/x-blender", &["blend"]),
    ("model/x-maya-ascii", &["ma"]),
    ("model/x-maya-binary", &["mb"]),
    ("model/x3d+xml", &["x3d"]),
    ("text/html", &["html", "htm", "xhtml", "xht"]),
    ("text/plain", &["txt"]),
    ("text/xml", &["xml"]),
    ("video/3gpp", &["3gp", "3gpp", "3ga"]),
    ("video/3gpp2", &["3g2", "3gp2", "3gpp2", "3gp"]),
    ("video/mj2", &["mj2", "mjp2"]),
    ("video/mp2t", &["ts", "m2ts", "mts", "m2t"]),
    (
        "video/mp4",
        &["mp4", "m4v", "m4a", "m4b", "f4v", "m4s", "mov"],
    ),
    ("video/mpeg", &["mpg", "mpeg", "vob", "m2v", "m1v"]),
    ("video/ogg", &["ogv", "ogg", "ogm", "ogx"]),
    ("video/quicktime", &["mov", "qt"]),
    ("video/webm", &["webm", "weba"]),
    ("video/x-flv", &["flv", "f4v"]),
    ("video/x-matroska", &["mkv", "mka", "mk3d", "mks"]),
    ("video/x-ms-wmv", &["wmv", "asf"]),
    ("video/x-msvideo", &["avi"]),
];

impl FileType {
    /// The type of bytes that match no format.
    pub const UNKNOWN: Self = Self {
        media_type: "application/octet-stream",
        ending: "bin",
    };

    /// Returns a type with its usual ending.
    fn of(media_type: &'static str) -> Self {
        let usual = endings(media_type).first();
        Self {
            media_type,
            ending: usual.unwrap_or(&Self::UNKNOWN.ending),
        }
    }

    /// Sniffs the type from a file's first [`SNIFF_BYTES`], or from less. `is_cut`: the file goes on.
    ///
    /// Texts come before binary magic, as words begin with the same letters.
    #[must_use]
    pub fn sniff(first: &[u8], is_cut: bool) -> Self {
        if let Some(media_type) = text::headed_by_text(first) {
            return Self::of(media_type);
        }
        match text::decode(first, is_cut) {
            Some(text) => Self::of(text::of_text(&text, is_cut)),
            None => binary::of_binary(first, is_cut).map_or(Self::UNKNOWN, Self::of),
        }
    }

    /// Returns the mesh type that a file name's extension shows.
    #[must_use]
    pub fn of_mesh_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        let ending = ending.to_ascii_lowercase();
        let meshes = ENDINGS
            .iter()
            .filter(|(known, _)| known.starts_with("model/"));
        let mut named = meshes.filter(|(_, endings)| endings.contains(&&*ending));
        named.next().map(|(media_type, _)| Self::of(media_type))
    }

    /// Returns the part before the slash: `image`, `video`, `text`, …
    #[must_use]
    pub fn family(self) -> &'static str {
        self.media_type.split('/').next().unwrap_or_default()
    }

    /// Gives `name` an extension that fits. Replaces a wrong image extension, else appends one. An
    /// extension that fits is kept.
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
        if endings(self.media_type).contains(&&*ending) {
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
            "application/octet-stream"
                | "application/json"
                | "application/zip"
                | "application/gzip"
        ) && !self.media_type.starts_with("text/")
    }
}

/// Returns the endings that fit a media type.
fn endings(media_type: &str) -> &'static [&'static str] {
    let known = ENDINGS.iter().find(|(known, _)| *known == media_type);
    known.map_or(&[], |(_, endings)| *endings)
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
            (b"\xFF\x0A\0\0\0\0\0\0{\"a\":{", "application/x-safetensors"),
            (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "video/mp4"),
            (b"glTF\x02\0\0\0", "model/gltf-binary"),
            (&weights, "application/x-safetensors"),
            (
                b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\">",
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
            let sniffed = FileType::sniff(first, true);
            assert_eq!(sniffed.media_type, media_type, "{first:?}");
        }
    }

    #[test]
    fn names_get_an_ending_that_fits() {
        let (png, jpg) = (FileType::of("image/png"), FileType::of("image/jpeg"));
        for (name, file_type, fitting) in [
            ("cat.png", png, "cat.png"),
            ("cat.PNG", png, "cat.PNG"),
            ("cat.jpeg", jpg, "cat.jpeg"),
            ("cat.jpeg", png, "cat.png"),
            ("cat", png, "cat.png"),
            ("v1.2", png, "v1.2.png"),
            ("ü.gif", png, "ü.png"),
            (".png", png, ".png.png"),
            ("mesh.obj", FileType::of("text/plain"), "mesh.obj"),
            ("mesh", FileType::of("text/plain"), "mesh.txt"),
            ("weights.pt", FileType::UNKNOWN, "weights.pt"),
            ("clip.mov", FileType::of("video/mp4"), "clip.mov"),
            ("cat.png", FileType::of("video/mp4"), "cat.png.mp4"),
        ] {
            assert_eq!(file_type.fit(name), fitting);
        }
    }
}
