//! Reads of a file's first bytes that may end too early.

/// Whether `bytes` has `magic` at an offset.
pub fn has(bytes: &[u8], offset: usize, magic: &[u8]) -> bool {
    from(bytes, offset).starts_with(magic)
}

/// Whether `bytes` begins with one of these.
pub fn begins_with_any(bytes: &[u8], magics: &[&[u8]]) -> bool {
    magics.iter().any(|magic| bytes.starts_with(magic))
}

/// Returns what follows an offset; nothing if that is past the end.
pub fn from(bytes: &[u8], offset: usize) -> &[u8] {
    bytes.get(offset..).unwrap_or_default()
}

/// Returns a number of four bytes, the most significant first.
pub fn big_endian(bytes: &[u8], offset: usize) -> Option<u32> {
    let number = from(bytes, offset).first_chunk::<4>()?;
    Some(u32::from_be_bytes(*number))
}

/// Returns a number of four bytes, the least significant first.
pub fn little_endian(bytes: &[u8], offset: usize) -> Option<u32> {
    let number = from(bytes, offset).first_chunk::<4>()?;
    Some(u32::from_le_bytes(*number))
}

/// Whether `bytes` contains `needle`.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
