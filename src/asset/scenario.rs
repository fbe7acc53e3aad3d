//! Scenario's own fields of an asset (docs/providers/scenario.md 6.2 to 6.4), under Scenario's
//! names.

pub mod link;
pub mod metadata;
pub mod properties;

use async_graphql::SimpleObject;
use jiff::Timestamp;
use serde::Deserialize;

use self::{link::Link, metadata::Metadata, properties::Properties};
use super::{AssetId, lenient};

/// Scenario's own fields, under Scenario's names. A field that was not sent is null. Scenario
/// extends its enumerations, so they are strings here.
/// Its lists are as long as Scenario sends them.
// The fields of docs/providers/scenario.md 6.2 that [`super::Asset`] lacks.
#[derive(Debug, SimpleObject)]
#[graphql(name = "ScenarioDetails", complex)]
pub struct Details {
    /// How the asset was made: prompts, settings and lineage.
    pub metadata: Metadata,
    /// Properties of the file that Scenario measured.
    pub properties: Properties,
    /// Id of the user who created the asset.
    pub author_id: Option<String>,
    /// Id of the project that owns the asset (a team in old data).
    pub owner_id: Option<String>,
    /// Ids of the collections that contain the asset; empty when there are none.
    pub collection_ids: Vec<String>,
    /// Scenario's tools that work on the asset, such as `UPSCALE` or `REMOVE_BACKGROUND`.
    pub edit_capabilities: Vec<String>,
    /// Scenario's kind: `3d`, `audio`, `document`, `image`, `image-hdr`, `json`, `text` or `video`.
    pub kind: Option<String>,
    /// Scenario's privacy: `private`, `public` or `unlisted`.
    pub privacy: Option<String>,
    /// How the asset was made, spelled unlike `metadata.type`, such as `3d:texture:albedo`.
    pub source: Option<String>,
    /// Scenario's status: `success`, `pending` or `error`.
    pub status: Option<String>,
    /// A generated caption.
    pub automatic_captioning: Option<String>,
    /// A description that a person wrote. `Asset.note` has the same text.
    pub description: Option<String>,
    #[graphql(skip)]
    pub embedding: Option<Vec<f64>>,
    /// The first frame of a video.
    pub first_frame: Option<Link>,
    /// The last frame of a video.
    pub last_frame: Option<Link>,
    /// The asset that serves as the preview. `Asset.preview` resolves it.
    pub preview: Option<Link>,
    /// The thumbnail. `Asset.thumbnailUrl` has only a URL.
    pub thumbnail: Option<Link>,
    /// Whether Scenario's own interface hides the asset.
    pub is_hidden: Option<bool>,
    /// Labels of possibly offensive content; empty when none was found.
    pub nsfw: Vec<String>,
    #[graphql(skip)]
    pub original_file_url: Option<String>,
    /// The asset's index among the outputs of its job.
    pub output_index: Option<f64>,
    #[graphql(skip)]
    pub deleted_at: Option<Timestamp>,
    /// Media type of the file as it was uploaded.
    pub original_mime_type: Option<String>,
    /// Scenario's assessment of the asset's quality.
    pub quality_gate: Option<QualityGate>,
    #[graphql(skip)]
    pub id: AssetId,
}

/// Scenario's assessment of an asset's quality.
/// Its lists are as long as Scenario sends them.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
#[graphql(name = "ScenarioQualityGate", complex)]
pub struct QualityGate {
    /// When the assessment was computed, as an ISO 8601 text.
    #[serde(deserialize_with = "lenient::option")]
    pub computed_at: Option<String>,
    /// Status of the assessment: `scored` or `error`.
    #[serde(deserialize_with = "lenient::option")]
    pub status: Option<String>,
    /// Version of the quality gate.
    #[serde(deserialize_with = "lenient::option")]
    pub version: Option<String>,
    /// Quality score by an AI model.
    #[serde(deserialize_with = "lenient::option")]
    pub ai_quality_score: Option<f64>,
    /// Ids of the briefs that the asset was checked against; empty when there are none.
    #[serde(deserialize_with = "lenient::list")]
    pub applied_brief_ids: Vec<String>,
    /// How well the asset complies with these briefs.
    #[serde(deserialize_with = "lenient::option")]
    pub brief_compliance_score: Option<f64>,
    #[serde(deserialize_with = "lenient::option")]
    #[graphql(skip)]
    pub details: Option<serde_json::Value>,
    /// Why the assessment failed, when `status` is `error`.
    #[serde(deserialize_with = "lenient::option")]
    pub error: Option<String>,
    /// All scores combined into one.
    #[serde(deserialize_with = "lenient::option")]
    pub overall_score: Option<f64>,
    /// How strict the quality gate was.
    #[serde(deserialize_with = "lenient::text")]
    pub sensitivity: Option<String>,
    /// The quality gate's verdict.
    #[serde(deserialize_with = "lenient::text")]
    pub verdict: Option<String>,
    #[serde(skip)]
    #[graphql(skip)]
    pub asset_id: Option<AssetId>,
}
