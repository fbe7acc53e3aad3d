//! Maps PiktID's asset to the gateway's (`docs/providers.md`).

use std::sync::Arc;

use super::wire;
use crate::{
    asset::{
        Asset, AssetId, Details, Kind, Location, Media, Provider, SourceName, Status, ViewerCan,
        Visibility, image_type_of_file_name, lenient, piktid,
    },
    providers::decode::signed_url::direct,
};

pub fn asset(source: &SourceName, wire: wire::Asset, raw: &str) -> Asset {
    let id = AssetId {
        source: source.clone(),
        upstream: wire.id,
    };
    let filename = wire.filename.as_deref().unwrap_or_default();
    let pixels = |index: usize| {
        lenient::whole(
            wire.dimensions
                .as_ref()
                .and_then(|both| both.get(index).copied()),
        )
    };
    let note = wire.styling_note.clone().filter(|note| !note.is_empty());
    Asset {
        name: (!filename.is_empty()).then(|| filename.to_owned()),
        provider: Provider::Piktid,
        kind: Kind::Image,
        // PiktID does not report it; its own upload goes by the file extension.
        mime_type: image_type_of_file_name(filename).map(str::to_owned),
        size_bytes: None,
        width: pixels(0),
        height: pixels(1),
        duration_seconds: None,
        content_hash: None,
        created_at: wire.created_at,
        updated_at: None,
        status: Status::Ready,
        visibility: match wire.visibility.as_deref() {
            Some("private") => Some(Visibility::Private),
            Some("shared") => Some(Visibility::Shared),
            Some("default") => Some(Visibility::Platform),
            _ => None,
        },
        created_by: wire.created_by.clone().filter(|name| !name.is_empty()),
        tags: wire.tags.unwrap_or_default(),
        note,
        media: Media {
            original: wire.url.as_deref().and_then(direct),
            small: first_of(&[&wire.thumbnail_small, &wire.thumbnail_big]),
            large: first_of(&[&wire.thumbnail_big, &wire.thumbnail_small]),
        },
        preview: None,
        parent: None,
        root: None,
        viewer_can: viewer_can(wire.visibility.as_deref()),
        details: Details::Piktid(Arc::new(piktid::Details {
            filename: wire.filename,
            created_by: wire.created_by,
            visibility: wire.visibility,
            styling_note: wire.styling_note,
            thumbnail_small: wire.thumbnail_small,
            thumbnail_big: wire.thumbnail_big,
            dimensions: wire.dimensions,
            detected: wire.detected,
        })),
        raw: raw.into(),
        no_store: false,
        global_id: id.global(),
        id,
    }
}

/// Private assets are the caller's, default ones no user's; a shared one may be a teammate's (3).
fn viewer_can(visibility: Option<&str>) -> ViewerCan {
    let owner = match visibility {
        Some("private") => Some(true),
        Some("default") => Some(false),
        _ => None,
    };
    ViewerCan {
        tag: owner,
        note: owner,
        delete: owner,
    }
}

fn first_of(urls: &[&Option<String>]) -> Option<Location> {
    urls.iter().find_map(|url| url.as_deref().and_then(direct))
}
