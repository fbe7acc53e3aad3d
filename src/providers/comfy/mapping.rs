//! Maps Comfy's asset to the gateway's (`docs/providers.md`).

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, value::RawValue};
use url::Url;

use super::wire;
use crate::{
    asset::{
        Asset, AssetId, Details, Kind, Location, MAX_THUMBNAIL, MISSING_TAG, Media, Provider,
        SourceName, Status, ViewerCan, Visibility, comfy, lenient,
    },
    providers::decode::{rows::RowError, signed_url},
};

pub fn asset(
    source: &SourceName,
    base: &Url,
    wire: wire::Asset,
    raw: &str,
) -> Result<Asset, RowError> {
    let has_server_path = has_server_path(&wire);
    let is_newer = wire.is_newer();
    let id = AssetId {
        source: source.clone(),
        upstream: wire.id,
    };
    let name = wire.name.unwrap_or_default();
    let tags = wire.tags.unwrap_or_default();
    let kind = kind(wire.mime_type.as_deref(), &name, &tags);
    let pixels = |side: &str| lenient::whole(wire.metadata.value.as_ref()?.get(side)?.as_f64());
    let hash = wire.hash.value.or(wire.asset_hash);
    let is_missing = tags.iter().any(|tag| tag == MISSING_TAG);
    // Newer servers name an image as its own preview (docs/providers/comfy.md 3).
    let preview = wire
        .preview_id
        .clone()
        .filter(|preview| !preview.is_empty() && **preview != *id.upstream);
    let is_changeable = wire.is_immutable.map(|immutable| !immutable);
    Ok(Asset {
        name: (!name.is_empty()).then_some(name),
        provider: Provider::Comfy,
        kind,
        size_bytes: lenient::exact_bytes(wire.size),
        width: pixels("width"),
        height: pixels("height"),
        duration_seconds: None,
        content_hash: hash.clone(),
        created_at: wire.created_at,
        updated_at: wire.updated_at,
        status: if is_missing {
            Status::Missing
        } else {
            Status::Ready
        },
        visibility: Some(if wire.is_immutable == Some(true) {
            Visibility::Public
        } else {
            Visibility::Private
        }),
        created_by: None,
        tags,
        note: wire
            .user_metadata
            .as_ref()
            .and_then(|fields| fields.get("user_description"))
            .and_then(Value::as_str)
            .filter(|note| !note.is_empty())
            .map(str::to_owned),
        media: if is_missing {
            Media::default()
        } else {
            media(
                base,
                kind,
                wire.size,
                wire.preview_url.as_deref(),
                preview.is_some(),
            )
        },
        preview: preview.map(Into::into),
        parent: None,
        root: None,
        viewer_can: ViewerCan {
            tag: is_changeable,
            note: is_changeable,
            delete: is_changeable,
        },
        details: Details::Comfy(Arc::new(comfy::Details {
            hash,
            job_id: wire.job_id.value.or(wire.prompt_id),
            last_access_time: wire.last_access_time,
            preview_id: wire.preview_id,
            preview_url: wire.preview_url,
            display_name: wire.display_name.value,
            file_path: wire.file_path.filter(|path| !is_server_path(path)),
            loader_path: wire.loader_path.value.filter(|path| !is_server_path(path)),
            short_url: wire.short_url,
            is_immutable: wire.is_immutable,
            created_new: wire.created_new,
            user_metadata: wire.user_metadata,
            metadata: wire.metadata.value.map(without_server_paths),
            is_newer,
            asset_source: id.source.clone(),
        })),
        raw: if has_server_path {
            without_paths(raw)?
        } else {
            raw.into()
        },
        no_store: false,
        mime_type: wire.mime_type,
        global_id: id.global(),
        id,
    })
}

/// Returns the kind by media type, else by file extension, else by the root tag.
fn kind(mime_type: Option<&str>, name: &str, tags: &[String]) -> Kind {
    mime_type
        .and_then(Kind::of_mime_type)
        .or_else(|| Kind::of_file_name(name))
        .or_else(|| {
            tags.iter()
                .any(|tag| tag == "models")
                .then_some(Kind::ModelWeights)
        })
        .unwrap_or(Kind::Other)
}

/// Returns the renditions. Files need the key or are at an internal address, so they use the media
/// route; a preview in signed storage loads directly. An asset's preview URL is its own file
/// (docs/providers/comfy.md 3), a thumbnail only if it is a small picture. The preview of another,
/// nominated asset is always shown.
fn media(
    base: &Url,
    kind: Kind,
    size: Option<u64>,
    preview_url: Option<&str>,
    is_other_asset: bool,
) -> Media {
    let is_own_thumbnail = kind == Kind::Image && size.is_some_and(|bytes| bytes <= MAX_THUMBNAIL);
    let has_preview = is_own_thumbnail || is_other_asset;
    let preview = preview_url.filter(|_| has_preview).and_then(|url| {
        if is_relative(url) {
            return Some(Location::Proxied);
        }
        let url = absolute(base, url)?;
        if url.origin() == base.origin() {
            return Some(Location::Proxied);
        }
        Some(Location::Direct {
            expires_at: signed_url::expiry(url.as_str()),
            url: url.into(),
        })
    });
    // Duplicates of known bytes have no preview (docs/providers/comfy.md O5).
    let picture = is_own_thumbnail.then_some(Location::Proxied);
    Media {
        original: Some(Location::Proxied),
        small: preview.clone().or_else(|| picture.clone()),
        large: picture.or(preview),
    }
}

/// Whether a URL is relative to the source's address.
fn is_relative(url: &str) -> bool {
    url.starts_with('/') && !url.starts_with("//")
}

/// Returns a preview's absolute URL; relative URLs are under the source's address.
pub fn absolute(base: &Url, url: &str) -> Option<Url> {
    let url = if is_relative(url) {
        let root = base.as_str().trim_end_matches('/');
        Url::parse(&format!("{root}{url}")).ok()?
    } else {
        Url::parse(url).ok()?
    };
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// Whether the row contains a path on the server's disk (docs/providers/comfy.md O4).
fn has_server_path(wire: &wire::Asset) -> bool {
    let paths = [&wire.file_path, &wire.loader_path.value];
    paths.into_iter().flatten().any(|path| is_server_path(path))
        || (wire.metadata.value.as_ref()).is_some_and(|fields| fields.get("file_path").is_some())
}

/// Returns the row as sent, without the server's file paths.
fn without_paths(raw: &str) -> Result<Box<str>, RowError> {
    let unfit = |_| RowError::new("", "the row cannot be rewritten without server paths");
    // Raw values stay unchanged: numbers may exceed our precision.
    let mut row: BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw).map_err(unfit)?;
    for name in ["file_path", "loader_path"] {
        let path = row
            .get(name)
            .map(|path| serde_json::from_str::<String>(path.get()));
        if path.is_some_and(|path| path.is_ok_and(|path| is_server_path(&path))) {
            row.remove(name);
        }
    }
    let metadata = row.get("metadata").and_then(|raw_metadata| {
        serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(raw_metadata.get()).ok()
    });
    if let Some(mut metadata) = metadata {
        metadata.remove("file_path");
        let metadata = serde_json::value::to_raw_value(&metadata).map_err(unfit)?;
        row.insert("metadata".to_owned(), metadata);
    }
    let row = serde_json::to_string(&row).map_err(unfit)?;
    Ok(row.into())
}

fn without_server_paths(mut metadata: Value) -> Value {
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("file_path");
    }
    metadata
}

/// Whether a path is on the server's disk: `/srv/…`, `C:\…`, `\\server\…`.
fn is_server_path(path: &str) -> bool {
    path.starts_with('/')
        || path.starts_with('\\')
        || path
            .as_bytes()
            .get(1..3)
            .is_some_and(|two| two[0] == b':' && (two[1] == b'\\' || two[1] == b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_paths_are_removed() {
        let raw = r#"{"id":"1","file_path":"/srv/x","loader_path":"sd/x.safetensors",
                      "metadata":{"kind":"image","file_path":"C:\\x"}}"#;
        assert_eq!(
            &*without_paths(raw).unwrap(),
            r#"{"id":"1","loader_path":"sd/x.safetensors","metadata":{"kind":"image"}}"#
        );
    }

    #[test]
    fn the_newer_contract_is_known_by_its_fields() {
        let is_newer = |fields: &str| {
            let row = format!(r#"{{"id":"1","created_at":"2026-01-01T00:00:00Z"{fields}}}"#);
            serde_json::from_str::<wire::Asset>(&row)
                .unwrap()
                .is_newer()
        };
        assert!(!is_newer(
            r#","asset_hash":"blake3:0","user_metadata":{"hash":"x","metadata":{}}"#
        ));
        for field in ["hash", "job_id", "display_name", "loader_path", "metadata"] {
            assert!(is_newer(&format!(r#","{field}":null"#)), "{field}");
        }
    }

    #[test]
    fn previews_are_joined_to_the_base() {
        let base = Url::parse("http://10.0.0.9:8188/comfy").unwrap();
        let joined = absolute(&base, "/api/view?type=input").unwrap();
        assert_eq!(
            joined.as_str(),
            "http://10.0.0.9:8188/comfy/api/view?type=input"
        );
        assert!(absolute(&base, "javascript:alert(1)").is_none());
        assert_ne!(
            absolute(&base, "https://elsewhere/x").unwrap().origin(),
            base.origin()
        );
    }
}
