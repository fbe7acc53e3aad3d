//! Files of real encoders, and their types by their bytes. `tests/corpus/file-types.tsv` has each
//! file's type and the command that made it.

use std::{fs, path::Path};

use asset_gateway::asset::FileType;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::harness::world;

#[test]
fn every_files_type_is_what_its_bytes_say() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let rows = fs::read_to_string(corpus.join("file-types.tsv")).expect("the list of files");
    let mut wrong = Vec::new();
    for row in rows.lines() {
        let mut cells = row.split('\t');
        let (name, expected) = (cells.next().expect("a name"), cells.next().expect("a type"));
        let bytes = fs::read(corpus.join("file-types").join(name)).expect(name);
        // The corpus holds the first 8 KiB of larger files.
        let is_cut = bytes.len() == 8_192;
        let found = FileType::sniff(&bytes, is_cut);
        if found.media_type != expected {
            wrong.push(format!("{name}: {}, not {expected}", found.media_type));
        }
        // Every beginning has a type too.
        for length in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
            for is_cut in [true, false] {
                let part = FileType::sniff(&bytes[..length], is_cut);
                let is_unknown = part.media_type == "application/octet-stream";
                assert_eq!(
                    part.ending == "bin",
                    is_unknown,
                    "{name}: {}",
                    part.media_type
                );
            }
        }
    }
    assert!(rows.lines().count() > 200);
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn an_ending_that_fits_is_never_added_to() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/file-types");
    for (name, as_named) in [
        ("a.apng", "a.apng"),
        ("a.mpo", "a.mpo"),
        ("a.heic", "IMG_0001.HEIC"),
        ("unknown_mif1.heic", "a.heic"),
        ("unknown.bin", "a.unknown"),
    ] {
        let bytes = fs::read(corpus.join(name)).expect(name);
        assert_eq!(FileType::sniff(&bytes, false).fit(as_named), as_named);
    }
}

#[tokio::test]
async fn uploads_are_what_their_bytes_are_at_every_source() {
    let world = world().await;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/file-types");
    let document = "mutation($i: UploadAssetInput!) { uploadAsset(input: $i) { asset { name mimeType kind } \
                    errors { code message } } }";
    for (source, file, named, name, media_type, kind) in [
        (
            "scenario",
            "a.heic",
            "IMG_0001.HEIC",
            "IMG_0001.HEIC",
            "image/heic",
            "IMAGE",
        ),
        (
            "scenario",
            "anim.avif",
            "b.avif",
            "b.avif",
            "image/avif",
            "IMAGE",
        ),
        (
            "scenario",
            "mif1_avif.avif",
            "a.avif",
            "a.avif",
            "image/avif",
            "IMAGE",
        ),
        (
            "scenario",
            "utf16le.svg",
            "icon.svg",
            "icon.svg",
            "image/svg+xml",
            "IMAGE",
        ),
        (
            "scenario",
            "comment5k.svg",
            "icon",
            "icon.svg",
            "image/svg+xml",
            "IMAGE",
        ),
        (
            "comfy",
            "comment5k.svg",
            "icon.svg",
            "icon.svg",
            "image/svg+xml",
            "IMAGE",
        ),
        (
            "comfy",
            "readme.md",
            "README.md",
            "README.md",
            "text/plain",
            "TEXT",
        ),
        (
            "comfy",
            "a.3gp",
            "clip.3gp",
            "clip.3gp",
            "video/3gpp",
            "VIDEO",
        ),
        (
            "comfy",
            "word_GGUF_is_a_format_for_w.txt",
            "notes",
            "notes.txt",
            "text/plain",
            "TEXT",
        ),
    ] {
        let bytes = fs::read(corpus.join(file)).expect(file);
        let input = json!({ "source": source, "name": named, "base64": STANDARD.encode(bytes) });
        let answer = world.ask_with(document, json!({ "i": input })).await;
        let asset = &answer["data"]["uploadAsset"]["asset"];
        assert_eq!(asset["name"], name, "{file}: {answer}");
        assert_eq!(asset["mimeType"], media_type, "{file}: {answer}");
        assert_eq!(asset["kind"], kind, "{file}: {answer}");
    }
}
