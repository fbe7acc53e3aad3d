//! `[documents]`: operations that the gateway knows before a client sends them.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{error::ConfigError, values::FileLocation};

/// Trusted documents, which clients were built with.
#[derive(Debug, Default)]
pub struct TrustedDocuments {
    /// Pairs of the id that the client sends and the document.
    pub documents: Vec<(String, String)>,
    /// Whether the gateway executes only these documents.
    pub only: bool,
}

/// `[documents]` as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsSection {
    #[serde(default)]
    manifests: Vec<Spanned<PathBuf>>,
    trusted_only: Option<Spanned<bool>>,
}

/// Manifest formats of client tools. Apollo lists operations with extra fields. Relay and codegen
/// map each id to a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Apollo { operations: Vec<ManifestEntry> },
    ById(std::collections::BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct ManifestEntry {
    id: String,
    body: String,
}

impl DocumentsSection {
    pub fn resolve(self, input: &FileLocation<'_>) -> Result<TrustedDocuments, ConfigError> {
        let mut trusted = TrustedDocuments {
            only: self
                .trusted_only
                .as_ref()
                .is_some_and(|known_id| *known_id.get_ref()),
            ..TrustedDocuments::default()
        };
        for path in &self.manifests {
            let pairs = read(path.get_ref()).map_err(|why| input.refuse(path.span().start, why))?;
            for (id, text) in pairs {
                let mut existing = trusted.documents.iter();
                if existing.any(|(known_id, other)| *known_id == id && *other != text) {
                    let file = path.get_ref().display();
                    return Err(input.refuse(
                        path.span().start,
                        format!("the manifest {file} repeats the id `{id}` for another document"),
                    ));
                }
                trusted.documents.push((id, text));
            }
        }
        if let Some(only) = self.trusted_only
            && trusted.only
            && trusted.documents.is_empty()
        {
            return Err(input.refuse(
                only.span().start,
                "`trusted_only` without a document in `manifests` would refuse everything",
            ));
        }
        Ok(trusted)
    }
}

/// Reads a manifest's documents. A relative path starts at the gateway's working directory.
fn read(path: &Path) -> Result<Vec<(String, String)>, String> {
    let file = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the manifest {file} cannot be read: {error}"))?;
    let manifest = serde_json::from_str(&text).map_err(|_| {
        format!(
            "the manifest {file} is neither Apollo's (`operations` with `id` and `body`) nor an \
             object with a document for each id, as Relay and codegen write it"
        )
    })?;
    Ok(match manifest {
        Manifest::Apollo { operations } => operations
            .into_iter()
            .map(|operation| (operation.id, operation.body))
            .collect(),
        Manifest::ById(documents) => documents.into_iter().collect(),
    })
}
