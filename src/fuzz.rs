//! Fuzz targets for all code that reads untrusted bytes. `cargo test` runs them over a corpus and
//! random bytes; libFuzzer runs them by hand (`tests/fuzz`). A target fails by panicking.

use crate::{
    asset::GlobalId,
    connection::{Cursor, Fingerprint},
    providers::{PROVIDERS, fuzz_entry},
    server::fuzz_entry as server,
};

/// A function that reads untrusted bytes.
pub struct Target {
    /// Also the name of its folder in the corpus.
    pub name: &'static str,
    pub run: Box<dyn Fn(&[u8]) + Send + Sync>,
}

/// All fuzz targets. Each provider is one.
#[must_use]
pub fn targets() -> Vec<Target> {
    let clients: [(&'static str, fn(&[u8])); 5] = [
        ("request", server::request),
        ("document", server::document),
        ("multipart", server::multipart),
        ("cursor", cursor),
        ("id", id),
    ];
    let clients = clients.into_iter().map(|(name, run)| Target {
        name,
        run: Box::new(run),
    });
    let decoding = PROVIDERS.into_iter();
    let decoding = decoding.filter(|kind| (kind.decoder)().is_some());
    let providers = decoding.map(|kind| Target {
        name: kind.provider.word(),
        run: Box::new(|bytes| fuzz_entry::decode(kind, bytes)),
    });
    clients.chain(providers).collect()
}

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
