//! Writes the fields of a page that need no I/O as JSON, with the same results as their resolvers.

use std::sync::Arc;

use async_graphql::parser::types::Field;

use super::{AssetConnection, AssetEdge, PageInfo};
use crate::schema::{
    asset::AssetNode,
    fast_path::{SelectedFields, SyncFields, write_list},
    operation::Operation,
    raw_json,
};

/// A field of `AssetConnection` that needs no I/O.
pub enum ConnectionField<'a> {
    Edges(SelectedFields<'a, AssetEdge>),
    Nodes(SelectedFields<'a, AssetNode>),
    PageInfo(SelectedFields<'a, PageInfo>),
    TotalCount,
    IsComplete,
}

impl SyncFields for AssetConnection {
    type SyncFields<'a> = ConnectionField<'a>;

    fn plain(field: &Field) -> Option<ConnectionField<'_>> {
        let set = &field.selection_set.node;
        Some(match field.name.node.as_str() {
            "edges" => ConnectionField::Edges(SelectedFields::all_sync(set)?),
            "nodes" => ConnectionField::Nodes(SelectedFields::all_sync(set)?),
            "pageInfo" => ConnectionField::PageInfo(SelectedFields::all_sync(set)?),
            "totalCount" => ConnectionField::TotalCount,
            "isComplete" => ConnectionField::IsComplete,
            _ => return None,
        })
    }

    fn write(
        &self,
        plain: &ConnectionField<'_>,
        operation: &Operation,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        match plain {
            ConnectionField::Edges(selected) => {
                write_list(self.all_edges(), selected, operation, out)?;
            }
            ConnectionField::Nodes(selected) => {
                write_list(self.all_nodes(), selected, operation, out)?;
            }
            ConnectionField::PageInfo(selected) => selected.write(&self.ends(), operation, out)?,
            ConnectionField::TotalCount => raw_json::put(&self.count(), out),
            ConnectionField::IsComplete => raw_json::put(&self.is_gap_free(), out),
        }
        Some(())
    }
}

/// A field of `AssetEdge` that needs no I/O.
pub enum EdgeField<'a> {
    Node(SelectedFields<'a, AssetNode>),
    Cursor,
}

impl SyncFields for AssetEdge {
    type SyncFields<'a> = EdgeField<'a>;

    fn plain(field: &Field) -> Option<EdgeField<'_>> {
        Some(match field.name.node.as_str() {
            "node" => EdgeField::Node(SelectedFields::all_sync(&field.selection_set.node)?),
            "cursor" => EdgeField::Cursor,
            _ => return None,
        })
    }

    fn write(&self, plain: &EdgeField<'_>, operation: &Operation, out: &mut Vec<u8>) -> Option<()> {
        match plain {
            EdgeField::Node(selected) => {
                let node = AssetNode(Arc::clone(&self.edge.asset));
                selected.write(&node, operation, out)?;
            }
            EdgeField::Cursor => raw_json::put(&self.page.cursor(&self.edge.place), out),
        }
        Some(())
    }
}

/// A field of `PageInfo`.
#[derive(Clone, Copy)]
pub enum PageInfoField {
    HasPreviousPage,
    HasNextPage,
    StartCursor,
    EndCursor,
}

impl SyncFields for PageInfo {
    type SyncFields<'a> = PageInfoField;

    fn plain(field: &Field) -> Option<PageInfoField> {
        Some(match field.name.node.as_str() {
            "hasPreviousPage" => PageInfoField::HasPreviousPage,
            "hasNextPage" => PageInfoField::HasNextPage,
            "startCursor" => PageInfoField::StartCursor,
            "endCursor" => PageInfoField::EndCursor,
            _ => return None,
        })
    }

    fn write(&self, plain: &PageInfoField, _: &Operation, out: &mut Vec<u8>) -> Option<()> {
        match plain {
            PageInfoField::HasPreviousPage => raw_json::put(&self.has_previous_page, out),
            PageInfoField::HasNextPage => raw_json::put(&self.has_next_page, out),
            PageInfoField::StartCursor => raw_json::put(&self.start_cursor, out),
            PageInfoField::EndCursor => raw_json::put(&self.end_cursor, out),
        }
        Some(())
    }
}
