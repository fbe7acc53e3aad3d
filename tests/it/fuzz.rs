//! Every parser of untrusted bytes, over a corpus, over mutations of the corpus (cut, doubled,
//! spoilt), and over random bytes. `tests/fuzz/README.md` describes how libFuzzer continues from
//! the same corpus.

use std::{fs, path::Path};

use asset_gateway::{fuzz::targets, providers::PROVIDERS};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// Number of inputs of each kind for each target.
const CASES: u32 = 2_000;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus/fuzz")
        .join(target);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|_| panic!("no corpus at {}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs::read(path).expect("readable"))
        .collect()
}

/// One mutation of the bytes, at a position given as a fraction of their length.
#[derive(Debug, Clone)]
enum Spoil {
    Cut(u16, u8),
    Double(u16, u8),
    Put(u16, Vec<u8>),
    Flip(u16, u8),
}

/// Tokens that are significant to one of the parsers.
const WORDS: [&[u8]; 23] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\"\"\"",
    b"\\",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\xff",
    b"\0",
    b"...f",
    b"@a",
    b"$x",
    b"(",
    b")",
    b":",
    b"\r\n",
    b"--x",
    b"--x--",
    b"\xed\xa0\x80",
];

fn spoil() -> impl Strategy<Value = Spoil> {
    prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Spoil::Cut(at, length)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Spoil::Double(at, length)),
        (any::<u16>(), 0..WORDS.len()).prop_map(|(at, word)| Spoil::Put(at, WORDS[word].to_vec())),
        (any::<u16>(), prop::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, bytes)| Spoil::Put(at, bytes)),
        (any::<u16>(), 0..8_u8).prop_map(|(at, bit)| Spoil::Flip(at, bit)),
    ]
}

fn spoilt(mut bytes: Vec<u8>, spoils: &[Spoil]) -> Vec<u8> {
    for spoil in spoils {
        let position = |at: u16| usize::from(at) * bytes.len() / (usize::from(u16::MAX) + 1);
        match spoil {
            Spoil::Cut(at, length) => {
                let at = position(*at);
                let end = bytes.len().min(at + usize::from(*length));
                bytes.drain(at..end);
            }
            Spoil::Double(at, length) => {
                let at = position(*at);
                let end = bytes.len().min(at + usize::from(*length));
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            Spoil::Put(at, part) => {
                let at = position(*at);
                bytes.splice(at..at, part.iter().copied());
            }
            Spoil::Flip(at, bit) => {
                let at = position(*at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
        }
    }
    bytes
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn untrusted_bytes_break_no_target() {
    let decoders = PROVIDERS.iter().filter_map(|kind| (kind.decoder)());
    assert!(decoders.count() > 2);
    for target in targets() {
        let corpus = corpus(target.name);
        assert!(!corpus.is_empty(), "{} has a corpus", target.name);
        for bytes in &corpus {
            (target.run)(bytes);
        }
        let spoils = prop::collection::vec(spoil(), 1..6);
        let spoiling = (0..corpus.len(), spoils);
        let run = runner().run(&spoiling, |(index, spoils)| {
            (target.run)(&spoilt(corpus[index].clone(), &spoils));
            Ok(())
        });
        assert!(run.is_ok(), "{}: {}", target.name, run.unwrap_err());
        let run = runner().run(&prop::collection::vec(any::<u8>(), 0..200), |bytes| {
            (target.run)(&bytes);
            Ok(())
        });
        assert!(run.is_ok(), "{}: {}", target.name, run.unwrap_err());
    }
}

#[test]
fn a_broken_target_is_detected() {
    let broken = |bytes: &[u8]| assert!(!bytes.contains(&b'{'), "a bracket");
    let found = runner().run(&prop::collection::vec(any::<u8>(), 0..200), |bytes| {
        broken(&bytes);
        Ok(())
    });
    assert!(found.is_err());
}
