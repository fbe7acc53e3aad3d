//! What only PiktID knows about an asset (piktid.md 3), in PiktID's own words.

use serde::Deserialize;

use super::lenient;

/// Everything of piktid.md 3 that [`super::Asset`] does not already say.
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

/// What PiktID detected in a picture: best effort, absent for old or unclear pictures.
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
