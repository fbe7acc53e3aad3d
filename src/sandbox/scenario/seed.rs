//! Scenario's initial assets.

use serde_json::{Map, json};

use super::{answers::PROJECT, asset::ScenarioAsset};
use crate::sandbox::{
    files::File,
    seed::{MINUTE, START, SUBJECTS, stable_hex, title},
};

/// Returns the assets: every kind, equal creation times, parents and previews, tags, notes, public
/// ones.
pub fn assets() -> Vec<ScenarioAsset> {
    (0..240).map(scenario).collect()
}

fn scenario_id(number: usize) -> String {
    format!("asset_{}", &stable_hex("scenario", number)[..22])
}

/// Kind, type, source and file kind, used in turn; they cover every kind of the contract.
const KINDS: [(&str, &str, &str, &str); 12] = [
    ("image", "inference-txt2img", "inference-txt", "image"),
    ("image", "uploaded", "uploaded", "image"),
    ("image", "inference-img2img", "inference-img", "image"),
    ("video", "img2video", "img2video", "video"),
    ("image", "upscale", "upscale", "image"),
    ("3d", "img23d", "img23d", "3d"),
    ("audio", "txt2audio", "txt2audio", "audio"),
    ("image", "texture-albedo", "texture:albedo", "image"),
    ("image-hdr", "skybox-hdri", "skybox-hdri", "image"),
    ("text", "uploaded-text", "uploaded-text", "text"),
    ("json", "canvas", "canvas", "json"),
    ("document", "uploaded", "uploaded", "document"),
];

fn scenario(number: usize) -> ScenarioAsset {
    let (kind, asset_type, source, file) = KINDS[number % KINDS.len()];
    // Every tenth asset shares its time with the one before: a tie within the source. The other
    // two providers use the same minutes: ties across sources.
    let slot = if number % 10 == 9 { number - 1 } else { number };
    let created = START - slot as i64 * 7 * MINUTE;
    // A chain: three of twelve assets derive from an older one, and `root` is the chain's end.
    let parent = parent_of(number).map(scenario_id);
    let foreign = number % 16 == 15;
    let mut metadata = Map::new();
    if kind.starts_with("image") && asset_type.starts_with("inference") {
        metadata.insert(
            "prompt".to_owned(),
            json!(format!("{}, highly detailed", title(number))),
        );
        metadata.insert("guidance".to_owned(), json!(3.5));
        metadata.insert("numInferenceSteps".to_owned(), json!(28));
        metadata.insert("scheduler".to_owned(), json!("EulerDiscreteScheduler"));
        // The API may send this string as a number (docs/providers/scenario.md trap 13).
        let seed = 9_007_199_254_740_993_u64 + number as u64;
        let seed = if number.is_multiple_of(2) {
            json!(seed.to_string())
        } else {
            json!(seed)
        };
        metadata.insert("seed".to_owned(), seed);
    }
    let mut properties = Map::new();
    if kind == "audio" || kind == "video" {
        properties.insert("duration".to_owned(), json!(0.1));
    }
    if kind == "3d" {
        properties.insert("format".to_owned(), json!("glb"));
        properties.insert("vertexCount".to_owned(), json!(0));
    }
    ScenarioAsset {
        id: scenario_id(number),
        created,
        updated: created + (number % 5) as i64 * MINUTE,
        owner_id: if foreign { "proj_elsewhere" } else { PROJECT }.to_owned(),
        author_id: ["u5e1f", "u77aa", "u9c30"][number % 3].to_owned(),
        kind: kind.to_owned(),
        asset_type: asset_type.to_owned(),
        source: source.to_owned(),
        privacy: match number % 16 {
            15 | 7 => "public",
            3 => "unlisted",
            _ => "private",
        }
        .to_owned(),
        status: match number % 60 {
            41 => "pending",
            53 => "error",
            _ => "success",
        }
        .to_owned(),
        tags: match number % 4 {
            // Public assets (every eighth) have tags too: the list filters only these by tag.
            3 if number % 8 == 7 => vec!["concept".to_owned(), "Showcase".to_owned()],
            0 => vec![
                "concept".to_owned(),
                SUBJECTS[number % SUBJECTS.len()].to_owned(),
            ],
            1 => vec!["Final".to_owned()],
            _ => Vec::new(),
        },
        collection_ids: if number.is_multiple_of(8) {
            vec!["col_favourites".to_owned()]
        } else {
            Vec::new()
        },
        name: (number % 17 != 16).then(|| title(number)),
        description: number
            .is_multiple_of(6)
            .then(|| format!("Chosen for the {} set.", SUBJECTS[number % SUBJECTS.len()])),
        root: parent.is_some().then(|| scenario_id(root_of(number))),
        parent,
        // Assets that are not pictures have a picture as preview.
        preview: (file != "image" && number + 4 < 240)
            .then(|| scenario_id(number + 4 - number % 4)),
        model_id: asset_type
            .starts_with("inference")
            .then(|| format!("model_{}", number % 5)),
        inference_id: number
            .is_multiple_of(12)
            .then(|| format!("inf_{}", number / 12)),
        job_id: asset_type
            .starts_with("inference")
            .then(|| format!("job_{}", number / 4)),
        metadata,
        properties,
        file: File {
            kind: file,
            number,
            uploaded: None,
        },
        ..Default::default()
    }
}

/// Makes chains of up to four: within each twelve, 0 comes from 3, 3 from 6, 6 from 10.
fn parent_of(number: usize) -> Option<usize> {
    let older = match number % 12 {
        0 | 3 => number + 3,
        6 => number + 4,
        _ => return None,
    };
    (older < 240).then_some(older)
}

fn root_of(number: usize) -> usize {
    parent_of(number).map_or(number, root_of)
}
