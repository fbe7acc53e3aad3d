//! PiktID's own fields of an asset (piktid.md 3), under PiktID's names.

use serde::Deserialize;

use super::lenient;

/// The fields of piktid.md 3 that [`super::Asset`] does not already have.
#[derive(Debug, Default)]
pub struct Details {
    pub filename: Option<String>,
    pub created_by: Option<String>,
    pub visibility: Option<String>,
    pub styling_note: Option<String>,
    pub thumbnail_small: Option<String>,
    pub thumbnail_big: Option<String>,
    /// Width and height in pixels.
    pub dimensions: Option<Vec<f64>>,
    pub detected: Option<Detected>,
}

/// PiktID's detections in an image: best effort, absent for old or unclear images.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Detected {
    #[serde(deserialize_with = "lenient::option")]
    pub has_person: Option<bool>,
    #[serde(deserialize_with = "lenient::option")]
    pub has_clothing: Option<bool>,
    #[serde(deserialize_with = "lenient::list")]
    pub person_attributes: Vec<String>,
    #[serde(deserialize_with = "lenient::list")]
    pub clothing_items: Vec<String>,
    #[serde(deserialize_with = "lenient::list")]
    pub categories: Vec<String>,
}
