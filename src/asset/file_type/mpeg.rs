//! MPEG streams, whose frames begin with few fixed bits: a second frame must follow.

use super::bytes::{from, has};

/// Returns the type of an MPEG sound or stream, with or without an ID3 tag before it.
pub fn mpeg(bytes: &[u8]) -> Option<&'static str> {
    if has(bytes, 0, b"ID3") {
        return after_id3(bytes);
    }
    if repeats(bytes, adts_frame) {
        return Some("audio/aac");
    }
    if repeats(bytes, audio_frame) {
        return Some("audio/mpeg");
    }
    if is_transport_stream(bytes) {
        return Some("video/mp2t");
    }
    // A pack of MPEG-2 or MPEG-1, or a sequence of pictures (ISO/IEC 13818-1, 2.5; 11172-2, 2.4).
    let is_pack = has(bytes, 0, b"\0\0\x01\xBA")
        && bytes
            .get(4)
            .is_some_and(|byte| byte & 0xC4 == 0x44 || byte & 0xF1 == 0x21);
    (is_pack || has(bytes, 0, b"\0\0\x01\xB3")).then_some("video/mpeg")
}

/// Returns the type of what follows an ID3 tag (ID3 2.4.0, 3.1).
fn after_id3(bytes: &[u8]) -> Option<&'static str> {
    let [_, _, _, version, _, flags, a, b, c, d, ..] = bytes else {
        return None;
    };
    let digits = [a, b, c, d];
    if !(2..=4).contains(version) || digits.iter().any(|digit| **digit >= 0x80) {
        return None;
    }
    let length = digits
        .iter()
        .fold(0, |length, digit| length << 7 | usize::from(**digit));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    let rest = from(bytes, 10 + length + footer);
    Some(if has(rest, 0, b"fLaC") {
        "audio/flac"
    } else if repeats(rest, adts_frame) {
        "audio/aac"
    } else {
        "audio/mpeg"
    })
}

/// Whether a frame begins the bytes, and another one or the end follows it.
fn repeats(bytes: &[u8], frame: fn(&[u8]) -> Option<usize>) -> bool {
    let Some(length) = frame(bytes) else {
        return false;
    };
    length == bytes.len() || frame(from(bytes, length)).is_some()
}

/// Returns the length of an ADTS frame (ISO/IEC 13818-7, 6.2).
fn adts_frame(bytes: &[u8]) -> Option<usize> {
    let [sync, kind, rate, a, b, c, ..] = bytes else {
        return None;
    };
    if *sync != 0xFF || kind & 0xF6 != 0xF0 || (rate >> 2) & 0x0F > 12 {
        return None;
    }
    let length = usize::from(a & 3) << 11 | usize::from(*b) << 3 | usize::from(*c) >> 5;
    (length >= 7).then_some(length)
}

/// Returns the length of a frame of layer II or III (ISO/IEC 11172-3, 2.4.2.3; 13818-3).
fn audio_frame(bytes: &[u8]) -> Option<usize> {
    const LAYER_2: [usize; 15] = [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ];
    const LAYER_3: [usize; 15] = [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ];
    const LOW_RATES: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const SAMPLE_RATES: [usize; 3] = [44_100, 48_000, 32_000];
    let [sync, kind, rates, ..] = bytes else {
        return None;
    };
    let (version, layer) = (kind >> 3 & 3, kind >> 1 & 3);
    let is_frame = *sync == 0xFF && kind & 0xE0 == 0xE0 && version != 1;
    let (kilobits, divisor) = match (version, layer) {
        (3, 1) => (LAYER_3, 1),
        (3, 2) => (LAYER_2, 1),
        (2, 1 | 2) => (LOW_RATES, 2),
        (_, 1 | 2) => (LOW_RATES, 4),
        _ => return None,
    };
    let bits = kilobits
        .get(usize::from(rates >> 4))
        .filter(|bits| **bits > 0)?;
    let sample_rate = SAMPLE_RATES.get(usize::from(rates >> 2 & 3))? / divisor;
    // Half as many samples in a frame of layer III at the lower rates.
    let samples = if layer == 1 && version != 3 { 72 } else { 144 };
    let padding = usize::from(rates >> 1 & 1);
    is_frame.then_some(samples * bits * 1_000 / sample_rate + padding)
}

/// Whether packets of 188 bytes follow each other, or of 192 with a time before each (ISO/IEC
/// 13818-1, 2.4.3).
fn is_transport_stream(bytes: &[u8]) -> bool {
    [(0, 188), (4, 192)].into_iter().any(|(first, step)| {
        let marks = from(bytes, first).iter().step_by(step);
        marks.len() >= 3 && marks.clone().all(|mark| *mark == 0x47)
    })
}
