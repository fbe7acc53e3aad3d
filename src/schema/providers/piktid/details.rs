//! `PiktidDetails`: every field of piktid.md 3, typed.

use std::sync::Arc;

use async_graphql::Object;

use crate::{
    asset::piktid::{Details, Detected},
    schema::scalars::Url,
};

pub struct PiktidDetails(pub Arc<Details>);

/// PiktID's own fields, under PiktID's names. A field that was not sent is null.
/// Its lists are as long as PiktID sends them.
#[Object]
impl PiktidDetails {
    /// The file's name as uploaded.
    async fn filename(&self) -> Option<&str> {
        self.0.filename.as_deref()
    }

    /// Name of the user who uploaded the asset.
    async fn created_by(&self) -> Option<&str> {
        self.0.created_by.as_deref()
    }

    /// PiktID's visibility: `private`, `shared` or `default`.
    async fn visibility(&self) -> Option<&str> {
        self.0.visibility.as_deref()
    }

    /// How to style the item when it is used again. `Asset.note` has the same text.
    async fn styling_note(&self) -> Option<&str> {
        self.0.styling_note.as_deref()
    }

    /// URL of the smaller thumbnail; null until there is one.
    async fn thumbnail_small(&self) -> Option<Url> {
        self.0.thumbnail_small.clone().map(Url)
    }

    /// URL of the larger thumbnail; null until there is one.
    async fn thumbnail_big(&self) -> Option<Url> {
        self.0.thumbnail_big.clone().map(Url)
    }

    /// Width and height in pixels; null until they are known.
    async fn dimensions(&self) -> Option<&Vec<f64>> {
        self.0.dimensions.as_ref()
    }

    /// The contents that PiktID detected in the image, best effort; null for old or unclear images.
    async fn detected(&self) -> Option<PiktidDetected<'_>> {
        self.0.detected.as_ref().map(PiktidDetected)
    }
}

pub struct PiktidDetected<'a>(&'a Detected);

/// The contents that PiktID detected in an image.
/// Its lists are as long as PiktID sends them.
#[Object]
impl PiktidDetected<'_> {
    /// Whether the image shows a person.
    async fn has_person(&self) -> Option<bool> {
        self.0.has_person
    }

    /// Whether the image shows clothing.
    async fn has_clothing(&self) -> Option<bool> {
        self.0.has_clothing
    }

    /// Attributes of the person, such as `Adult`; empty when there are none.
    async fn person_attributes(&self) -> &[String] {
        &self.0.person_attributes
    }

    /// Garments, such as `Shirt`; empty when there are none.
    async fn clothing_items(&self) -> &[String] {
        &self.0.clothing_items
    }

    /// Broad categories, such as `Apparel and Accessories`; empty when there are none.
    async fn categories(&self) -> &[String] {
        &self.0.categories
    }
}
