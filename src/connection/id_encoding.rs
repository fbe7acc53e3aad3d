//! Compact encodings of ids and numbers for cursors.

const RAW: u8 = 0;
/// A lower-case hyphenated UUID, packed in 16 bytes.
const UUID: u8 = 1;
/// Characters of the base64url alphabet, packed in 6 bits each.
const SIX_BITS: u8 = 2;

pub fn pack(id: &str) -> (u8, Vec<u8>) {
    if let Some(bytes) = pack_uuid(id) {
        return (UUID, bytes);
    }
    if let Some(bytes) = pack_six_bits(id) {
        return (SIX_BITS, bytes);
    }
    (RAW, id.as_bytes().to_vec())
}

pub fn unpack(packing: u8, length: usize, bytes: &[u8]) -> Option<(String, &[u8])> {
    let size = match packing {
        RAW => length,
        UUID if length == 36 => 16,
        SIX_BITS => (length * 6).div_ceil(8),
        _ => return None,
    };
    let (packed, rest) = bytes.split_at_checked(size)?;
    let id = match packing {
        RAW => String::from_utf8(packed.to_vec()).ok()?,
        UUID => unpack_uuid(packed),
        _ => unpack_six_bits(packed, length),
    };
    Some((id, rest))
}

fn pack_uuid(id: &str) -> Option<Vec<u8>> {
    let hyphens = [8, 13, 18, 23];
    let fits = id.len() == 36
        && id.bytes().enumerate().all(|(i, b)| {
            if hyphens.contains(&i) {
                b == b'-'
            } else {
                b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
            }
        });
    if !fits {
        return None;
    }
    let digits: Vec<u8> = id
        .bytes()
        .filter(|b| *b != b'-')
        .map(|b| {
            if b.is_ascii_digit() {
                b - b'0'
            } else {
                b - b'a' + 10
            }
        })
        .collect();
    Some(digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect())
}

fn unpack_uuid(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut id = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            id.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn pack_six_bits(id: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0_u8; (id.len() * 6).div_ceil(8)];
    for (index, letter) in id.bytes().enumerate() {
        let value = ALPHABET.iter().position(|a| *a == letter)?;
        for bit in 0..6 {
            if value >> (5 - bit) & 1 == 1 {
                let at = index * 6 + bit;
                bytes[at / 8] |= 0x80 >> (at % 8);
            }
        }
    }
    Some(bytes)
}

fn unpack_six_bits(bytes: &[u8], length: usize) -> String {
    (0..length)
        .map(|index| {
            let value = (0..6).fold(0, |value, bit| {
                let at = index * 6 + bit;
                value << 1 | usize::from(bytes[at / 8] >> (7 - at % 8) & 1)
            });
            // A 6-bit value is below 64.
            char::from(ALPHABET[value])
        })
        .collect()
}

pub fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}
