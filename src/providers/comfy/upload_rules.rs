//! Which uploads Comfy takes, and the tags that they get (docs/providers/comfy.md 4.3).

use serde::{Deserialize, Serialize};

use crate::{
    asset::Provider,
    source::{SourceError, UploadOptions},
};

/// Comfy's upload options: the destination folder (docs/providers/comfy.md 4.3).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ComfyUpload {
    pub destination: ComfyDestination,
    /// The model folder, such as `checkpoints`.
    pub model_type: Option<String>,
}

/// The destination of a Comfy upload, which is a root tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ComfyDestination {
    #[default]
    Input,
    Output,
    Models,
}

/// Checks the options; Comfy takes any type of file.
pub(super) fn check(options: &UploadOptions) -> Result<(), SourceError> {
    let options = comfy(options)?;
    match (options.destination, &options.model_type) {
        (ComfyDestination::Models, None) => Err(SourceError::Invalid(
            "the destination MODELS needs `modelType`, the model folder, such as `checkpoints`"
                .to_owned(),
        )),
        (ComfyDestination::Input | ComfyDestination::Output, Some(_)) => Err(SourceError::Invalid(
            "`modelType` is only for the destination MODELS".to_owned(),
        )),
        (_, Some(folder)) if !is_folder(folder) => Err(SourceError::Invalid(
            "`modelType` must be a folder's name: letters, digits, `_`, `-` and `.`".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn is_folder(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(fits)
}

fn comfy(options: &UploadOptions) -> Result<ComfyUpload, SourceError> {
    options.read(Provider::Comfy)
}

/// Returns the folder that a model goes to.
pub(super) fn model_folder(options: &UploadOptions) -> Option<String> {
    let options = comfy(options).ok()?;
    (options.destination == ComfyDestination::Models).then_some(options.model_type)?
}

/// Returns the root tag, and the tag of the model folder.
pub(super) fn own_tags(options: &UploadOptions) -> Vec<String> {
    let options = comfy(options).unwrap_or_default();
    let root = match options.destination {
        ComfyDestination::Input => "input",
        ComfyDestination::Output => "output",
        ComfyDestination::Models => "models",
    };
    let folder = options
        .model_type
        .map(|folder| format!("model_type:{folder}"));
    std::iter::once(root.to_owned()).chain(folder).collect()
}
