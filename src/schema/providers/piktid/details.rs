//! `PiktidDetails`: everything of piktid.md 3, typed.

use std::sync::Arc;

use async_graphql::Object;

use crate::{
    asset::piktid::{Details, Detected},
    schema::scalars::Url,
};

pub struct PiktidDetails(pub Arc<Details>);

/// Fields that only PiktID has, as PiktID names them.
/// Its lists are as long as PiktID sends them.
#[Object]
impl PiktidDetails {
    /// The file's name as uploaded.
    async fn filename(&self) -> Option<&str> {
        self.0.filename.as_deref()
    }

    /// Name of the user who uploaded it.
    async fn created_by(&self) -> Option<&str> {
        self.0.created_by.as_deref()
    }

    /// `private`, `shared` or `default`.
    async fn visibility(&self) -> Option<&str> {
        self.0.visibility.as_deref()
    }

    /// How it is to be styled when it is used again; `Asset.note` is the same.
    async fn styling_note(&self) -> Option<&str> {
        self.0.styling_note.as_deref()
    }

    /// The smaller thumbnail, once there is one.
    async fn thumbnail_small(&self) -> Option<Url> {
        self.0.thumbnail_small.clone().map(Url)
    }

    /// The larger thumbnail, once there is one.
    async fn thumbnail_big(&self) -> Option<Url> {
        self.0.thumbnail_big.clone().map(Url)
    }

    /// Width and height in pixels, once they are known.
    async fn dimensions(&self) -> Option<&Vec<f64>> {
        self.0.dimensions.as_ref()
    }

    /// What PiktID saw in the picture: best effort, null for old or unclear ones.
    async fn detected(&self) -> Option<PiktidDetected<'_>> {
        self.0.detected.as_ref().map(PiktidDetected)
    }
}

pub struct PiktidDetected<'a>(&'a Detected);

/// What PiktID saw in a picture.
/// Its lists are as long as PiktID sends them.
#[Object]
impl PiktidDetected<'_> {
    /// A person is in it.
    async fn has_person(&self) -> Option<bool> {
        self.0.has_person
    }

    /// Clothing is in it.
    async fn has_clothing(&self) -> Option<bool> {
        self.0.has_clothing
    }

    /// Words for the person, such as `Adult`.
    async fn person_attributes(&self) -> &[String] {
        &self.0.person_attributes
    }

    /// Garments, such as `Shirt`.
    async fn clothing_items(&self) -> &[String] {
        &self.0.clothing_items
    }

    /// Broad categories, such as `Apparel and Accessories`.
    async fn categories(&self) -> &[String] {
        &self.0.categories
    }
}
