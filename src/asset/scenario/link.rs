//! A reference from one Scenario asset to another.

use async_graphql::SimpleObject;
use serde::Deserialize;

use crate::asset::lenient;

/// Another asset, with a URL of its file.
#[derive(Debug, Clone, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
#[graphql(name = "ScenarioLink", complex)]
pub struct Link {
    /// The asset's id at Scenario.
    #[serde(deserialize_with = "lenient::option")]
    #[graphql(name = "upstreamId")]
    pub asset_id: Option<String>,
    /// The URL of its file. It is signed and expires.
    #[serde(deserialize_with = "lenient::option")]
    #[graphql(skip)]
    pub url: Option<String>,
}
