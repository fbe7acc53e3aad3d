//! PiktID's own fields of an asset (docs/providers/piktid.md 3), under PiktID's names.

use async_graphql::SimpleObject;
use serde::Deserialize;

use super::lenient;

/// PiktID's own fields, under PiktID's names. A field that was not sent is null.
/// Its lists are as long as PiktID sends them.
// The fields of docs/providers/piktid.md 3 that [`super::Asset`] lacks.
#[derive(Debug, Default, SimpleObject)]
#[graphql(name = "PiktidDetails", complex)]
pub struct Details {
    /// The file's name as uploaded.
    pub filename: Option<String>,
    /// Name of the user who uploaded the asset.
    pub created_by: Option<String>,
    /// PiktID's visibility: `private`, `shared` or `default`.
    pub visibility: Option<String>,
    /// How to style the item when it is used again. `Asset.note` has the same text.
    pub styling_note: Option<String>,
    #[graphql(skip)]
    pub thumbnail_small: Option<String>,
    #[graphql(skip)]
    pub thumbnail_big: Option<String>,
    /// Width and height in pixels; null until they are known.
    pub dimensions: Option<Vec<f64>>,
    /// The contents that PiktID detected in the image, best effort; null for old or unclear images.
    pub detected: Option<Detected>,
}

/// The contents that PiktID detected in an image.
/// Its lists are as long as PiktID sends them.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(default)]
#[graphql(name = "PiktidDetected")]
pub struct Detected {
    /// Whether the image shows a person.
    #[serde(deserialize_with = "lenient::option")]
    pub has_person: Option<bool>,
    /// Whether the image shows clothing.
    #[serde(deserialize_with = "lenient::option")]
    pub has_clothing: Option<bool>,
    /// Attributes of the person, such as `Adult`; empty when there are none.
    #[serde(deserialize_with = "lenient::list")]
    pub person_attributes: Vec<String>,
    /// Garments, such as `Shirt`; empty when there are none.
    #[serde(deserialize_with = "lenient::list")]
    pub clothing_items: Vec<String>,
    /// Broad categories, such as `Apparel and Accessories`; empty when there are none.
    #[serde(deserialize_with = "lenient::list")]
    pub categories: Vec<String>,
}
