//! PiktID's settings of a source.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    providers::{ProviderSettings, SourceContext},
    settings::{Reader, Secret, Values, credential, keys},
};

/// The keys as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    #[serde(deserialize_with = "credential")]
    token: Option<Secret>,
}

#[derive(Debug, Clone)]
pub struct PiktidSettings {
    pub credential: PiktidCredential,
}

#[derive(Debug, Clone)]
pub enum PiktidCredential {
    Token(Secret),
    /// The whole `Authorization` value, as a caller sent it.
    Verbatim(Secret),
}

/// Reads and checks the keys. `None`: the reader has the fault.
pub fn read(
    reader: &mut Reader<'_>,
    values: &mut Values,
    source: &SourceContext<'_>,
) -> Option<Arc<dyn ProviderSettings>> {
    let read: Keys = reader.take(values);
    if !values.are_sound(&keys::<Keys>()) {
        return None;
    }
    let credential = match read.token {
        Some(token) => PiktidCredential::Token(token),
        // No credential until a caller brings one.
        None if source.passthrough => PiktidCredential::Verbatim(Secret::new(String::new())),
        None => {
            let message = format!(
                "source `{}` has no credential: set {}, or `passthrough = true` where callers \
                 bring theirs",
                source.name,
                source.ways_to_set("token")
            );
            reader.refuse(&values.origin, message);
            return None;
        }
    };
    Some(Arc::new(PiktidSettings { credential }))
}
