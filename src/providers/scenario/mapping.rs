//! Maps Scenario's asset to the gateway's (`docs/providers.md`).

use std::sync::Arc;

use super::wire;
use crate::{
    asset::{
        Asset, AssetId, Details, Kind, Media, Provider, SourceName, Status, ViewerCan, Visibility,
        lenient, scenario,
    },
    providers::decode::signed_url::direct,
};

pub fn asset(source: &SourceName, wire: wire::Asset, raw: &str) -> Asset {
    let id = AssetId {
        source: source.clone(),
        upstream: wire.id,
    };
    let metadata = wire.metadata.unwrap_or_default();
    let properties = wire.properties.unwrap_or_default();
    let kind = kind(wire.kind.as_deref().or(metadata.kind.as_deref()));
    let preview = wire.preview.clone();
    let media = media(
        kind,
        wire.url.as_deref(),
        wire.thumbnail.as_ref(),
        preview.as_ref(),
    );
    Asset {
        name: metadata.name.clone().filter(|name| !name.is_empty()),
        provider: Provider::Scenario,
        kind,
        mime_type: wire.mime_type,
        size_bytes: lenient::bytes(properties.size.or(metadata.size)),
        width: lenient::whole(properties.width.or(metadata.width)),
        height: lenient::whole(properties.height.or(metadata.height)),
        duration_seconds: properties.duration,
        content_hash: None,
        created_at: wire.created_at,
        updated_at: wire.updated_at,
        status: match wire.status.as_deref() {
            Some("pending") => Status::Pending,
            Some("error") => Status::Failed,
            Some("success") => Status::Ready,
            _ => Status::Unknown,
        },
        visibility: match wire.privacy.as_deref() {
            Some("private") => Some(Visibility::Private),
            Some("public") => Some(Visibility::Public),
            Some("unlisted") => Some(Visibility::Unlisted),
            _ => None,
        },
        created_by: wire.author_id.clone(),
        tags: wire.tags.unwrap_or_default(),
        // A person writes a note, so it is never the machine caption.
        note: wire.description.clone().filter(|note| !note.is_empty()),
        media,
        preview: preview
            .and_then(|link| link.asset_id)
            .filter(|id| !id.is_empty())
            .map(Into::into),
        parent: metadata
            .parent_id
            .clone()
            .filter(|id| !id.is_empty())
            .map(Into::into),
        root: metadata
            .root_parent_id
            .clone()
            .filter(|id| !id.is_empty())
            .map(Into::into),
        // The asset does not report the key's rights.
        viewer_can: ViewerCan::default(),
        details: Details::Scenario(Arc::new(scenario::Details {
            metadata,
            properties,
            author_id: wire.author_id,
            owner_id: wire.owner_id,
            collection_ids: wire.collection_ids,
            edit_capabilities: wire.edit_capabilities,
            kind: wire.kind,
            privacy: wire.privacy,
            source: wire.source,
            status: wire.status,
            automatic_captioning: wire.automatic_captioning,
            description: wire.description,
            embedding: wire.embedding,
            first_frame: wire.first_frame,
            last_frame: wire.last_frame,
            preview: wire.preview,
            thumbnail: wire.thumbnail,
            is_hidden: wire.is_hidden,
            nsfw: wire.nsfw,
            original_file_url: wire.original_file_url,
            output_index: wire.output_index,
            deleted_at: wire.deleted_at,
            original_mime_type: wire.original_mime_type,
            quality_gate: wire.quality_gate.map(|gate| scenario::QualityGate {
                asset_id: Some(id.clone()),
                ..gate
            }),
            id: id.clone(),
        })),
        raw: raw.into(),
        no_store: false,
        global_id: id.global(),
        id,
    }
}

fn kind(word: Option<&str>) -> Kind {
    match word {
        Some("image" | "image-hdr") => Kind::Image,
        Some("video") => Kind::Video,
        Some("audio") => Kind::Audio,
        Some("3d") => Kind::Model3d,
        Some("document") => Kind::Document,
        Some("text") => Kind::Text,
        Some("json") => Kind::Data,
        _ => Kind::Other,
    }
}

fn media(
    kind: Kind,
    url: Option<&str>,
    thumbnail: Option<&scenario::link::Link>,
    preview: Option<&scenario::link::Link>,
) -> Media {
    let location =
        |link: Option<&scenario::link::Link>| link.and_then(|l| l.url.as_deref()).and_then(direct);
    let resized = |width: u32| {
        let url = url.filter(|_| kind == Kind::Image)?;
        // Adding transform parameters is the supported way to resize, on this path only (7).
        url.contains("/assets-transform/")
            .then(|| {
                let joint = if url.contains('?') { '&' } else { '?' };
                direct(&format!("{url}{joint}width={width}"))
            })
            .flatten()
    };
    Media {
        original: url.and_then(direct),
        small: location(thumbnail).or_else(|| resized(256)),
        large: resized(1024)
            .or_else(|| location(preview))
            .or_else(|| location(thumbnail)),
    }
}
