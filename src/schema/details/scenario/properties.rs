//! `ScenarioProperties`: one resolver a field, no clone.

use async_graphql::Object;

use super::ScenarioCameraPose;
use crate::asset::scenario::properties::Properties;

pub struct ScenarioProperties<'a>(pub &'a Properties);

/// What Scenario measured on the file. Each field is null where it does not apply.
/// Its lists are as long as Scenario sends them.
#[Object]
impl ScenarioProperties<'_> {
    /// Size in bytes, as Scenario counts it.
    async fn size(&self) -> Option<f64> {
        self.0.size
    }

    /// 3D: frames of the animation.
    async fn animation_frame_count(&self) -> Option<f64> {
        self.0.animation_frame_count
    }

    /// Bits per second.
    async fn bitrate(&self) -> Option<f64> {
        self.0.bitrate
    }

    /// 3D: bones of the skeleton.
    async fn bone_count(&self) -> Option<f64> {
        self.0.bone_count
    }

    /// 3D: how the camera moves: `aerial`, `interior` or `turntable`.
    async fn camera_mode(&self) -> Option<&str> {
        self.0.camera_mode.as_deref()
    }

    /// 3D: the camera's path.
    async fn camera_trajectory(&self) -> Option<Vec<ScenarioCameraPose<'_>>> {
        self.0
            .camera_trajectory
            .as_ref()
            .map(|all| all.iter().map(ScenarioCameraPose).collect())
    }

    /// Audio channels.
    async fn channels(&self) -> Option<f64> {
        self.0.channels
    }

    /// Text: number of Unicode code points.
    async fn char_count(&self) -> Option<f64> {
        self.0.char_count
    }

    /// Audio: what is heard, such as `music`, `speech` or `effect`.
    async fn classification(&self) -> Option<&str> {
        self.0.classification.as_deref()
    }

    /// Codec of the audio or video.
    async fn codec_name(&self) -> Option<&str> {
        self.0.codec_name.as_deref()
    }

    /// Machine description of the audio.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// 3D: bounding box as width, height, depth.
    async fn dimensions(&self) -> Option<&Vec<f64>> {
        self.0.dimensions.as_ref()
    }

    /// Duration in seconds.
    async fn duration(&self) -> Option<f64> {
        self.0.duration
    }

    /// 3D: number of faces.
    async fn face_count(&self) -> Option<f64> {
        self.0.face_count
    }

    /// 3D: mesh format, such as `glb`.
    async fn format(&self) -> Option<&str> {
        self.0.format.as_deref()
    }

    /// Video: frames per second.
    async fn frame_rate(&self) -> Option<f64> {
        self.0.frame_rate
    }

    /// 3D: whether it is animated.
    async fn has_animations(&self) -> Option<bool> {
        self.0.has_animations
    }

    /// Text: whether `preview` is the whole text.
    async fn has_full_preview(&self) -> Option<bool> {
        self.0.has_full_preview
    }

    /// 3D: whether it has normals.
    async fn has_normals(&self) -> Option<bool> {
        self.0.has_normals
    }

    /// 3D: whether it has a skeleton.
    async fn has_skeleton(&self) -> Option<bool> {
        self.0.has_skeleton
    }

    /// 3D: whether it has texture coordinates.
    #[graphql(name = "hasUVs")]
    async fn has_uvs(&self) -> Option<bool> {
        self.0.has_uvs
    }

    /// Height in pixels.
    async fn height(&self) -> Option<f64> {
        self.0.height
    }

    /// Video: number of frames.
    async fn nb_frames(&self) -> Option<f64> {
        self.0.nb_frames
    }

    /// Text: its beginning, about 1 KB. Not to be mixed up with the asset's preview picture.
    async fn preview(&self) -> Option<&str> {
        self.0.preview.as_deref()
    }

    /// Audio: samples per second.
    async fn sample_rate(&self) -> Option<f64> {
        self.0.sample_rate
    }

    /// Audio: what is said.
    async fn transcription(&self) -> Option<&str> {
        self.0.transcription.as_ref()?.text.as_deref()
    }

    /// 3D: number of vertices.
    async fn vertex_count(&self) -> Option<f64> {
        self.0.vertex_count
    }

    /// Width in pixels.
    async fn width(&self) -> Option<f64> {
        self.0.width
    }

    /// Text: number of words.
    async fn word_count(&self) -> Option<f64> {
        self.0.word_count
    }
}
