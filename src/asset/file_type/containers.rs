//! Containers whose type depends on what they hold: Ogg, Matroska and the ISO base media file
//! format.

use super::bytes::{begins_with_any, big_endian, from, has};

/// Returns the type of an Ogg file by the codecs of its streams. Pages that begin a stream stand
/// before all others (RFC 3533, 6), and a video's sound may come first.
pub fn ogg(bytes: &[u8]) -> Option<&'static str> {
    /// Theora, Dirac, VP8, OGM and Daala.
    const VIDEO: [&[u8]; 5] = [
        b"\x80theora",
        b"BBCD\0",
        b"OVP80\x01",
        b"\x01video\0\0\0",
        b"\x80daala",
    ];
    const AUDIO: [&[u8]; 6] = [
        b"\x01vorbis",
        b"OpusHead",
        b"\x7FFLAC",
        b"Speex   ",
        b"PCM     ",
        b"CELT    ",
    ];
    if !has(bytes, 0, b"OggS\0") {
        return None;
    }
    let (mut page, mut has_video, mut has_audio) = (bytes, false, false);
    while has(page, 0, b"OggS\0") && page.get(5).is_some_and(|flags| flags & 2 != 0) {
        let Some(segments) = page.get(26) else { break };
        let body = 27 + usize::from(*segments);
        let Some(lengths) = page.get(27..body) else {
            break;
        };
        let packet = from(page, body);
        has_video |= begins_with_any(packet, &VIDEO);
        has_audio |= begins_with_any(packet, &AUDIO);
        let length: usize = lengths.iter().map(|length| usize::from(*length)).sum();
        page = from(page, body + length);
    }
    Some(match (has_video, has_audio) {
        (true, _) => "video/ogg",
        (false, true) => "audio/ogg",
        (false, false) => "application/ogg",
    })
}

/// One element of Matroska: its id, and its content as far as the bytes go.
struct Element<'a> {
    id: u64,
    content: &'a [u8],
    is_whole: bool,
}

/// Returns the elements that these bytes hold (RFC 8794, 5).
fn elements(mut bytes: &[u8]) -> Vec<Element<'_>> {
    let mut elements = Vec::new();
    while let Some((id, rest)) = variable_size(bytes, true) {
        let Some((size, rest)) = variable_size(rest, false) else {
            break;
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        elements.push(Element {
            id,
            content: rest.get(..size).unwrap_or(rest),
            is_whole: size <= rest.len(),
        });
        bytes = from(rest, size);
    }
    elements
}

/// Reads an integer of variable size (RFC 8794, 4). An id keeps its length mark; a size that is all
/// ones is unknown, and becomes the largest.
fn variable_size(bytes: &[u8], keeps_mark: bool) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let (digits, rest) = bytes.split_at_checked(length)?;
    if length > 8 {
        return None;
    }
    let whole = digits
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mark = 1_u64 << (7 * length);
    let value = if keeps_mark {
        whole
    } else if whole == mark | (mark - 1) {
        u64::MAX
    } else {
        whole & (mark - 1)
    };
    Some((value, rest))
}

/// Returns the type of a Matroska or WebM file (RFC 9559). It is a video unless its tracks are known
/// to be sounds.
pub fn matroska(bytes: &[u8]) -> Option<&'static str> {
    const HEADER: u64 = 0x1A45_DFA3;
    const DOC_TYPE: u64 = 0x4282;
    const SEGMENT: u64 = 0x1853_8067;
    const TRACKS: u64 = 0x1654_AE6B;
    const TRACK_ENTRY: u64 = 0xAE;
    const TRACK_TYPE: u64 = 0x83;
    const VIDEO: u8 = 1;
    const AUDIO: u8 = 2;
    if !has(bytes, 0, b"\x1A\x45\xDF\xA3") {
        return None;
    }
    let top = elements(bytes);
    let header = top.iter().find(|element| element.id == HEADER)?;
    let inside = elements(header.content);
    let doc_type = inside.iter().find(|element| element.id == DOC_TYPE)?;
    let is_webm = match doc_type.content.trim_ascii_end() {
        [name @ .., 0] | name if name == b"webm" => true,
        [name @ .., 0] | name if name == b"matroska" => false,
        _ => return None,
    };
    let segment = top.iter().find(|element| element.id == SEGMENT);
    let parts = segment.map_or_else(Vec::new, |segment| elements(segment.content));
    let tracks = parts.iter().find(|part| part.id == TRACKS && part.is_whole);
    let kinds: Vec<u8> = tracks
        .map_or_else(Vec::new, |tracks| elements(tracks.content))
        .iter()
        .filter(|entry| entry.id == TRACK_ENTRY)
        .flat_map(|entry| elements(entry.content))
        .filter(|field| field.id == TRACK_TYPE)
        .filter_map(|field| field.content.first().copied())
        .collect();
    let is_audio = kinds.contains(&AUDIO) && !kinds.contains(&VIDEO);
    Some(match (is_webm, is_audio) {
        (true, true) => "audio/webm",
        (true, false) => "video/webm",
        (false, true) => "audio/x-matroska",
        (false, false) => "video/x-matroska",
    })
}

/// Brands of pictures, by what they say of the coding: the most special first, as `mif1` and `msf1`
/// say nothing of it (ISO/IEC 23008-12, 10; AV1 Image File Format, 6).
const PICTURES: [(&str, &[&[u8; 4]]); 5] = [
    ("image/avif", &[b"avif", b"avis"]),
    ("image/heic", &[b"heic", b"heix", b"heim", b"heis"]),
    (
        "image/heif",
        &[
            b"mif1", b"mif2", b"miaf", b"MiHB", b"MiHA", b"MiHE", b"1pic", b"avci", b"jpeg",
            b"j2ki", b"vvic",
        ],
    ),
    ("image/heic-sequence", &[b"hevc", b"hevx", b"hevm", b"hevs"]),
    ("image/heif-sequence", &[b"msf1", b"avcs"]),
];

/// Types by brand, in the order in which compatible brands decide.
const BY_BRAND: [&str; 7] = [
    "image/x-canon-cr3",
    "video/quicktime",
    "video/3gpp2",
    "video/3gpp",
    "audio/mp4",
    "video/mp4",
    "video/mj2",
];

/// Returns the type of a file in the ISO base media file format (ISO/IEC 14496-12, 4.3): by its
/// major brand, or by a compatible one where that is unknown.
pub fn iso_media(bytes: &[u8]) -> Option<&'static str> {
    let size = usize::try_from(big_endian(bytes, 0)?).ok()?;
    let kind = bytes.get(4..8)?;
    // QuickTime's older files have no brand.
    if matches!(kind, b"moov" | b"mdat" | b"wide" | b"pnot") && !(2..8).contains(&size) {
        return Some("video/quicktime");
    }
    if !matches!(kind, b"ftyp" | b"styp") || size < 16 {
        return None;
    }
    let major = from(bytes, 8).first_chunk::<4>()?;
    let list = bytes.get(16..size.min(bytes.len()))?;
    let (compatible, _) = list.as_chunks::<4>();
    let picture = || {
        let has_brand = |brand: &&[u8; 4]| *brand == major || compatible.contains(brand);
        let mut types = PICTURES.iter();
        types.find_map(|(media_type, brands)| brands.iter().any(has_brand).then_some(*media_type))
    };
    let is_picture = |brand: &[u8; 4]| PICTURES.iter().any(|(_, brands)| brands.contains(&brand));
    if let Some(media_type) = of_brand(*major) {
        return Some(media_type);
    }
    if is_picture(major) {
        return picture();
    }
    let known: Vec<&str> = compatible.iter().copied().filter_map(of_brand).collect();
    let mut special = BY_BRAND.into_iter();
    picture().or_else(|| special.find(|media_type| known.contains(media_type)))
}

/// Returns the type of a brand (<https://mp4ra.org/registered-types/brands>), but for pictures.
const fn of_brand(brand: [u8; 4]) -> Option<&'static str> {
    Some(match &brand {
        b"crx " => "image/x-canon-cr3",
        b"qt  " => "video/quicktime",
        b"M4A " | b"M4P " | b"F4A " | b"M4B " | b"F4B " | b"aax " | b"aaxc" => "audio/mp4",
        b"mjp2" | b"mj2s" => "video/mj2",
        [b'3', b'g', b'2', _] | b"KDDI" => "video/3gpp2",
        [
            b'3',
            b'g',
            b'p' | b'r' | b's' | b'e' | b'g' | b'h' | b'm' | b't' | b'f' | b'v',
            _,
        ] => "video/3gpp",
        [b'i', b's', b'o', b'm' | b'2'..=b'9' | b'a'..=b'c']
        | [b'm', b'p', b'4', b'1' | b'2']
        | b"avc1"
        | b"M4V "
        | b"M4VH"
        | b"M4VP"
        | b"f4v "
        | b"F4V "
        | b"F4P "
        | b"mmp4"
        | b"MSNV"
        | b"dash"
        | b"msdh"
        | b"msix"
        | b"cmfc"
        | b"cmf2"
        | b"cmfs"
        | b"cmff"
        | b"cmfl"
        | b"piff"
        | b"XAVC"
        | b"hvc1"
        | b"dby1" => "video/mp4",
        _ => return None,
    })
}
