//! PiktID's initial assets.

use serde_json::json;

use super::asset::PiktidAsset;
use crate::sandbox::{
    files::File,
    pictures,
    seed::{MINUTE, START, SUBJECTS, uuid},
};

/// Returns the assets: private, group-shared and platform ones, equal creation times, tags, notes.
pub fn assets() -> Vec<PiktidAsset> {
    (0..120).map(piktid).collect()
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
    // New uploads have neither thumbnails nor attributes yet (docs/providers/piktid.md trap 7).
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
