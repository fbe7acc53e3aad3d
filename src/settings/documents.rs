//! `[documents]`: operations that the gateway knows before a client sends them.

use std::path::Path;

use serde::Deserialize;

use super::{file_path::FilePath, reader::Reader, table::Table};

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
#[serde(deny_unknown_fields, default)]
pub struct DocumentsSection {
    manifests: Vec<FilePath>,
    trusted_only: bool,
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

/// Reads `[documents]` and its manifests.
pub fn read_documents(reader: &mut Reader<'_>, table: &Table<'_>) -> TrustedDocuments {
    let (section, values) = reader.read::<DocumentsSection>(table);
    let mut trusted = TrustedDocuments {
        only: section.trusted_only,
        ..TrustedDocuments::default()
    };
    let mut is_read = values.is_sound;
    for path in &section.manifests {
        if let Err(message) = add(&mut trusted.documents, path.as_ref()) {
            is_read = false;
            reader.refuse(values.origin_of("manifests"), message);
        }
    }
    if trusted.only && trusted.documents.is_empty() && is_read {
        reader.refuse(
            values.origin_of("trusted_only"),
            "`trusted_only` without a document in `manifests` would refuse everything",
        );
    }
    trusted
}

/// Adds a manifest's documents to those of others.
fn add(documents: &mut Vec<(String, String)>, path: &Path) -> Result<(), String> {
    for (id, text) in read(path)? {
        let mut existing = documents.iter();
        if existing.any(|(known_id, other)| *known_id == id && *other != text) {
            let file = path.display();
            return Err(format!(
                "the manifest {file} repeats the id `{id}` for another document"
            ));
        }
        documents.push((id, text));
    }
    Ok(())
}

/// Reads a manifest's documents.
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
