//! The sandbox's initial assets; they are the same in every run, on every day.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::{
    pictures,
    scenario::answers::PROJECT,
    store::{ComfyAsset, File, PiktidAsset, ScenarioAsset, Store},
};

/// How many assets the sandbox starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// No assets.
    Empty,
    /// About 500 assets: every kind, equal creation times, parents and previews, tags, notes, and
    /// group-shared, platform and public assets.
    Several,
}

/// 2026-11-01T12:00:00Z in milliseconds.
const START: i64 = 1_793_534_400_000;
const MINUTE: i64 = 60_000;

pub fn store(seed: Seed) -> Store {
    let store = Store::default();
    if seed == Seed::Several {
        store.scenario().extend((0..240).map(scenario));
        store.piktid().extend((0..120).map(piktid));
        store.comfy().extend((0..160).map(comfy));
    }
    store
}

/// Returns a hash in hex for a kind and a number; it is the same in every run.
fn stable_hex(kind: &str, number: usize) -> String {
    blake3::hash(format!("{kind}{number}").as_bytes())
        .to_hex()
        .to_string()
}

fn uuid(kind: &str, number: usize) -> String {
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

const SUBJECTS: [&str; 12] = [
    "harbour", "fox", "castle", "robot", "orchid", "lantern", "glacier", "violin", "market",
    "whale", "desert", "library",
];
const MOODS: [&str; 8] = [
    "at dawn",
    "in the rain",
    "as a sketch",
    "in neon",
    "under snow",
    "from above",
    "in fog",
    "on a stage",
];

fn title(number: usize) -> String {
    format!(
        "{} {}",
        SUBJECTS[number % SUBJECTS.len()],
        MOODS[(number / SUBJECTS.len()) % MOODS.len()]
    )
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
        // The API may send this string as a number (scenario.md trap 13).
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

fn piktid(number: usize) -> PiktidAsset {
    let slot = if number % 6 == 5 { number - 1 } else { number };
    let (visibility, created_by) = match number % 8 {
        5 => ("shared", "ada"),
        6 => ("shared", "grace"),
        7 => ("default", "piktid"),
        _ => ("private", "ada"),
    };
    let picture = pictures::picture(number);
    // New uploads have neither thumbnails nor attributes yet (piktid.md trap 7).
    let fresh = number % 40 == 39;
    PiktidAsset {
        id: uuid("piktid", number),
        filename: format!("{}-{number:03}.png", SUBJECTS[number % SUBJECTS.len()]),
        created: (START - slot as i64 * 14 * MINUTE) * 1000 + (number % 3) as i64 / 2 * 417,
        created_by: created_by.to_owned(),
        visibility: visibility.to_owned(),
        project: number
            .is_multiple_of(5)
            .then(|| "autumn lookbook".to_owned()),
        tags: match number % 5 {
            0 => vec!["model".to_owned(), "product".to_owned()],
            1 => vec!["product".to_owned()],
            2 => vec!["background".to_owned()],
            3 => vec!["other".to_owned()],
            _ => Vec::new(),
        },
        styling_note: number
            .is_multiple_of(7)
            .then(|| "keep the sleeves rolled up".to_owned()),
        detected: (!fresh && number % 4 != 3).then(|| {
            json!({ "has_person": number.is_multiple_of(2), "has_clothing": true,
                    "person_attributes": ["Adult"], "clothing_items": ["Shirt", "Pants"],
                    "categories": ["Apparel and Accessories"] })
        }),
        dimensions: (!fresh).then_some((picture.width, picture.height)),
        has_thumbnails: !fresh,
        file: File {
            kind: "image",
            number,
            uploaded: None,
        },
        ..Default::default()
    }
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

/// The metadata of a scanned file includes the server's path (comfy-observed.md 4).
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

/// Returns a generated file's size; picture sizes are cached, so that no picture is remade.
fn file_size(kind: &'static str, number: usize) -> (&'static str, u64) {
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
