//! Scenario's own fields of an asset (scenario.md 6.2 to 6.4), under Scenario's names.

pub mod link;
pub mod metadata;
pub mod properties;

use jiff::Timestamp;
use serde::Deserialize;

use self::{link::Link, metadata::Metadata, properties::Properties};
use super::lenient;

/// The fields of scenario.md 6.2 that [`super::Asset`] does not already have.
#[derive(Debug, Default)]
pub struct Details {
    pub metadata: Metadata,
    pub properties: Properties,
    /// The user who created the asset.
    pub author_id: Option<String>,
    /// The owning project (a team in old data).
    pub owner_id: Option<String>,
    pub collection_ids: Vec<String>,
    pub edit_capabilities: Vec<String>,
    pub kind: Option<String>,
    pub privacy: Option<String>,
    pub source: Option<String>,
    pub status: Option<String>,
    pub automatic_captioning: Option<String>,
    pub description: Option<String>,
    /// Present only if requested.
    pub embedding: Option<Vec<f64>>,
    pub first_frame: Option<Link>,
    pub last_frame: Option<Link>,
    pub preview: Option<Link>,
    pub thumbnail: Option<Link>,
    pub is_hidden: Option<bool>,
    pub nsfw: Vec<String>,
    pub original_file_url: Option<String>,
    pub output_index: Option<f64>,
    pub deleted_at: Option<Timestamp>,
    pub original_mime_type: Option<String>,
    pub quality_gate: Option<QualityGate>,
}

/// Scenario's quality rating of an asset (contract: [SDK] only).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QualityGate {
    #[serde(deserialize_with = "lenient::option")]
    pub computed_at: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub version: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub ai_quality_score: Option<f64>,
    #[serde(deserialize_with = "lenient::list")]
    pub applied_brief_ids: Vec<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub brief_compliance_score: Option<f64>,
    /// Present only if requested.
    #[serde(deserialize_with = "lenient::option")]
    pub details: Option<serde_json::Value>,
    #[serde(deserialize_with = "lenient::option")]
    pub error: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub overall_score: Option<f64>,
    #[serde(deserialize_with = "lenient::text")]
    pub sensitivity: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub verdict: Option<String>,
}
