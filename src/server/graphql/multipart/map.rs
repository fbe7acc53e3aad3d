//! Parses `map` of a GraphQL multipart request: the variables that each part provides.

use std::collections::{HashMap, HashSet};

use axum::http::StatusCode;

use super::error::shown;
use crate::{schema::Code, server::error::RequestError};

/// Parses `map`. Returns the paths of the variables that each part provides, by part name.
pub(super) fn paths_by_part(
    map: &[u8],
    maximum: usize,
) -> Result<HashMap<String, Vec<String>>, RequestError> {
    let entries: Vec<(String, Vec<String>)> = serde_json::from_slice::<Entries>(map)
        .map_err(|_| {
            RequestError::bad_request(
                "`map` must be a JSON object of lists of paths: {\"0\": [\"variables.file\"]}",
            )
        })?
        .0;
    if entries.len() > maximum {
        return Err(RequestError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::PayloadTooLarge,
            format!(
                "a request has at most {maximum} files; `map` names {}",
                entries.len()
            ),
        ));
    }
    let (mut paths_by_part, mut all_paths) = (HashMap::new(), HashSet::new());
    for (name, paths) in entries {
        if paths.is_empty() {
            return Err(RequestError::bad_request(format!(
                "`map` names no variable for the part `{}`",
                shown(&name)
            )));
        }
        for path in &paths {
            if !all_paths.insert(path.clone()) {
                return Err(RequestError::bad_request(format!(
                    "`map` names `{}` twice",
                    shown(path)
                )));
            }
        }
        if paths_by_part.insert(name.clone(), paths).is_some() {
            return Err(RequestError::bad_request(format!(
                "`map` names the part `{}` twice",
                shown(&name)
            )));
        }
    }
    Ok(paths_by_part)
}

/// The entries of an object in their order. A map would lose duplicate keys.
struct Entries(Vec<(String, Vec<String>)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<Entries, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
