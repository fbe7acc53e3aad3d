//! The fields of an asset that only read memory, as JSON: as the resolvers of the same names, against
//! which `tests/api/reading.rs` holds them.

use async_graphql::{parser::types::Field, resolver_utils::EnumType};

use super::{
    AssetKind, AssetNode, AssetProvider, AssetStatus, AssetVisibility, Operation, allowed,
};
use crate::{
    access::Permission,
    asset::Rendition,
    schema::{fast_path::Plain, raw_json, scalars::DateTime},
};

/// Those fields.
#[derive(Clone, Copy)]
pub enum Own {
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

impl Plain for AssetNode {
    type Plain<'a> = Own;

    fn plain(field: &Field) -> Option<Own> {
        Some(match field.name.node.as_str() {
            "id" => Own::Id,
            "provider" => Own::Provider,
            "upstreamId" => Own::UpstreamId,
            "name" => Own::Name,
            "kind" => Own::Kind,
            "mimeType" => Own::MimeType,
            "size" => Own::Size,
            "width" => Own::Width,
            "height" => Own::Height,
            "durationSeconds" => Own::DurationSeconds,
            "contentHash" => Own::ContentHash,
            "createdAt" => Own::CreatedAt,
            "updatedAt" => Own::UpdatedAt,
            "status" => Own::Status,
            "visibility" => Own::Visibility,
            "createdBy" => Own::CreatedBy,
            "tags" => Own::Tags,
            "note" => Own::Note,
            "url" => Own::Address(Rendition::Original),
            "thumbnailUrl" if field.arguments.is_empty() => Own::Address(Rendition::Small),
            "viewerCanTag" => Own::ViewerCanTag,
            "viewerCanNote" => Own::ViewerCanNote,
            "viewerCanDelete" => Own::ViewerCanDelete,
            "preview" => Own::Preview,
            "parent" => Own::Parent,
            "root" => Own::Root,
            _ => return None,
        })
    }

    fn write(&self, plain: &Own, operation: &Operation, out: &mut Vec<u8>) -> Option<()> {
        let own = &*self.0;
        match plain {
            Own::Id => {
                out.push(b'"');
                out.extend_from_slice(own.global_id.as_bytes());
                out.push(b'"');
            }
            Own::Provider => word(AssetProvider::from(own.provider), out)?,
            Own::UpstreamId => raw_json::put(&own.id.upstream, out),
            Own::Name => raw_json::put(&own.name, out),
            Own::Kind => word(AssetKind::from(own.kind), out)?,
            Own::MimeType => raw_json::put(&own.mime_type, out),
            Own::Size => raw_json::put(&own.size_bytes, out),
            Own::Width => raw_json::put(&own.width, out),
            Own::Height => raw_json::put(&own.height, out),
            Own::DurationSeconds => raw_json::put(&own.duration_seconds, out),
            Own::ContentHash => raw_json::put(&own.content_hash, out),
            Own::CreatedAt => DateTime::at(own.created_at).write(out),
            Own::UpdatedAt => match own.updated_at {
                Some(time) => DateTime::at(time).write(out),
                None => raw_json::null(out),
            },
            Own::Status => word(AssetStatus::from(own.status), out)?,
            Own::Visibility => match own.visibility {
                Some(visibility) => word(AssetVisibility::from(visibility), out)?,
                None => raw_json::null(out),
            },
            Own::CreatedBy => raw_json::put(&own.created_by, out),
            Own::Tags => raw_json::put(&own.tags, out),
            Own::Note => raw_json::put(&own.note, out),
            Own::Address(rendition) => {
                // Whoever may not read is told so by the resolver.
                if !operation.caller.may(Permission::Read) {
                    return None;
                }
                let address = self.located(operation, *rendition);
                raw_json::put(&address.map(|(url, _)| url), out);
            }
            Own::ViewerCanTag => {
                raw_json::put(
                    &allowed(operation, own.viewer_can.tag, Permission::Write),
                    out,
                );
            }
            Own::ViewerCanNote => {
                raw_json::put(
                    &allowed(operation, own.viewer_can.note, Permission::Write),
                    out,
                );
            }
            Own::ViewerCanDelete => {
                let can = own.viewer_can.delete;
                raw_json::put(&allowed(operation, can, Permission::Delete), out);
            }
            Own::Preview => none(own.preview.is_none(), out)?,
            Own::Parent => none(own.parent.is_none(), out)?,
            Own::Root => none(own.root.is_none(), out)?,
        }
        Some(())
    }
}

/// Where an asset has no relative of the kind, that is at hand.
fn none(is_none: bool, out: &mut Vec<u8>) -> Option<()> {
    is_none.then(|| raw_json::null(out))
}

/// An enum's value; `None` where the graph has no word for it, which the engine has to tell.
fn word<T: EnumType>(value: T, out: &mut Vec<u8>) -> Option<()> {
    let item = T::items().iter().find(|item| item.value == value)?;
    raw_json::put(item.name, out);
    Some(())
}
