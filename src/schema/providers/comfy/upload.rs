//! The options of an upload to Comfy.

use async_graphql::{Enum, InputObject};

use crate::{
    asset::Provider,
    providers::comfy::upload_rules::{ComfyDestination, ComfyUpload},
    source::UploadOptions,
};

/// Options of an upload to Comfy.
#[derive(InputObject)]
pub struct ComfyUploadInput {
    /// The folder that receives the file.
    #[graphql(default_with = "ComfyUploadDestination::Input")]
    pub destination: ComfyUploadDestination,
    /// With `MODELS`: the model folder, such as `checkpoints`.
    pub model_type: Option<String>,
}

/// A folder of Comfy. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ComfyDestination")]
pub enum ComfyUploadDestination {
    /// Files that workflows read.
    Input,
    /// Files that workflows write.
    Output,
    /// Models. Requires `modelType`.
    Models,
}

impl ComfyUploadInput {
    /// Translates the options.
    pub fn options(&self) -> UploadOptions {
        let options = ComfyUpload {
            destination: self.destination.into(),
            model_type: self.model_type.clone(),
        };
        UploadOptions::of(Provider::Comfy, &options)
    }
}
