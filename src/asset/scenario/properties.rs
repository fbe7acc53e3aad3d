//! `properties` of a Scenario asset: measurements of its file (docs/providers/scenario.md 6.4).

use async_graphql::SimpleObject;
use serde::{Deserialize, Deserializer};

use crate::asset::lenient;

/// What Scenario measured on the file. Each field is null where it does not apply.
/// Its lists are as long as Scenario sends them.
// All 29 fields of the contract; each `None` where Scenario left it out or sent another type.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
#[graphql(name = "ScenarioProperties")]
pub struct Properties {
    /// Size in bytes, as Scenario counts it.
    #[serde(deserialize_with = "lenient::option")]
    pub size: Option<f64>,
    /// 3D: frames of the animation.
    #[serde(deserialize_with = "lenient::option")]
    pub animation_frame_count: Option<f64>,
    /// Bits per second.
    #[serde(deserialize_with = "lenient::option")]
    pub bitrate: Option<f64>,
    /// 3D: bones of the skeleton.
    #[serde(deserialize_with = "lenient::option")]
    pub bone_count: Option<f64>,
    /// 3D: how the camera moves: `aerial`, `interior` or `turntable`.
    #[serde(deserialize_with = "lenient::option")]
    pub camera_mode: Option<String>,
    /// 3D: the camera's path.
    #[serde(deserialize_with = "lenient::option")]
    pub camera_trajectory: Option<Vec<CameraPose>>,
    /// Audio channels.
    #[serde(deserialize_with = "lenient::option")]
    pub channels: Option<f64>,
    /// Text: number of Unicode code points.
    #[serde(deserialize_with = "lenient::option")]
    pub char_count: Option<f64>,
    /// Audio: kind of sound, such as `music`, `speech` or `effect`.
    #[serde(deserialize_with = "lenient::option")]
    pub classification: Option<String>,
    /// Codec of the audio or video.
    #[serde(deserialize_with = "lenient::option")]
    pub codec_name: Option<String>,
    /// Machine-generated description of the audio.
    #[serde(deserialize_with = "lenient::option")]
    pub description: Option<String>,
    /// 3D: bounding box as width, height, depth.
    #[serde(deserialize_with = "lenient::option")]
    pub dimensions: Option<Vec<f64>>,
    /// Duration in seconds.
    #[serde(deserialize_with = "lenient::option")]
    pub duration: Option<f64>,
    /// 3D: number of faces.
    #[serde(deserialize_with = "lenient::option")]
    pub face_count: Option<f64>,
    /// 3D: mesh format, such as `glb`.
    #[serde(deserialize_with = "lenient::option")]
    pub format: Option<String>,
    /// Video: frames per second.
    #[serde(deserialize_with = "lenient::option")]
    pub frame_rate: Option<f64>,
    /// 3D: whether it is animated.
    #[serde(deserialize_with = "lenient::option")]
    pub has_animations: Option<bool>,
    /// Text: whether `preview` is the whole text.
    #[serde(deserialize_with = "lenient::option")]
    pub has_full_preview: Option<bool>,
    /// 3D: whether it has normals.
    #[serde(deserialize_with = "lenient::option")]
    pub has_normals: Option<bool>,
    /// 3D: whether it has a skeleton.
    #[serde(deserialize_with = "lenient::option")]
    pub has_skeleton: Option<bool>,
    /// 3D: whether it has texture coordinates.
    #[serde(rename = "hasUVs", deserialize_with = "lenient::option")]
    #[graphql(name = "hasUVs")]
    pub has_uvs: Option<bool>,
    /// Height in pixels.
    #[serde(deserialize_with = "lenient::option")]
    pub height: Option<f64>,
    /// Video: number of frames.
    #[serde(deserialize_with = "lenient::option")]
    pub nb_frames: Option<f64>,
    /// Text: its beginning, about 1 KB. Not the asset's preview image.
    #[serde(deserialize_with = "lenient::option")]
    pub preview: Option<String>,
    /// Audio: samples per second.
    #[serde(deserialize_with = "lenient::option")]
    pub sample_rate: Option<f64>,
    /// Audio: transcription of the speech.
    #[serde(deserialize_with = "transcription_text")]
    pub transcription: Option<String>,
    /// 3D: number of vertices.
    #[serde(deserialize_with = "lenient::option")]
    pub vertex_count: Option<f64>,
    /// Width in pixels.
    #[serde(deserialize_with = "lenient::option")]
    pub width: Option<f64>,
    /// Text: number of words.
    #[serde(deserialize_with = "lenient::option")]
    pub word_count: Option<f64>,
}

/// One pose on a camera path.
/// Its lists are as long as Scenario sends them.
#[derive(Debug, Default, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase", default)]
#[graphql(name = "ScenarioCameraPose")]
pub struct CameraPose {
    /// The camera's position, as coordinates.
    #[serde(deserialize_with = "lenient::list")]
    pub position: Vec<f64>,
    /// The point that the camera looks at, as coordinates.
    #[serde(deserialize_with = "lenient::list")]
    pub target: Vec<f64>,
    /// The camera's field of view.
    #[serde(deserialize_with = "lenient::option")]
    pub fov: Option<f64>,
}

/// Reads the text of `{"text": …}`.
fn transcription_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Transcription {
        #[serde(deserialize_with = "lenient::option")]
        text: Option<String>,
    }
    let transcription: Option<Transcription> = lenient::option(deserializer)?;
    Ok(transcription.and_then(|parsed| parsed.text))
}
