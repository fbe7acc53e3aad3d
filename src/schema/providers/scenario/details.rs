//! `ScenarioDetails`: everything of scenario.md 6.2 to 6.4, typed.

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

/// Fields that only Scenario has, as Scenario names them. Its enumerations grow, so they are strings
/// here.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioDetails {
    /// Prompts, settings and lineage: how it was made.
    async fn metadata(&self) -> &Metadata {
        &self.details.metadata
    }

    /// What was measured on its file.
    async fn properties(&self) -> &Properties {
        &self.details.properties
    }

    /// The user who made it.
    async fn author_id(&self) -> Option<&str> {
        self.details.author_id.as_deref()
    }

    /// The project it belongs to (on old data a team).
    async fn owner_id(&self) -> Option<&str> {
        self.details.owner_id.as_deref()
    }

    /// Collections it is in.
    async fn collection_ids(&self) -> &[String] {
        &self.details.collection_ids
    }

    /// What Scenario's tools can do with it, such as `UPSCALE` or `REMOVE_BACKGROUND`.
    async fn edit_capabilities(&self) -> &[String] {
        &self.details.edit_capabilities
    }

    /// `3d`, `audio`, `document`, `image`, `image-hdr`, `json`, `text` or `video`.
    async fn kind(&self) -> Option<&str> {
        self.details.kind.as_deref()
    }

    /// `private`, `public` or `unlisted`.
    async fn privacy(&self) -> Option<&str> {
        self.details.privacy.as_deref()
    }

    /// How it came to be, in another spelling than `metadata.type`, such as `3d:texture:albedo`.
    async fn source(&self) -> Option<&str> {
        self.details.source.as_deref()
    }

    /// `success`, `pending` or `error`.
    async fn status(&self) -> Option<&str> {
        self.details.status.as_deref()
    }

    /// A machine's caption.
    async fn automatic_captioning(&self) -> Option<&str> {
        self.details.automatic_captioning.as_deref()
    }

    /// A person's description; `Asset.note` is the same.
    async fn description(&self) -> Option<&str> {
        self.details.description.as_deref()
    }

    /// Its embedding. Costs one call for each asset, made only when this is selected.
    async fn embedding(&self, context: &Context<'_>) -> Option<async_graphql::Result<Vec<f64>>> {
        if let Some(embedding) = &self.details.embedding {
            return Some(Ok(embedding.clone()));
        }
        let full = self.full(context).await.transpose()?;
        full.map(|details| details.embedding.clone()).transpose()
    }

    /// First frame of a video.
    async fn first_frame(&self) -> Option<&Link> {
        self.details.first_frame.as_ref()
    }

    /// Last frame of a video.
    async fn last_frame(&self) -> Option<&Link> {
        self.details.last_frame.as_ref()
    }

    /// The asset that shows it; `Asset.preview` resolves it.
    async fn preview(&self) -> Option<&Link> {
        self.details.preview.as_ref()
    }

    /// Its thumbnail; `Asset.thumbnailUrl` has the address alone.
    async fn thumbnail(&self) -> Option<&Link> {
        self.details.thumbnail.as_ref()
    }

    /// Whether it is hidden in Scenario's own interface.
    async fn is_hidden(&self) -> Option<bool> {
        self.details.is_hidden
    }

    /// Labels of what may offend; empty when nothing was found.
    async fn nsfw(&self) -> &[String] {
        &self.details.nsfw
    }

    /// The file as it was uploaded, where Scenario re-encoded it.
    async fn original_file_url(&self) -> Option<Url> {
        self.details.original_file_url.clone().map(Url)
    }

    /// Its place among the outputs of its job.
    async fn output_index(&self) -> Option<f64> {
        self.details.output_index
    }

    /// When it was deleted, on lists of deleted assets.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.details.deleted_at.map(DateTime::at)
    }

    /// Media type of the file as it was uploaded.
    async fn original_mime_type(&self) -> Option<&str> {
        self.details.original_mime_type.as_deref()
    }

    /// Scenario's judgement of its quality.
    async fn quality_gate(&self) -> Option<ScenarioQualityGate<'_>> {
        self.details
            .quality_gate
            .as_ref()
            .map(|gate| ScenarioQualityGate { gate, of: self })
    }
}

impl ScenarioDetails {
    /// The details with what costs a read of its own.
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
    /// Its file; signed, so it ends.
    #[graphql(name = "url")]
    async fn signed_url(&self) -> Option<Url> {
        self.url.clone().map(Url)
    }
}

pub struct ScenarioQualityGate<'a> {
    gate: &'a QualityGate,
    of: &'a ScenarioDetails,
}

/// Scenario's judgement of an asset's quality.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioQualityGate<'_> {
    /// When it was computed, as an ISO 8601 text.
    async fn computed_at(&self) -> Option<&str> {
        self.gate.computed_at.as_deref()
    }

    /// `scored` or `error`.
    async fn status(&self) -> Option<&str> {
        self.gate.status.as_deref()
    }

    /// Version of the judge.
    async fn version(&self) -> Option<&str> {
        self.gate.version.as_deref()
    }

    /// Quality as a model sees it.
    async fn ai_quality_score(&self) -> Option<f64> {
        self.gate.ai_quality_score
    }

    /// Briefs it was held against.
    async fn applied_brief_ids(&self) -> &[String] {
        &self.gate.applied_brief_ids
    }

    /// How well it keeps them.
    async fn brief_compliance_score(&self) -> Option<f64> {
        self.gate.brief_compliance_score
    }

    /// The judgement in full. Costs one call for each asset, made only when this is selected.
    async fn details(&self, context: &Context<'_>) -> Option<async_graphql::Result<Json>> {
        if let Some(details) = &self.gate.details {
            return Some(Ok(Json(details.clone())));
        }
        let full = self.of.full(context).await.transpose()?;
        full.map(|all| all.quality_gate.as_ref()?.details.clone().map(Json))
            .transpose()
    }

    /// Why it failed, with status `error`.
    async fn error(&self) -> Option<&str> {
        self.gate.error.as_deref()
    }

    /// All scores in one.
    async fn overall_score(&self) -> Option<f64> {
        self.gate.overall_score
    }

    /// How strict the judge was.
    async fn sensitivity(&self) -> Option<&str> {
        self.gate.sensitivity.as_deref()
    }

    /// The verdict.
    async fn verdict(&self) -> Option<&str> {
        self.gate.verdict.as_deref()
    }
}
