//! What of a page only reads memory, as JSON: as the resolvers of the same names.

use std::sync::Arc;

use async_graphql::parser::types::Field;

use super::{AssetConnection, AssetEdge, PageInfo};
use crate::schema::{
    Operation,
    asset::AssetNode,
    fast_path::{Plain, Selected, write_list},
    raw_json,
};

/// A page's.
pub enum OfPage<'a> {
    Edges(Selected<'a, AssetEdge>),
    Nodes(Selected<'a, AssetNode>),
    PageInfo(Selected<'a, PageInfo>),
    TotalCount,
    IsComplete,
}

impl Plain for AssetConnection {
    type Plain<'a> = OfPage<'a>;

    fn plain(field: &Field) -> Option<OfPage<'_>> {
        let set = &field.selection_set.node;
        Some(match field.name.node.as_str() {
            "edges" => OfPage::Edges(Selected::wholly(set)?),
            "nodes" => OfPage::Nodes(Selected::wholly(set)?),
            "pageInfo" => OfPage::PageInfo(Selected::wholly(set)?),
            "totalCount" => OfPage::TotalCount,
            "isComplete" => OfPage::IsComplete,
            _ => return None,
        })
    }

    fn write(&self, plain: &OfPage<'_>, operation: &Operation, out: &mut Vec<u8>) -> Option<()> {
        match plain {
            OfPage::Edges(selected) => write_list(self.all_edges(), selected, operation, out)?,
            OfPage::Nodes(selected) => write_list(self.all_nodes(), selected, operation, out)?,
            OfPage::PageInfo(selected) => selected.write(&self.ends(), operation, out)?,
            OfPage::TotalCount => raw_json::put(&self.count(), out),
            OfPage::IsComplete => raw_json::put(&self.misses_nothing(), out),
        }
        Some(())
    }
}

/// An edge's.
pub enum OfEdge<'a> {
    Node(Selected<'a, AssetNode>),
    Cursor,
}

impl Plain for AssetEdge {
    type Plain<'a> = OfEdge<'a>;

    fn plain(field: &Field) -> Option<OfEdge<'_>> {
        Some(match field.name.node.as_str() {
            "node" => OfEdge::Node(Selected::wholly(&field.selection_set.node)?),
            "cursor" => OfEdge::Cursor,
            _ => return None,
        })
    }

    fn write(&self, plain: &OfEdge<'_>, operation: &Operation, out: &mut Vec<u8>) -> Option<()> {
        match plain {
            OfEdge::Node(selected) => {
                let node = AssetNode(Arc::clone(&self.edge.asset));
                selected.write(&node, operation, out)?;
            }
            OfEdge::Cursor => raw_json::put(&self.page.cursor(&self.edge.place), out),
        }
        Some(())
    }
}

/// Of where to go on.
#[derive(Clone, Copy)]
pub enum OfEnds {
    HasPreviousPage,
    HasNextPage,
    StartCursor,
    EndCursor,
}

impl Plain for PageInfo {
    type Plain<'a> = OfEnds;

    fn plain(field: &Field) -> Option<OfEnds> {
        Some(match field.name.node.as_str() {
            "hasPreviousPage" => OfEnds::HasPreviousPage,
            "hasNextPage" => OfEnds::HasNextPage,
            "startCursor" => OfEnds::StartCursor,
            "endCursor" => OfEnds::EndCursor,
            _ => return None,
        })
    }

    fn write(&self, plain: &OfEnds, _: &Operation, out: &mut Vec<u8>) -> Option<()> {
        match plain {
            OfEnds::HasPreviousPage => raw_json::put(&self.has_previous_page, out),
            OfEnds::HasNextPage => raw_json::put(&self.has_next_page, out),
            OfEnds::StartCursor => raw_json::put(&self.start_cursor, out),
            OfEnds::EndCursor => raw_json::put(&self.end_cursor, out),
        }
        Some(())
    }
}
