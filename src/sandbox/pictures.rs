//! Deterministic files: real pictures, made once per process, and small files of other kinds.

use std::{io::Cursor, sync::OnceLock};

use image::{ImageFormat, Rgb, RgbImage, imageops};

/// A picture and its thumbnails.
#[derive(Debug)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// PNG.
    pub full: Vec<u8>,
    /// JPEG, at most 128 pixels a side.
    pub small: Vec<u8>,
    /// JPEG, at most 320 pixels a side.
    pub large: Vec<u8>,
}

/// The number of different pictures; assets share them.
pub const PICTURES: usize = 48;

/// Returns the picture with this number, modulo [`PICTURES`].
pub fn picture(number: usize) -> &'static Picture {
    static ALL: OnceLock<Vec<Picture>> = OnceLock::new();
    let pictures = ALL.get_or_init(|| (0..PICTURES).map(draw).collect());
    &pictures[number % PICTURES]
}

/// Draws soft bands and a disc, in colours that depend on `number`.
fn draw(number: usize) -> Picture {
    let sizes = [(384, 288), (288, 384), (320, 320), (512, 256)];
    let (width, height) = sizes[number % sizes.len()];
    let seed = number as f32;
    let hue = |shift: f32| ((seed * 0.37 + shift).sin() * 0.5 + 0.5) * 255.0;
    let (warm, cool) = (
        [hue(0.0), hue(2.1), hue(4.2)],
        [hue(3.0), hue(5.1), hue(1.2)],
    );
    let centre = (
        width as f32 * (0.3 + 0.4 * (seed * 1.3).sin().abs()),
        height as f32 * (0.3 + 0.4 * (seed * 0.7).cos().abs()),
    );
    let radius = width.min(height) as f32 * 0.28;
    let full = RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let band = ((x + y * 0.6) / 48.0 + seed).sin() * 0.5 + 0.5;
        let distance = ((x - centre.0).powi(2) + (y - centre.1).powi(2)).sqrt();
        let disc = if distance < radius { 0.55 } else { 0.0 };
        let mix = |i: usize| {
            let base = warm[i] * band + cool[i] * (1.0 - band);
            (base * (1.0 - disc) + 255.0 * disc) as u8
        };
        Rgb([mix(0), mix(1), mix(2)])
    });
    let scaled = |side: u32| {
        let scale = side as f32 / width.max(height) as f32;
        let (w, h) = (width as f32 * scale, height as f32 * scale);
        imageops::thumbnail(&full, w as u32, h as u32)
    };
    Picture {
        small: encode(&scaled(128), ImageFormat::Jpeg),
        large: encode(&scaled(320), ImageFormat::Jpeg),
        full: encode(&full, ImageFormat::Png),
        width,
        height,
    }
}

fn encode(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    // The target is memory, and the formats used here accept RGB.
    picture
        .write_to(&mut bytes, format)
        .expect("an RGB picture encodes into memory");
    bytes.into_inner()
}

/// Returns the media type and bytes of a file of another kind.
pub fn file(kind: &str, number: usize) -> (&'static str, Vec<u8>) {
    match kind {
        "audio" => ("audio/wav", tone(number)),
        "3d" => ("model/gltf-binary", empty_scene()),
        "json" => ("application/json", format!("{{\"number\":{number}}}").into_bytes()),
        "text" => ("text/plain", format!("Note number {number}.\n").into_bytes()),
        "document" => (
            "application/pdf",
            b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n".to_vec(),
        ),
        "video" => (
            "video/mp4",
            b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x08free".to_vec(),
        ),
        "weights" => ("application/octet-stream", vec![(number % 251) as u8; 4096]),
        _ => ("image/png", picture(number).full.clone()),
    }
}

/// Returns a tenth of a second of a sine tone, as WAV.
fn tone(number: usize) -> Vec<u8> {
    let rate = 8_000_u32;
    let samples: Vec<u8> = (0..rate / 10)
        .map(|i| {
            let angle = i as f32 / rate as f32 * (220.0 + number as f32) * std::f32::consts::TAU;
            (angle.sin() * 96.0 + 128.0) as u8
        })
        .collect();
    let length = samples.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(rate.to_le_bytes());
    wav.extend(rate.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(8_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    wav
}

/// Returns a glTF binary with an empty scene.
fn empty_scene() -> Vec<u8> {
    let mut json = br#"{"asset":{"version":"2.0"}}"#.to_vec();
    while !json.len().is_multiple_of(4) {
        json.push(b' ');
    }
    let length = json.len() as u32;
    let mut glb = b"glTF".to_vec();
    glb.extend(2_u32.to_le_bytes());
    glb.extend((12 + 8 + length).to_le_bytes());
    glb.extend(length.to_le_bytes());
    glb.extend(b"JSON");
    glb.extend(json);
    glb
}
