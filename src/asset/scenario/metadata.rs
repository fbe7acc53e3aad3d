//! `metadata` of a Scenario asset: how it was made. Flat, as Scenario sends it
//! (docs/providers/scenario.md 6.3).

use async_graphql::SimpleObject;
use serde::Deserialize;

use super::link::Link;
use crate::asset::lenient;

/// How a Scenario asset was made: prompts, settings and lineage, as Scenario keeps them. Each field
/// is null where Scenario left it out; `Asset.raw` shows everything as sent.
/// Its lists are as long as Scenario sends them.
// All 111 fields of the contract; each `None` where Scenario left it out or sent another type.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
#[graphql(name = "ScenarioMetadata")]
pub struct Metadata {
    /// Kind of the file, in Scenario's words: `3d`, `audio`, `document`, `image`, `image-hdr`, `json`, `text`, `video`.
    #[serde(deserialize_with = "lenient::option")]
    pub kind: Option<String>,
    /// How the asset came to be, such as `inference-txt2img`, `uploaded` or `3d-texture-albedo`. The list grows upstream.
    #[serde(rename = "type", deserialize_with = "lenient::option")]
    #[graphql(name = "type")]
    pub asset_type: Option<String>,
    /// Angular setting of the texture or vector tool.
    #[serde(deserialize_with = "lenient::option")]
    pub angular: Option<f64>,
    /// Requested aspect ratio, such as `16:9`.
    #[serde(deserialize_with = "lenient::option")]
    pub aspect_ratio: Option<String>,
    /// Opacity of the background; segmentation no longer honours it.
    #[serde(deserialize_with = "lenient::option")]
    pub background_opacity: Option<f64>,
    /// Model that the generating model was trained on.
    #[serde(deserialize_with = "lenient::option")]
    pub base_model_id: Option<String>,
    /// Bounding box of the processed region, in pixels: x1, y1, x2, y2.
    #[serde(deserialize_with = "lenient::option")]
    pub bbox: Option<Vec<f64>>,
    /// Whether the slower, better mode was used.
    #[serde(deserialize_with = "lenient::option")]
    pub better_quality: Option<bool>,
    /// Asset id of the edge image that guided the structure.
    #[serde(deserialize_with = "lenient::option")]
    pub canny_structure_image: Option<String>,
    /// Vectorisation: whether shapes were clustered.
    #[serde(deserialize_with = "lenient::option")]
    pub clustering: Option<bool>,
    /// Whether colours were corrected to those of the input.
    #[serde(deserialize_with = "lenient::option")]
    pub color_correction: Option<bool>,
    /// Vectorisation: colour mode.
    #[serde(deserialize_with = "lenient::option")]
    pub color_mode: Option<String>,
    /// Vectorisation: number of significant bits per colour channel.
    #[serde(deserialize_with = "lenient::option")]
    pub color_precision: Option<f64>,
    /// Models blended into the generation, with their weights.
    #[serde(deserialize_with = "lenient::option")]
    pub concepts: Option<Vec<Concept>>,
    /// Outlines that segmentation found.
    #[serde(deserialize_with = "lenient::option")]
    pub contours: Option<Vec<Contour>>,
    /// Share of the steps (0 to 1) during which the control image was followed.
    #[serde(deserialize_with = "lenient::option")]
    pub control_end: Option<f64>,
    /// When this asset was copied from another project, as an ISO 8601 text.
    #[serde(deserialize_with = "lenient::option")]
    pub copied_at: Option<String>,
    /// Vectorisation: smallest angle, in degrees, that counts as a corner.
    #[serde(deserialize_with = "lenient::option")]
    pub corner_threshold: Option<f64>,
    /// Upscale: how much detail was invented.
    #[serde(deserialize_with = "lenient::option")]
    pub creativity: Option<f64>,
    /// Upscale: how fast creativity fell with each pass.
    #[serde(deserialize_with = "lenient::option")]
    pub creativity_decay: Option<f64>,
    /// Whether the tool ran with its default settings.
    #[serde(deserialize_with = "lenient::option")]
    pub default_parameters: Option<bool>,
    /// How closely the depth image was followed.
    #[serde(deserialize_with = "lenient::option")]
    pub depth_fidelity: Option<f64>,
    /// Asset id of the depth image that guided the generation.
    #[serde(deserialize_with = "lenient::option")]
    pub depth_image: Option<String>,
    /// Upscale: amount of detail, from -50 up.
    #[serde(deserialize_with = "lenient::option")]
    pub details_level: Option<f64>,
    /// Segmentation: pixels by which the mask was grown.
    #[serde(deserialize_with = "lenient::option")]
    pub dilate: Option<f64>,
    /// Texture tool: strength of its effect.
    #[serde(deserialize_with = "lenient::option")]
    pub factor: Option<f64>,
    /// Name by which a parent file (OBJ, MTL) refers to this one.
    #[serde(deserialize_with = "lenient::option")]
    pub file_name: Option<String>,
    /// Vectorisation: specks smaller than this many pixels were dropped.
    #[serde(deserialize_with = "lenient::option")]
    pub filter_speckle: Option<f64>,
    /// Upscale: how much detail repeats across scales.
    #[serde(deserialize_with = "lenient::option")]
    pub fractality: Option<f64>,
    /// Skybox: how strictly the geometry was kept.
    #[serde(deserialize_with = "lenient::option")]
    pub geometry_enforcement: Option<f64>,
    /// Guidance scale of the generation.
    #[serde(deserialize_with = "lenient::option")]
    pub guidance: Option<f64>,
    /// Pixelisation: whether the half-size mode was used.
    #[serde(deserialize_with = "lenient::option")]
    pub half_mode: Option<bool>,
    /// Upscale: strength of the HDR look.
    #[serde(deserialize_with = "lenient::option")]
    pub hdr: Option<f64>,
    /// Height in pixels.
    #[serde(deserialize_with = "lenient::option")]
    pub height: Option<f64>,
    /// Canny: upper threshold.
    #[serde(deserialize_with = "lenient::option")]
    pub high_threshold: Option<f64>,
    /// Reframe: horizontal growth (deprecated upstream).
    #[serde(deserialize_with = "lenient::option")]
    pub horizontal_expansion_ratio: Option<f64>,
    /// Asset id of the input image.
    #[serde(deserialize_with = "lenient::option")]
    pub image: Option<String>,
    /// How closely the input image was followed.
    #[serde(deserialize_with = "lenient::option")]
    pub image_fidelity: Option<f64>,
    /// Requested type of image: `seamfull`, `skybox` or `texture`.
    #[serde(deserialize_with = "lenient::option")]
    pub image_type: Option<String>,
    /// Inference that made the asset (predates jobs).
    #[serde(deserialize_with = "lenient::option")]
    pub inference_id: Option<String>,
    /// Fidelity to the input: `high` or `low`.
    #[serde(deserialize_with = "lenient::option")]
    pub input_fidelity: Option<String>,
    /// Reframe: position of the input: `bottom`, `left`, `middle`, `right` or `top`.
    #[serde(deserialize_with = "lenient::option")]
    pub input_location: Option<String>,
    /// Texture tool: whether values were inverted.
    #[serde(deserialize_with = "lenient::option")]
    pub invert: Option<bool>,
    /// Whether references between OBJ and MTL files were kept as delivered.
    #[serde(deserialize_with = "lenient::option")]
    pub keeps_file_names: Option<bool>,
    /// Detection: lowest confidence of a key point.
    #[serde(deserialize_with = "lenient::option")]
    pub keypoint_threshold: Option<f64>,
    /// Vectorisation: colour difference between layers.
    #[serde(deserialize_with = "lenient::option")]
    pub layer_difference: Option<f64>,
    /// Vectorisation: shortest segment kept.
    #[serde(deserialize_with = "lenient::option")]
    pub length_threshold: Option<f64>,
    /// When the canvas lock ends, as an ISO 8601 text.
    #[serde(deserialize_with = "lenient::option")]
    pub lock_expires_at: Option<String>,
    /// Canny: lower threshold.
    #[serde(deserialize_with = "lenient::option")]
    pub low_threshold: Option<f64>,
    /// Asset id of the mask.
    #[serde(deserialize_with = "lenient::option")]
    pub mask: Option<String>,
    /// Vectorisation: largest number of passes.
    #[serde(deserialize_with = "lenient::option")]
    pub max_iterations: Option<f64>,
    /// Texture tool: upper threshold.
    #[serde(deserialize_with = "lenient::option")]
    pub max_threshold: Option<f64>,
    /// Texture tool: lower threshold.
    #[serde(deserialize_with = "lenient::option")]
    pub min_threshold: Option<f64>,
    /// Control image's kind, such as `canny`, `depth`, `pose` or `sketch`.
    #[serde(deserialize_with = "lenient::option")]
    pub modality: Option<String>,
    /// Tool-specific mode.
    #[serde(deserialize_with = "lenient::option")]
    pub mode: Option<String>,
    /// Model that generated the asset.
    #[serde(deserialize_with = "lenient::option")]
    pub model_id: Option<String>,
    /// Family of that model, such as `flux.1-lora`. The list grows and shrinks upstream.
    #[serde(deserialize_with = "lenient::option")]
    pub model_type: Option<String>,
    /// The asset's name, as Scenario holds it.
    #[serde(deserialize_with = "lenient::option")]
    pub name: Option<String>,
    /// Segmentation: number of masks.
    #[serde(deserialize_with = "lenient::option")]
    pub nb_masks: Option<f64>,
    /// Content that the generation should avoid.
    #[serde(deserialize_with = "lenient::option")]
    pub negative_prompt: Option<String>,
    /// Weight of the negative prompt.
    #[serde(deserialize_with = "lenient::option")]
    pub negative_prompt_strength: Option<f64>,
    /// Number of inference steps.
    #[serde(deserialize_with = "lenient::option")]
    pub num_inference_steps: Option<f64>,
    /// Number of outputs requested from the job.
    #[serde(deserialize_with = "lenient::option")]
    pub num_outputs: Option<f64>,
    /// Asset this one was copied or transformed from.
    #[serde(deserialize_with = "lenient::option")]
    pub original_asset_id: Option<String>,
    /// Index among the outputs of its job, from 0.
    #[serde(deserialize_with = "lenient::option")]
    pub output_index: Option<f64>,
    /// Upscale: overlap of the tiles.
    #[serde(deserialize_with = "lenient::option")]
    pub overlap_percentage: Option<f64>,
    /// Whether the model's embeddings were overridden.
    #[serde(deserialize_with = "lenient::option")]
    pub override_embeddings: Option<bool>,
    /// Asset this one was derived from.
    #[serde(deserialize_with = "lenient::option")]
    pub parent_id: Option<String>,
    /// Job that made the asset.
    #[serde(deserialize_with = "lenient::option")]
    pub parent_job_id: Option<String>,
    /// Vectorisation: decimals in path coordinates.
    #[serde(deserialize_with = "lenient::option")]
    pub path_precision: Option<f64>,
    /// Segmentation: points given, each as label, x, y.
    #[serde(deserialize_with = "lenient::option")]
    pub points: Option<Vec<Vec<f64>>>,
    /// Texture tool: polish.
    #[serde(deserialize_with = "lenient::option")]
    pub polished: Option<f64>,
    /// Named preset of the tool.
    #[serde(deserialize_with = "lenient::option")]
    pub preset: Option<String>,
    /// Progress in percent while the asset is still processed.
    #[serde(deserialize_with = "lenient::option")]
    pub progress_percent: Option<f64>,
    /// Prompt of the generation.
    #[serde(deserialize_with = "lenient::option")]
    pub prompt: Option<String>,
    /// How closely the prompt was followed.
    #[serde(deserialize_with = "lenient::option")]
    pub prompt_fidelity: Option<f64>,
    /// Texture tool: relief.
    #[serde(deserialize_with = "lenient::option")]
    pub raised: Option<f64>,
    /// Asset ids of reference images.
    #[serde(deserialize_with = "lenient::option")]
    pub reference_images: Option<Vec<String>>,
    /// Number of refinement steps.
    #[serde(deserialize_with = "lenient::option")]
    pub refinement_steps: Option<f64>,
    /// Whether the background was removed.
    #[serde(deserialize_with = "lenient::option")]
    pub remove_background: Option<bool>,
    /// Upscale: resize factor.
    #[serde(deserialize_with = "lenient::option")]
    pub resize_option: Option<f64>,
    /// Segmentation: whether contours were requested.
    #[serde(deserialize_with = "lenient::option")]
    pub result_contours: Option<bool>,
    /// Segmentation: whether the cut-out was requested (exclusive with `resultMask`).
    #[serde(deserialize_with = "lenient::option")]
    pub result_image: Option<bool>,
    /// Segmentation: whether the mask was requested (exclusive with `resultImage`).
    #[serde(deserialize_with = "lenient::option")]
    pub result_mask: Option<bool>,
    /// First asset of this asset's derivation chain.
    #[serde(deserialize_with = "lenient::option")]
    pub root_parent_id: Option<String>,
    /// Whether a flipbook was saved.
    #[serde(deserialize_with = "lenient::option")]
    pub save_flipbook: Option<bool>,
    /// Upscale factor.
    #[serde(deserialize_with = "lenient::option")]
    pub scaling_factor: Option<f64>,
    /// Scheduler of the generation.
    #[serde(deserialize_with = "lenient::option")]
    pub scheduler: Option<String>,
    /// Seed of the generation, as text: it may exceed 2^53.
    #[serde(deserialize_with = "lenient::text")]
    pub seed: Option<String>,
    /// Whether the result was sharpened.
    #[serde(deserialize_with = "lenient::option")]
    pub sharpen: Option<bool>,
    /// Texture tool: shininess.
    #[serde(deserialize_with = "lenient::option")]
    pub shiny: Option<f64>,
    /// Size in bytes.
    #[serde(deserialize_with = "lenient::option")]
    pub size: Option<f64>,
    /// Whether the input was a sketch.
    #[serde(deserialize_with = "lenient::option")]
    pub sketch: Option<bool>,
    /// Project this asset was copied from.
    #[serde(deserialize_with = "lenient::option")]
    pub source_project_id: Option<String>,
    /// Vectorisation: smallest angle, in degrees, at which splines are cut.
    #[serde(deserialize_with = "lenient::option")]
    pub splice_threshold: Option<f64>,
    /// How far the generation may deviate from the input.
    #[serde(deserialize_with = "lenient::option")]
    pub strength: Option<f64>,
    /// How closely the structure image was followed.
    #[serde(deserialize_with = "lenient::option")]
    pub structure_fidelity: Option<f64>,
    /// Asset id of the structure image.
    #[serde(deserialize_with = "lenient::option")]
    pub structure_image: Option<String>,
    /// Named style, such as `anime` or `photography`.
    #[serde(deserialize_with = "lenient::option")]
    pub style: Option<String>,
    /// How closely the style images were followed.
    #[serde(deserialize_with = "lenient::option")]
    pub style_fidelity: Option<f64>,
    /// Asset ids of style images.
    #[serde(deserialize_with = "lenient::option")]
    pub style_images: Option<Vec<String>>,
    /// How closely all style images together were followed.
    #[serde(deserialize_with = "lenient::option")]
    pub style_images_fidelity: Option<f64>,
    /// Requested height, in pixels.
    #[serde(deserialize_with = "lenient::option")]
    pub target_height: Option<f64>,
    /// Requested width, in pixels.
    #[serde(deserialize_with = "lenient::option")]
    pub target_width: Option<f64>,
    /// Text of the asset or of the requested speech.
    #[serde(deserialize_with = "lenient::option")]
    pub text: Option<String>,
    /// Asset id of the texture.
    #[serde(deserialize_with = "lenient::option")]
    pub texture: Option<String>,
    /// Thumbnail of a canvas.
    #[serde(deserialize_with = "lenient::option")]
    pub thumbnail: Option<Link>,
    /// Whether the result tiles.
    #[serde(deserialize_with = "lenient::option")]
    pub tile_style: Option<bool>,
    /// Whether this is a training image of a model.
    #[serde(deserialize_with = "lenient::option")]
    pub training_image: Option<bool>,
    /// Reframe: vertical growth (deprecated upstream).
    #[serde(deserialize_with = "lenient::option")]
    pub vertical_expansion_ratio: Option<f64>,
    /// Width in pixels.
    #[serde(deserialize_with = "lenient::option")]
    pub width: Option<f64>,
}

/// A model blended into a generation.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
#[graphql(name = "ScenarioConcept")]
pub struct Concept {
    /// The model's id at Scenario.
    #[serde(deserialize_with = "lenient::option")]
    pub model_id: Option<String>,
    /// The model's weight, about -2 to 2.
    #[serde(deserialize_with = "lenient::option")]
    pub scale: Option<f64>,
    /// The epoch of the model's training that was used.
    #[serde(deserialize_with = "lenient::option")]
    pub model_epoch: Option<String>,
}

/// An outline that segmentation found.
/// Its lists are as long as Scenario sends them.
#[derive(Debug, Deserialize, SimpleObject)]
#[serde(transparent)]
#[graphql(name = "ScenarioContour")]
pub struct Contour {
    /// Its closed lines, as Scenario sends them.
    pub rings: Vec<ContourRing>,
}

/// A closed line of an outline.
/// Its lists are as long as Scenario sends them.
#[derive(Debug, Deserialize, SimpleObject)]
#[serde(transparent)]
#[graphql(name = "ScenarioContourRing")]
pub struct ContourRing {
    /// Its points, each the coordinates x and y in pixels.
    pub points: Vec<Vec<f64>>,
}
