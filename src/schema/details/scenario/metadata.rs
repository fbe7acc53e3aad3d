//! `ScenarioMetadata`: one resolver a field, no clone.

use async_graphql::Object;

use super::{ScenarioConcept, ScenarioLink};
use crate::asset::scenario::metadata::{Metadata, Ring};

pub struct ScenarioMetadata<'a>(pub &'a Metadata);

/// How a Scenario asset was made: prompts, settings and lineage, as Scenario keeps them. Each field
/// is null where Scenario left it out; `Asset.raw` shows everything as sent.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioMetadata<'_> {
    /// Kind of the file, in Scenario's words: `3d`, `audio`, `document`, `image`, `image-hdr`, `json`, `text`, `video`.
    async fn kind(&self) -> Option<&str> {
        self.0.kind.as_deref()
    }

    /// How the asset came to be, such as `inference-txt2img`, `uploaded` or `3d-texture-albedo`. The list grows upstream.
    #[graphql(name = "type")]
    async fn asset_type(&self) -> Option<&str> {
        self.0.asset_type.as_deref()
    }

    /// Angular setting of the texture or vector tool.
    async fn angular(&self) -> Option<f64> {
        self.0.angular
    }

    /// Aspect ratio asked for, such as `16:9`.
    async fn aspect_ratio(&self) -> Option<&str> {
        self.0.aspect_ratio.as_deref()
    }

    /// Opacity of the background; segmentation no longer honours it.
    async fn background_opacity(&self) -> Option<f64> {
        self.0.background_opacity
    }

    /// Model that the generating model was trained on.
    async fn base_model_id(&self) -> Option<&str> {
        self.0.base_model_id.as_deref()
    }

    /// Box that was worked on, in pixels: x1, y1, x2, y2.
    async fn bbox(&self) -> Option<&Vec<f64>> {
        self.0.bbox.as_ref()
    }

    /// Whether the slower, better mode was used.
    async fn better_quality(&self) -> Option<bool> {
        self.0.better_quality
    }

    /// Asset id of the edge image that guided the structure.
    async fn canny_structure_image(&self) -> Option<&str> {
        self.0.canny_structure_image.as_deref()
    }

    /// Vectorisation: whether shapes were clustered.
    async fn clustering(&self) -> Option<bool> {
        self.0.clustering
    }

    /// Whether colours were corrected to those of the input.
    async fn color_correction(&self) -> Option<bool> {
        self.0.color_correction
    }

    /// Vectorisation: colour mode.
    async fn color_mode(&self) -> Option<&str> {
        self.0.color_mode.as_deref()
    }

    /// Vectorisation: number of significant bits a colour channel.
    async fn color_precision(&self) -> Option<f64> {
        self.0.color_precision
    }

    /// Models blended into the generation, with their weights.
    async fn concepts(&self) -> Option<Vec<ScenarioConcept<'_>>> {
        self.0
            .concepts
            .as_ref()
            .map(|all| all.iter().map(ScenarioConcept).collect())
    }

    /// Outlines that segmentation found.
    async fn contours(&self) -> Option<Vec<ScenarioContour<'_>>> {
        let contours = self.0.contours.as_ref()?;
        Some(
            contours
                .iter()
                .map(|rings| ScenarioContour(rings))
                .collect(),
        )
    }

    /// Share of the steps (0 to 1) during which the control image was followed.
    async fn control_end(&self) -> Option<f64> {
        self.0.control_end
    }

    /// When this asset was copied from another project, as an ISO 8601 text.
    async fn copied_at(&self) -> Option<&str> {
        self.0.copied_at.as_deref()
    }

    /// Vectorisation: smallest angle, in degrees, that counts as a corner.
    async fn corner_threshold(&self) -> Option<f64> {
        self.0.corner_threshold
    }

    /// Upscale: how much detail was invented.
    async fn creativity(&self) -> Option<f64> {
        self.0.creativity
    }

    /// Upscale: how fast creativity fell with each pass.
    async fn creativity_decay(&self) -> Option<f64> {
        self.0.creativity_decay
    }

    /// Whether the tool ran with its default settings.
    async fn default_parameters(&self) -> Option<bool> {
        self.0.default_parameters
    }

    /// How closely the depth image was followed.
    async fn depth_fidelity(&self) -> Option<f64> {
        self.0.depth_fidelity
    }

    /// Asset id of the depth image that guided the generation.
    async fn depth_image(&self) -> Option<&str> {
        self.0.depth_image.as_deref()
    }

    /// Upscale: amount of detail, from -50 up.
    async fn details_level(&self) -> Option<f64> {
        self.0.details_level
    }

    /// Segmentation: pixels by which the mask was grown.
    async fn dilate(&self) -> Option<f64> {
        self.0.dilate
    }

    /// Texture tool: strength of its effect.
    async fn factor(&self) -> Option<f64> {
        self.0.factor
    }

    /// Name by which a parent file (OBJ, MTL) refers to this one.
    async fn file_name(&self) -> Option<&str> {
        self.0.file_name.as_deref()
    }

    /// Vectorisation: specks smaller than this many pixels were dropped.
    async fn filter_speckle(&self) -> Option<f64> {
        self.0.filter_speckle
    }

    /// Upscale: how much detail repeats over scales.
    async fn fractality(&self) -> Option<f64> {
        self.0.fractality
    }

    /// Skybox: how strictly the geometry was kept.
    async fn geometry_enforcement(&self) -> Option<f64> {
        self.0.geometry_enforcement
    }

    /// Guidance scale of the generation.
    async fn guidance(&self) -> Option<f64> {
        self.0.guidance
    }

    /// Pixelisation: whether the half-size mode was used.
    async fn half_mode(&self) -> Option<bool> {
        self.0.half_mode
    }

    /// Upscale: strength of the HDR look.
    async fn hdr(&self) -> Option<f64> {
        self.0.hdr
    }

    /// Height in pixels.
    async fn height(&self) -> Option<f64> {
        self.0.height
    }

    /// Canny: upper threshold.
    async fn high_threshold(&self) -> Option<f64> {
        self.0.high_threshold
    }

    /// Reframe: horizontal growth (deprecated upstream).
    async fn horizontal_expansion_ratio(&self) -> Option<f64> {
        self.0.horizontal_expansion_ratio
    }

    /// Asset id of the input image.
    async fn image(&self) -> Option<&str> {
        self.0.image.as_deref()
    }

    /// How closely the input image was followed.
    async fn image_fidelity(&self) -> Option<f64> {
        self.0.image_fidelity
    }

    /// Type of image asked for: `seamfull`, `skybox` or `texture`.
    async fn image_type(&self) -> Option<&str> {
        self.0.image_type.as_deref()
    }

    /// Inference that made the asset (older than jobs).
    async fn inference_id(&self) -> Option<&str> {
        self.0.inference_id.as_deref()
    }

    /// Fidelity to the input: `high` or `low`.
    async fn input_fidelity(&self) -> Option<&str> {
        self.0.input_fidelity.as_deref()
    }

    /// Reframe: where the input was put: `bottom`, `left`, `middle`, `right` or `top`.
    async fn input_location(&self) -> Option<&str> {
        self.0.input_location.as_deref()
    }

    /// Texture tool: whether values were inverted.
    async fn invert(&self) -> Option<bool> {
        self.0.invert
    }

    /// Whether references between OBJ and MTL files were kept as delivered.
    async fn keeps_file_names(&self) -> Option<bool> {
        self.0.keeps_file_names
    }

    /// Detection: lowest confidence of a key point.
    async fn keypoint_threshold(&self) -> Option<f64> {
        self.0.keypoint_threshold
    }

    /// Vectorisation: colour difference between layers.
    async fn layer_difference(&self) -> Option<f64> {
        self.0.layer_difference
    }

    /// Vectorisation: shortest segment kept.
    async fn length_threshold(&self) -> Option<f64> {
        self.0.length_threshold
    }

    /// When the canvas lock ends, as an ISO 8601 text.
    async fn lock_expires_at(&self) -> Option<&str> {
        self.0.lock_expires_at.as_deref()
    }

    /// Canny: lower threshold.
    async fn low_threshold(&self) -> Option<f64> {
        self.0.low_threshold
    }

    /// Asset id of the mask.
    async fn mask(&self) -> Option<&str> {
        self.0.mask.as_deref()
    }

    /// Vectorisation: largest number of passes.
    async fn max_iterations(&self) -> Option<f64> {
        self.0.max_iterations
    }

    /// Texture tool: upper threshold.
    async fn max_threshold(&self) -> Option<f64> {
        self.0.max_threshold
    }

    /// Texture tool: lower threshold.
    async fn min_threshold(&self) -> Option<f64> {
        self.0.min_threshold
    }

    /// Control image's kind, such as `canny`, `depth`, `pose` or `sketch`.
    async fn modality(&self) -> Option<&str> {
        self.0.modality.as_deref()
    }

    /// Tool-specific mode.
    async fn mode(&self) -> Option<&str> {
        self.0.mode.as_deref()
    }

    /// Model that generated the asset.
    async fn model_id(&self) -> Option<&str> {
        self.0.model_id.as_deref()
    }

    /// Family of that model, such as `flux.1-lora`. The list grows and shrinks upstream.
    async fn model_type(&self) -> Option<&str> {
        self.0.model_type.as_deref()
    }

    /// The asset's name, as Scenario holds it.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Segmentation: number of masks.
    async fn nb_masks(&self) -> Option<f64> {
        self.0.nb_masks
    }

    /// What the generation was told to avoid.
    async fn negative_prompt(&self) -> Option<&str> {
        self.0.negative_prompt.as_deref()
    }

    /// Weight of the negative prompt.
    async fn negative_prompt_strength(&self) -> Option<f64> {
        self.0.negative_prompt_strength
    }

    /// Number of inference steps.
    async fn num_inference_steps(&self) -> Option<f64> {
        self.0.num_inference_steps
    }

    /// How many outputs the job was asked for.
    async fn num_outputs(&self) -> Option<f64> {
        self.0.num_outputs
    }

    /// Asset this one was copied or transformed from.
    async fn original_asset_id(&self) -> Option<&str> {
        self.0.original_asset_id.as_deref()
    }

    /// Place among its job's outputs, from 0.
    async fn output_index(&self) -> Option<f64> {
        self.0.output_index
    }

    /// Upscale: overlap of the tiles.
    async fn overlap_percentage(&self) -> Option<f64> {
        self.0.overlap_percentage
    }

    /// Whether the model's embeddings were overridden.
    async fn override_embeddings(&self) -> Option<bool> {
        self.0.override_embeddings
    }

    /// Asset this one was derived from.
    async fn parent_id(&self) -> Option<&str> {
        self.0.parent_id.as_deref()
    }

    /// Job that made the asset.
    async fn parent_job_id(&self) -> Option<&str> {
        self.0.parent_job_id.as_deref()
    }

    /// Vectorisation: decimals in path coordinates.
    async fn path_precision(&self) -> Option<f64> {
        self.0.path_precision
    }

    /// Segmentation: points given, each as label, x, y.
    async fn points(&self) -> Option<&Vec<Vec<f64>>> {
        self.0.points.as_ref()
    }

    /// Texture tool: polish.
    async fn polished(&self) -> Option<f64> {
        self.0.polished
    }

    /// Named preset of the tool.
    async fn preset(&self) -> Option<&str> {
        self.0.preset.as_deref()
    }

    /// Progress in percent while the asset is still processed.
    async fn progress_percent(&self) -> Option<f64> {
        self.0.progress_percent
    }

    /// Prompt of the generation.
    async fn prompt(&self) -> Option<&str> {
        self.0.prompt.as_deref()
    }

    /// How closely the prompt was followed.
    async fn prompt_fidelity(&self) -> Option<f64> {
        self.0.prompt_fidelity
    }

    /// Texture tool: relief.
    async fn raised(&self) -> Option<f64> {
        self.0.raised
    }

    /// Asset ids of reference images.
    async fn reference_images(&self) -> Option<&Vec<String>> {
        self.0.reference_images.as_ref()
    }

    /// Number of refinement steps.
    async fn refinement_steps(&self) -> Option<f64> {
        self.0.refinement_steps
    }

    /// Whether the background was removed.
    async fn remove_background(&self) -> Option<bool> {
        self.0.remove_background
    }

    /// Upscale: resize factor.
    async fn resize_option(&self) -> Option<f64> {
        self.0.resize_option
    }

    /// Segmentation: whether contours were asked for.
    async fn result_contours(&self) -> Option<bool> {
        self.0.result_contours
    }

    /// Segmentation: whether the cut-out was asked for (exclusive with `resultMask`).
    async fn result_image(&self) -> Option<bool> {
        self.0.result_image
    }

    /// Segmentation: whether the mask was asked for (exclusive with `resultImage`).
    async fn result_mask(&self) -> Option<bool> {
        self.0.result_mask
    }

    /// First asset of the chain this one was derived through.
    async fn root_parent_id(&self) -> Option<&str> {
        self.0.root_parent_id.as_deref()
    }

    /// Whether a flipbook was saved.
    async fn save_flipbook(&self) -> Option<bool> {
        self.0.save_flipbook
    }

    /// Upscale factor.
    async fn scaling_factor(&self) -> Option<f64> {
        self.0.scaling_factor
    }

    /// Scheduler of the generation.
    async fn scheduler(&self) -> Option<&str> {
        self.0.scheduler.as_deref()
    }

    /// Seed of the generation, as text: it may pass 2^53.
    async fn seed(&self) -> Option<&str> {
        self.0.seed.as_deref()
    }

    /// Whether the result was sharpened.
    async fn sharpen(&self) -> Option<bool> {
        self.0.sharpen
    }

    /// Texture tool: shininess.
    async fn shiny(&self) -> Option<f64> {
        self.0.shiny
    }

    /// Size in bytes.
    async fn size(&self) -> Option<f64> {
        self.0.size
    }

    /// Whether the input was a sketch.
    async fn sketch(&self) -> Option<bool> {
        self.0.sketch
    }

    /// Project this asset was copied from.
    async fn source_project_id(&self) -> Option<&str> {
        self.0.source_project_id.as_deref()
    }

    /// Vectorisation: smallest angle, in degrees, at which splines are cut.
    async fn splice_threshold(&self) -> Option<f64> {
        self.0.splice_threshold
    }

    /// How far the generation may leave the input.
    async fn strength(&self) -> Option<f64> {
        self.0.strength
    }

    /// How closely the structure image was followed.
    async fn structure_fidelity(&self) -> Option<f64> {
        self.0.structure_fidelity
    }

    /// Asset id of the structure image.
    async fn structure_image(&self) -> Option<&str> {
        self.0.structure_image.as_deref()
    }

    /// Named style, such as `anime` or `photography`.
    async fn style(&self) -> Option<&str> {
        self.0.style.as_deref()
    }

    /// How closely the style images were followed.
    async fn style_fidelity(&self) -> Option<f64> {
        self.0.style_fidelity
    }

    /// Asset ids of style images.
    async fn style_images(&self) -> Option<&Vec<String>> {
        self.0.style_images.as_ref()
    }

    /// How closely all style images together were followed.
    async fn style_images_fidelity(&self) -> Option<f64> {
        self.0.style_images_fidelity
    }

    /// Height asked for, in pixels.
    async fn target_height(&self) -> Option<f64> {
        self.0.target_height
    }

    /// Width asked for, in pixels.
    async fn target_width(&self) -> Option<f64> {
        self.0.target_width
    }

    /// Text of the asset or of the speech asked for.
    async fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// Asset id of the texture.
    async fn texture(&self) -> Option<&str> {
        self.0.texture.as_deref()
    }

    /// Thumbnail of a canvas.
    async fn thumbnail(&self) -> Option<ScenarioLink<'_>> {
        self.0.thumbnail.as_ref().map(ScenarioLink)
    }

    /// Whether the result tiles.
    async fn tile_style(&self) -> Option<bool> {
        self.0.tile_style
    }

    /// Whether this is a training image of a model.
    async fn training_image(&self) -> Option<bool> {
        self.0.training_image
    }

    /// Reframe: vertical growth (deprecated upstream).
    async fn vertical_expansion_ratio(&self) -> Option<f64> {
        self.0.vertical_expansion_ratio
    }

    /// Width in pixels.
    async fn width(&self) -> Option<f64> {
        self.0.width
    }
}

pub struct ScenarioContour<'a>(&'a [Ring]);

/// An outline that segmentation found.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioContour<'_> {
    /// Its closed lines, as Scenario sends them.
    async fn rings(&self) -> Vec<ScenarioContourRing<'_>> {
        self.0.iter().map(ScenarioContourRing).collect()
    }
}

pub struct ScenarioContourRing<'a>(&'a Ring);

/// A closed line of an outline.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioContourRing<'_> {
    /// Its points, each the coordinates x and y in pixels.
    async fn points(&self) -> &Ring {
        self.0
    }
}
