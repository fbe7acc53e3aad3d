//! Fuzz targets for all code that reads untrusted bytes. `cargo test` runs them over a corpus and
//! random bytes; libFuzzer runs them by hand (`tests/fuzz`). A target fails by panicking.

use crate::{
    asset::GlobalId,
    connection::{Cursor, Fingerprint},
    server::fuzz_entry as server,
    source::fuzz_entry as source,
};

/// A function that reads untrusted bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its folder in the corpus.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All fuzz targets.
pub const TARGETS: [Target; 8] = [
    Target {
        name: "request",
        run: server::request,
    },
    Target {
        name: "document",
        run: server::document,
    },
    Target {
        name: "multipart",
        run: server::multipart,
    },
    Target {
        name: "cursor",
        run: cursor,
    },
    Target {
        name: "id",
        run: id,
    },
    Target {
        name: "scenario",
        run: source::scenario,
    },
    Target {
        name: "piktid",
        run: source::piktid,
    },
    Target {
        name: "comfy",
        run: source::comfy,
    },
];

/// Checks that a decoded cursor encodes to the same text.
fn cursor(bytes: &[u8]) {
    let fingerprint = Fingerprint::of("assets", &[]);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(cursor) = Cursor::decode(text, &fingerprint) {
        assert_eq!(cursor.encode(&fingerprint), text);
    }
    // Adds a valid checksum, which random bytes hardly ever have.
    let sealed = crate::connection::seal(bytes.to_vec(), &fingerprint);
    if let Ok(cursor) = Cursor::decode(&sealed, &fingerprint) {
        let again = Cursor::decode(&cursor.encode(&fingerprint), &fingerprint);
        assert!(again.is_ok_and(|again| again == cursor));
    }
}

/// Checks that a parsed id prints as the same text: each id has one spelling.
fn id(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(id) = GlobalId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
}
