//! Writes the `Asset` fields that need no I/O as JSON, with the same results as their resolvers.
//! `tests/it/fast_path_equivalence.rs` compares the two.

use async_graphql::{parser::types::Field, resolver_utils::EnumType};

use super::{
    AssetNode,
    enums::{AssetKind, AssetStatus, AssetVisibility},
    viewer_may,
};
use crate::{
    access::Permission,
    asset::Rendition,
    schema::{fast_path::SyncFields, operation::Operation, raw_json, scalars::DateTime},
};

/// An `Asset` field that needs no I/O.
#[derive(Clone, Copy)]
pub enum AssetField {
    Id,
    Provider,
    UpstreamId,
    Name,
    Kind,
    MimeType,
    Size,
    Width,
    Height,
    DurationSeconds,
    ContentHash,
    CreatedAt,
    UpdatedAt,
    Status,
    Visibility,
    CreatedBy,
    Tags,
    Note,
    Address(Rendition),
    ViewerCanTag,
    ViewerCanNote,
    ViewerCanDelete,
    Preview,
    Parent,
    Root,
}

impl SyncFields for AssetNode {
    type SyncFields<'a> = AssetField;

    fn plain(field: &Field) -> Option<AssetField> {
        Some(match field.name.node.as_str() {
            "id" => AssetField::Id,
            "provider" => AssetField::Provider,
            "upstreamId" => AssetField::UpstreamId,
            "name" => AssetField::Name,
            "kind" => AssetField::Kind,
            "mimeType" => AssetField::MimeType,
            "size" => AssetField::Size,
            "width" => AssetField::Width,
            "height" => AssetField::Height,
            "durationSeconds" => AssetField::DurationSeconds,
            "contentHash" => AssetField::ContentHash,
            "createdAt" => AssetField::CreatedAt,
            "updatedAt" => AssetField::UpdatedAt,
            "status" => AssetField::Status,
            "visibility" => AssetField::Visibility,
            "createdBy" => AssetField::CreatedBy,
            "tags" => AssetField::Tags,
            "note" => AssetField::Note,
            "url" => AssetField::Address(Rendition::Original),
            "thumbnailUrl" if field.arguments.is_empty() => AssetField::Address(Rendition::Small),
            "viewerCanTag" => AssetField::ViewerCanTag,
            "viewerCanNote" => AssetField::ViewerCanNote,
            "viewerCanDelete" => AssetField::ViewerCanDelete,
            "preview" => AssetField::Preview,
            "parent" => AssetField::Parent,
            "root" => AssetField::Root,
            _ => return None,
        })
    }

    fn write(&self, plain: &AssetField, operation: &Operation, out: &mut Vec<u8>) -> Option<()> {
        let asset = &*self.0;
        match plain {
            AssetField::Id => {
                out.push(b'"');
                out.extend_from_slice(asset.global_id.as_bytes());
                out.push(b'"');
            }
            AssetField::Provider => word(asset.provider, out)?,
            AssetField::UpstreamId => raw_json::put(&asset.id.upstream, out),
            AssetField::Name => raw_json::put(asset.shown_name(), out),
            AssetField::Kind => word(AssetKind::from(asset.kind), out)?,
            AssetField::MimeType => raw_json::put(&asset.mime_type, out),
            AssetField::Size => raw_json::put(&asset.size_bytes, out),
            AssetField::Width => raw_json::put(&asset.width, out),
            AssetField::Height => raw_json::put(&asset.height, out),
            AssetField::DurationSeconds => raw_json::put(&asset.duration_seconds, out),
            AssetField::ContentHash => raw_json::put(&asset.content_hash, out),
            AssetField::CreatedAt => DateTime::at(asset.created_at).write(out),
            AssetField::UpdatedAt => match asset.updated_at {
                Some(time) => DateTime::at(time).write(out),
                None => raw_json::null(out),
            },
            AssetField::Status => word(AssetStatus::from(asset.status), out)?,
            AssetField::Visibility => match asset.visibility {
                Some(visibility) => word(AssetVisibility::from(visibility), out)?,
                None => raw_json::null(out),
            },
            AssetField::CreatedBy => raw_json::put(&asset.created_by, out),
            AssetField::Tags => raw_json::put(&asset.tags, out),
            AssetField::Note => raw_json::put(&asset.note, out),
            AssetField::Address(rendition) => {
                // The resolver returns `FORBIDDEN` to callers that may not read.
                if !operation.caller.may(Permission::Read) {
                    return None;
                }
                let address = self.located(operation, *rendition);
                raw_json::put(&address.map(|(url, _)| url), out);
            }
            AssetField::ViewerCanTag => {
                raw_json::put(
                    &viewer_may(operation, asset.viewer_can.tag, Permission::Write),
                    out,
                );
            }
            AssetField::ViewerCanNote => {
                raw_json::put(
                    &viewer_may(operation, asset.viewer_can.note, Permission::Write),
                    out,
                );
            }
            AssetField::ViewerCanDelete => {
                let can = asset.viewer_can.delete;
                raw_json::put(&viewer_may(operation, can, Permission::Delete), out);
            }
            AssetField::Preview => none(asset.preview.is_none(), out)?,
            AssetField::Parent => none(asset.parent.is_none(), out)?,
            AssetField::Root => none(asset.root.is_none(), out)?,
        }
        Some(())
    }
}

/// Writes `null` when the asset has no such relative. Otherwise the engine must load it.
fn none(is_none: bool, out: &mut Vec<u8>) -> Option<()> {
    is_none.then(|| raw_json::null(out))
}

/// Writes an enum value. `None` when the enum has no such item: the engine reports the error.
fn word<T: EnumType>(value: T, out: &mut Vec<u8>) -> Option<()> {
    let item = T::items().iter().find(|item| item.value == value)?;
    raw_json::put(item.name, out);
    Some(())
}
