//! Comfy's initial assets.

use serde_json::{Map, Value, json};

use super::asset::ComfyAsset;
use crate::sandbox::{
    files::File,
    pictures,
    seed::{MINUTE, START, SUBJECTS, file_size, stable_hex, uuid},
};

/// Returns the assets: files of several kinds, equal creation times, previews, tags, notes.
pub fn assets() -> Vec<ComfyAsset> {
    (0..160).map(comfy).collect()
}

fn comfy(number: usize) -> ComfyAsset {
    let slot = if number % 9 == 8 { number - 1 } else { number };
    // Every third time is a whole second: no fraction on a local server.
    let fraction = if number.is_multiple_of(3) {
        0
    } else {
        (number as i64 * 7919) % 1_000_000
    };
    let is_tied = number % 9 >= 7;
    let created = (START - slot as i64 * 10 * MINUTE) * 1000 + if is_tied { 0 } else { fraction };
    let (kind, root, extension, mime_type) = match number % 8 {
        0 => ("weights", "models", "safetensors", None),
        1 => ("audio", "output", "wav", Some("audio/wav")),
        2 => ("json", "input", "json", Some("application/json")),
        _ => (
            "image",
            if number.is_multiple_of(2) {
                "input"
            } else {
                "output"
            },
            "png",
            Some("image/png"),
        ),
    };
    let (_, bytes) = file_size(kind, number);
    let picture = pictures::picture(number);
    let mut tags = vec![root.to_owned()];
    if root == "models" {
        tags.push("model_type:loras".to_owned());
    }
    if number.is_multiple_of(5) {
        tags.push(SUBJECTS[number % SUBJECTS.len()].to_owned());
    }
    let mut user_metadata = Map::new();
    if number.is_multiple_of(6) {
        user_metadata.insert("user_description".to_owned(), json!("kept for the trailer"));
        user_metadata.insert("rating".to_owned(), json!(number % 5));
    }
    ComfyAsset {
        id: uuid("comfy", number),
        name: format!(
            "{}_{number:05}_.{extension}",
            SUBJECTS[number % SUBJECTS.len()]
        ),
        created,
        updated: created + (number % 4) as i64 * 1_000_000,
        last_access: number.is_multiple_of(2).then_some(created + 5_000_000),
        // One size exceeds 32 bits, as model files do.
        size: Some(if number == 8 { 6_938_040_682 } else { bytes }),
        hash: (number % 3 != 1).then(|| format!("blake3:{}", stable_hex("bytes", number))),
        mime_type: mime_type.map(str::to_owned),
        tags,
        user_metadata,
        metadata: metadata(kind, picture, number),
        has_preview: kind == "audio" || (kind == "image" && number % 7 != 6),
        // Audio files show the picture of another asset.
        preview_id: (kind == "audio").then(|| uuid("comfy", number + 2)),
        job_id: (root == "output").then(|| format!("{}-job", &stable_hex("job", number / 4)[..8])),
        loader_path: (root == "models").then(|| format!("loras/{number}.safetensors")),
        is_immutable: number % 40 == 37,
        is_public: number % 40 == 37,
        file: File {
            kind,
            number,
            uploaded: None,
        },
        ..Default::default()
    }
}

/// The metadata of a scanned file includes the server's path (docs/providers/comfy.md O4).
fn metadata(kind: &str, picture: &pictures::Picture, number: usize) -> Option<Value> {
    match kind {
        "image" => Some(json!({
            "kind": "image", "width": picture.width, "height": picture.height,
        })),
        "weights" => {
            Some(json!({ "file_path": format!("/srv/comfy/models/loras/{number}.safetensors") }))
        }
        _ => None,
    }
}
