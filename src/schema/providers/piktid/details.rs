//! The fields of `PiktidDetails` that are addresses.

use async_graphql::ComplexObject;

use crate::{asset::piktid::Details, schema::scalars::Url};

#[ComplexObject]
impl Details {
    /// URL of the smaller thumbnail; null until there is one.
    #[graphql(name = "thumbnailSmall")]
    async fn small_url(&self) -> Option<Url> {
        self.thumbnail_small.clone().map(Url)
    }

    /// URL of the larger thumbnail; null until there is one.
    #[graphql(name = "thumbnailBig")]
    async fn big_url(&self) -> Option<Url> {
        self.thumbnail_big.clone().map(Url)
    }
}
