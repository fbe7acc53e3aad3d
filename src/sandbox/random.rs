//! Random bytes and credentials; each start makes new ones.

/// Returns a random credential that begins with `prefix`.
pub fn credential(prefix: &str) -> String {
    let digits: String = bytes()[..12].iter().map(|b| format!("{b:02x}")).collect();
    format!("{prefix}{digits}")
}

/// Returns 32 random bytes.
pub fn bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    // This fails only where the operating system has no randomness at all.
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
