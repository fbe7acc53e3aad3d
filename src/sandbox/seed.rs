//! What the seeds of all providers share. The initial assets are the same in every run, on every day.

use std::sync::OnceLock;

use super::pictures;

/// 2026-11-01T12:00:00Z in milliseconds.
pub const START: i64 = 1_793_534_400_000;
pub const MINUTE: i64 = 60_000;

/// Returns a hash in hex for a kind and a number; it is the same in every run.
pub fn stable_hex(kind: &str, number: usize) -> String {
    blake3::hash(format!("{kind}{number}").as_bytes())
        .to_hex()
        .to_string()
}

pub fn uuid(kind: &str, number: usize) -> String {
    let digest = stable_hex(kind, number);
    format!(
        "{}-{}-4{}-8{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[12..15],
        &digest[15..18],
        &digest[18..30]
    )
}

pub const SUBJECTS: [&str; 12] = [
    "harbour", "fox", "castle", "robot", "orchid", "lantern", "glacier", "violin", "market",
    "whale", "desert", "library",
];
pub const MOODS: [&str; 8] = [
    "at dawn",
    "in the rain",
    "as a sketch",
    "in neon",
    "under snow",
    "from above",
    "in fog",
    "on a stage",
];

pub fn title(number: usize) -> String {
    format!(
        "{} {}",
        SUBJECTS[number % SUBJECTS.len()],
        MOODS[(number / SUBJECTS.len()) % MOODS.len()]
    )
}

/// Returns a generated file's size; picture sizes are cached, so that no picture is remade.
pub fn file_size(kind: &'static str, number: usize) -> (&'static str, u64) {
    static PICTURES: OnceLock<Vec<u64>> = OnceLock::new();
    if kind == "image" {
        let sizes = PICTURES.get_or_init(|| {
            (0..pictures::PICTURES)
                .map(|n| pictures::picture(n).full.len() as u64)
                .collect()
        });
        return (kind, sizes[number % pictures::PICTURES]);
    }
    (kind, pictures::file(kind, number).1.len() as u64)
}
