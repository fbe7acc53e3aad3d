//! Comfy's settings of a source.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, de::Error};
use url::Url;

use crate::{
    providers::{ProviderSettings, SourceContext},
    settings::{Reader, Secret, Values, credential, keys},
};

/// The keys as written, which are also the checked settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComfySettings {
    /// `None` for a self-hosted ComfyUI, which has no keys.
    #[serde(deserialize_with = "credential")]
    pub api_key: Option<Secret>,
    /// A token for `Authorization: Bearer`, instead of the key: accounts with single sign-on refuse
    /// keys.
    #[serde(deserialize_with = "credential")]
    pub token: Option<Secret>,
    /// The `X-Comfy-Workspace-ID` header.
    #[serde(deserialize_with = "header_value")]
    pub workspace: Option<String>,
    /// The `comfy-user` header, for a `--multi-user` server.
    #[serde(deserialize_with = "header_value")]
    pub user: Option<String>,
    /// An asset is listed when it has one of these tags: Comfy Cloud hides some
    /// categories from a list that names no tag.
    #[serde(deserialize_with = "listed_tags")]
    pub listed_tags: Vec<String>,
}

impl Default for ComfySettings {
    fn default() -> Self {
        Self {
            api_key: None,
            token: None,
            workspace: None,
            user: None,
            listed_tags: ["input", "output", "models"].map(str::to_owned).to_vec(),
        }
    }
}

fn header_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = String::deserialize(deserializer)?;
    if !value.is_empty() && value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Ok(Some(value));
    }
    Err(D::Error::custom(
        "must be printable ASCII and not empty: a header carries it",
    ))
}

fn listed_tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let tags = Vec::<String>::deserialize(deserializer)?;
    let fits = |tag: &String| !tag.trim().is_empty() && !tag.contains(',');
    if !tags.is_empty() && tags.iter().all(fits) {
        return Ok(tags);
    }
    Err(D::Error::custom(
        "must name at least one tag, none empty or with a comma",
    ))
}

/// Whether a URL is that of Comfy Cloud, not of a self-hosted server.
pub fn is_cloud(url: &Url) -> bool {
    url.host_str() == Some("cloud.comfy.org")
}

/// Reads and checks the keys. `None`: the reader has the fault.
pub fn read(
    reader: &mut Reader<'_>,
    values: &mut Values,
    source: &SourceContext<'_>,
) -> Option<Arc<dyn ProviderSettings>> {
    let settings: ComfySettings = reader.take(values);
    if !values.are_sound(&keys::<ComfySettings>()) {
        return None;
    }
    if settings.api_key.is_some() && settings.token.is_some() {
        let message = format!(
            "source `{}` has both an `api_key` and a `token`: leave out one",
            source.name
        );
        reader.refuse(&values.origin, message);
        return None;
    }
    // With a URL it may be self-hosted.
    let has_credential = settings.api_key.is_some() || settings.token.is_some();
    if !has_credential && !source.has_url && !source.passthrough {
        let message = format!(
            "source `{}` is Comfy Cloud and has no credential: set {}, or `url` for a ComfyUI of \
             your own",
            source.name,
            source.ways_to_set("api_key")
        );
        reader.refuse(&values.origin, message);
        return None;
    }
    Some(Arc::new(settings))
}
