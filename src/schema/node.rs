//! `Node`: objects with a global id, and reads by that id.

use std::borrow::Cow;

use async_graphql::{
    Context, ContextSelectionSet, ID, Interface, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry as Types,
    resolver_utils::resolve_list,
};

use super::{
    asset::{self, AssetNode},
    error::bad_input,
    fast_path::{FastPath, SelectedFields, resolve, writing},
    filter::unknown_source,
    operation::reading,
    raw_json,
    source::SourceNode,
};
use crate::{
    asset::{AssetId, GlobalId},
    source::Registry,
};

/// An object with a global id, as Relay's specification defines it.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "Global id, for `node`. Opaque and stable."
))]
pub enum Node {
    Asset(AssetNode),
    Source(SourceNode),
}

/// Parses an id and checks that its source is configured. Replaces a source's former name.
pub fn parse(path: &[&str], id: &ID, registry: &Registry) -> async_graphql::Result<GlobalId> {
    let parsed = GlobalId::parse(id).map_err(|invalid| bad_input(path, invalid.to_string()))?;
    let name = match &parsed {
        GlobalId::Asset(id) => &id.source,
        GlobalId::Source(name) => name,
    };
    let Some(source) = registry.named(name) else {
        return Err(unknown_source(path, name.as_str(), registry));
    };
    let current = source.profile().name.clone();
    Ok(match parsed {
        GlobalId::Asset(id) => GlobalId::Asset(AssetId {
            source: current,
            ..id
        }),
        GlobalId::Source(_) => GlobalId::Source(current),
    })
}

pub async fn refetch(
    context: &Context<'_>,
    path: &[&str],
    id: &ID,
) -> async_graphql::Result<Option<Node>> {
    let registry = &reading(context)?.registry;
    match parse(path, id, registry)? {
        GlobalId::Asset(id) => Ok(asset::load(context, id).await?.map(Node::Asset)),
        GlobalId::Source(name) => Ok(registry
            .named(&name)
            .cloned()
            .map(SourceNode)
            .map(Node::Source)),
    }
}

/// Reads an asset by its global id; `None` when it is gone.
///
/// # Errors
/// `BAD_USER_INPUT` unless it is an asset's id of a configured source, and the source's errors.
pub async fn one_asset(
    context: &Context<'_>,
    path: &[&str],
    id: &ID,
) -> async_graphql::Result<Option<AssetNode>> {
    let registry = &reading(context)?.registry;
    match parse(path, id, registry)? {
        GlobalId::Asset(id) => asset::load(context, id).await,
        GlobalId::Source(name) => Err(bad_input(
            path,
            format!("this is the id of source `{name}`, not of an asset"),
        )),
    }
}

/// Returns a source by its global id.
///
/// # Errors
/// `BAD_USER_INPUT` when it is not the id of a configured source.
pub fn one_source(
    context: &Context<'_>,
    path: &[&str],
    id: &ID,
) -> async_graphql::Result<Option<SourceNode>> {
    let registry = &reading(context)?.registry;
    match parse(path, id, registry)? {
        GlobalId::Source(name) => Ok(registry.named(&name).cloned().map(SourceNode)),
        GlobalId::Asset(_) => Err(bad_input(
            path,
            "this is the id of an asset, not of a source",
        )),
    }
}

/// Returns the selection set on `Asset` within a selection on `Node`. `document/collect_fields.rs`
/// leaves one inline fragment for each type.
fn asset_selection(set: &SelectionSet) -> Option<&Positioned<SelectionSet>> {
    set.items.iter().find_map(|selection| {
        let Selection::InlineFragment(fragment) = &selection.node else {
            return None;
        };
        let on = fragment.node.type_condition.as_ref()?;
        (on.node.on.node == "Asset").then_some(&fragment.node.selection_set)
    })
}

impl OutputType for FastPath<Node> {
    fn type_name() -> Cow<'static, str> {
        Node::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Types) -> String {
        Node::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match (&self.0, asset_selection(&context.item.node)) {
            (Node::Asset(asset), Some(set)) => {
                resolve(asset, &context.with_selection_set(set), field).await
            }
            (node, _) => Box::pin(node.resolve(context, field)).await,
        }
    }
}

/// The result of `nodes`: null for a node that is gone, an error for one that cannot be read.
pub struct FastPathList(pub Vec<NodeResult>);

type NodeResult = Option<async_graphql::Result<FastPath<Node>>>;

impl FastPathList {
    /// Writes the list. `None` when it has more than assets and nulls, or a field needs I/O.
    fn write(&self, context: &ContextSelectionSet<'_>) -> Option<Vec<u8>> {
        let operation = writing(context)?;
        let selected = SelectedFields::<AssetNode>::of(&asset_selection(&context.item.node)?.node)?;
        let mut json = vec![b'['];
        for (index, node) in self.0.iter().enumerate() {
            raw_json::part(index, &mut json);
            match node {
                None => raw_json::null(&mut json),
                Some(Ok(FastPath(Node::Asset(asset)))) => {
                    selected.write(asset, operation, &mut json)?;
                }
                Some(_) => return None,
            }
        }
        json.push(b']');
        Some(json)
    }
}

impl OutputType for FastPathList {
    fn type_name() -> Cow<'static, str> {
        Vec::<NodeResult>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<NodeResult> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Types) -> String {
        <Vec<NodeResult> as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if let Some(json) = self.write(context) {
            return Ok(raw_json::written(json));
        }
        let each = self.0.iter().map(|result| {
            let result = result.as_ref();
            result.map(|result| result.as_ref().map_err(Clone::clone))
        });
        resolve_list(context, field, each, Some(self.0.len())).await
    }
}
