//! `ScenarioDetails`: every field of scenario.md 6.2 to 6.4, typed.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Object};

use crate::{
    asset::{
        AssetId, Details,
        scenario::{self, QualityGate, link::Link, metadata::Metadata, properties::Properties},
    },
    schema::{
        loading::load_variant,
        scalars::{DateTime, Json, Url},
    },
    source::DetailLevel,
};

pub struct ScenarioDetails {
    pub id: AssetId,
    pub details: Arc<scenario::Details>,
}

/// Scenario's own fields, under Scenario's names. A field that was not sent is null. Scenario
/// extends its enumerations, so they are strings here.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioDetails {
    /// How the asset was made: prompts, settings and lineage.
    async fn metadata(&self) -> &Metadata {
        &self.details.metadata
    }

    /// Properties of the file that Scenario measured.
    async fn properties(&self) -> &Properties {
        &self.details.properties
    }

    /// Id of the user who created the asset.
    async fn author_id(&self) -> Option<&str> {
        self.details.author_id.as_deref()
    }

    /// Id of the project that owns the asset (a team in old data).
    async fn owner_id(&self) -> Option<&str> {
        self.details.owner_id.as_deref()
    }

    /// Ids of the collections that contain the asset; empty when there are none.
    async fn collection_ids(&self) -> &[String] {
        &self.details.collection_ids
    }

    /// Scenario's tools that work on the asset, such as `UPSCALE` or `REMOVE_BACKGROUND`.
    async fn edit_capabilities(&self) -> &[String] {
        &self.details.edit_capabilities
    }

    /// Scenario's kind: `3d`, `audio`, `document`, `image`, `image-hdr`, `json`, `text` or `video`.
    async fn kind(&self) -> Option<&str> {
        self.details.kind.as_deref()
    }

    /// Scenario's privacy: `private`, `public` or `unlisted`.
    async fn privacy(&self) -> Option<&str> {
        self.details.privacy.as_deref()
    }

    /// How the asset was made, spelled unlike `metadata.type`, such as `3d:texture:albedo`.
    async fn source(&self) -> Option<&str> {
        self.details.source.as_deref()
    }

    /// Scenario's status: `success`, `pending` or `error`.
    async fn status(&self) -> Option<&str> {
        self.details.status.as_deref()
    }

    /// A generated caption.
    async fn automatic_captioning(&self) -> Option<&str> {
        self.details.automatic_captioning.as_deref()
    }

    /// A description that a person wrote. `Asset.note` has the same text.
    async fn description(&self) -> Option<&str> {
        self.details.description.as_deref()
    }

    /// The asset's embedding vector. Selecting it costs one upstream call for each asset.
    async fn embedding(&self, context: &Context<'_>) -> Option<async_graphql::Result<Vec<f64>>> {
        if let Some(embedding) = &self.details.embedding {
            return Some(Ok(embedding.clone()));
        }
        let full = self.full(context).await.transpose()?;
        full.map(|details| details.embedding.clone()).transpose()
    }

    /// The first frame of a video.
    async fn first_frame(&self) -> Option<&Link> {
        self.details.first_frame.as_ref()
    }

    /// The last frame of a video.
    async fn last_frame(&self) -> Option<&Link> {
        self.details.last_frame.as_ref()
    }

    /// The asset that serves as the preview. `Asset.preview` resolves it.
    async fn preview(&self) -> Option<&Link> {
        self.details.preview.as_ref()
    }

    /// The thumbnail. `Asset.thumbnailUrl` has only a URL.
    async fn thumbnail(&self) -> Option<&Link> {
        self.details.thumbnail.as_ref()
    }

    /// Whether Scenario's own interface hides the asset.
    async fn is_hidden(&self) -> Option<bool> {
        self.details.is_hidden
    }

    /// Labels of possibly offensive content; empty when none was found.
    async fn nsfw(&self) -> &[String] {
        &self.details.nsfw
    }

    /// URL of the file as uploaded; null unless Scenario re-encoded it.
    async fn original_file_url(&self) -> Option<Url> {
        self.details.original_file_url.clone().map(Url)
    }

    /// The asset's index among the outputs of its job.
    async fn output_index(&self) -> Option<f64> {
        self.details.output_index
    }

    /// When the asset was deleted. Sent only in lists of deleted assets.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.details.deleted_at.map(DateTime::at)
    }

    /// Media type of the file as it was uploaded.
    async fn original_mime_type(&self) -> Option<&str> {
        self.details.original_mime_type.as_deref()
    }

    /// Scenario's assessment of the asset's quality.
    async fn quality_gate(&self) -> Option<ScenarioQualityGate<'_>> {
        self.details
            .quality_gate
            .as_ref()
            .map(|gate| ScenarioQualityGate { gate, of: self })
    }
}

impl ScenarioDetails {
    /// Reads the details with the fields that cost an extra call.
    async fn full(
        &self,
        context: &Context<'_>,
    ) -> async_graphql::Result<Option<Arc<scenario::Details>>> {
        let asset = load_variant(context, self.id.clone(), DetailLevel::Full).await?;
        Ok(asset.and_then(|asset| match &asset.details {
            Details::Scenario(details) => Some(Arc::clone(details)),
            Details::Piktid(_) | Details::Comfy(_) => None,
        }))
    }
}

#[ComplexObject]
impl Link {
    /// URL of the asset's file. It is signed and expires.
    #[graphql(name = "url")]
    async fn signed_url(&self) -> Option<Url> {
        self.url.clone().map(Url)
    }
}

pub struct ScenarioQualityGate<'a> {
    gate: &'a QualityGate,
    of: &'a ScenarioDetails,
}

/// Scenario's assessment of an asset's quality.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioQualityGate<'_> {
    /// When the assessment was computed, as an ISO 8601 text.
    async fn computed_at(&self) -> Option<&str> {
        self.gate.computed_at.as_deref()
    }

    /// Status of the assessment: `scored` or `error`.
    async fn status(&self) -> Option<&str> {
        self.gate.status.as_deref()
    }

    /// Version of the quality gate.
    async fn version(&self) -> Option<&str> {
        self.gate.version.as_deref()
    }

    /// Quality score by an AI model.
    async fn ai_quality_score(&self) -> Option<f64> {
        self.gate.ai_quality_score
    }

    /// Ids of the briefs that the asset was checked against; empty when there are none.
    async fn applied_brief_ids(&self) -> &[String] {
        &self.gate.applied_brief_ids
    }

    /// How well the asset complies with these briefs.
    async fn brief_compliance_score(&self) -> Option<f64> {
        self.gate.brief_compliance_score
    }

    /// The full assessment. Selecting it costs one upstream call for each asset.
    async fn details(&self, context: &Context<'_>) -> Option<async_graphql::Result<Json>> {
        if let Some(details) = &self.gate.details {
            return Some(Ok(Json(details.clone())));
        }
        let full = self.of.full(context).await.transpose()?;
        full.map(|full_details| {
            full_details
                .quality_gate
                .as_ref()?
                .details
                .clone()
                .map(Json)
        })
        .transpose()
    }

    /// Why the assessment failed, when `status` is `error`.
    async fn error(&self) -> Option<&str> {
        self.gate.error.as_deref()
    }

    /// All scores combined into one.
    async fn overall_score(&self) -> Option<f64> {
        self.gate.overall_score
    }

    /// How strict the quality gate was.
    async fn sensitivity(&self) -> Option<&str> {
        self.gate.sensitivity.as_deref()
    }

    /// The quality gate's verdict.
    async fn verdict(&self) -> Option<&str> {
        self.gate.verdict.as_deref()
    }
}
