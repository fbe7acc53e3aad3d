//! Fields that are at hand, resolved where they stand. The engine makes a future in a box of its
//! own for every field; most of an asset's only read memory.

use std::borrow::Cow;

use async_graphql::{
    Context, ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils::ContainerType,
};
use futures_util::future::try_join_all;

use super::query::Node;

/// An object most of whose fields only read memory.
pub trait Plain: ContainerType {
    /// The field, where nothing has to be awaited for it and it does not fail; else the engine asks
    /// its resolver.
    fn at_hand(&self, context: &Context<'_>) -> Option<Value>;
}

/// The same object, resolved in one go as far as that goes.
pub struct AtHand<T>(pub T);

impl<T: Plain> OutputType for AtHand<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve(&self.0, context, field).await
    }
}

impl OutputType for AtHand<Node> {
    fn type_name() -> Cow<'static, str> {
        Node::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Node::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        // What is put together (`server/document/merge.rs`) has one fragment for each type.
        let of_asset = context.item.node.items.iter().find_map(|selection| {
            let Selection::InlineFragment(own) = &selection.node else {
                return None;
            };
            let on = own.node.type_condition.as_ref()?;
            (on.node.on.node == "Asset").then_some(&own.node.selection_set)
        });
        match (&self.0, of_asset) {
            (Node::Asset(asset), Some(set)) => {
                resolve(asset, &context.with_selection_set(set), field).await
            }
            (node, _) => Box::pin(node.resolve(context, field)).await,
        }
    }
}

/// The fields of an operation that was put together: each once, without conditions.
async fn resolve<T: Plain>(
    root: &T,
    context: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
) -> ServerResult<Value> {
    let selections = &context.item.node.items;
    let mut object = IndexMap::with_capacity(selections.len());
    let mut others = Vec::new();
    for selection in selections {
        let Selection::Field(own) = &selection.node else {
            return Box::pin(root.resolve(context, field)).await;
        };
        let name = own.node.name.node.as_str();
        let value = if name == "__typename" {
            Some(Value::String(root.introspection_type_name().into_owned()))
        } else {
            root.at_hand(&context.with_field(own))
        };
        let key = &own.node.response_key().node;
        if value.is_none() {
            others.push((key, own));
        }
        // Others have their place already.
        object.insert(key.clone(), value.unwrap_or_default());
    }
    if !others.is_empty() {
        let resolving = others.iter().map(|(_, own)| {
            let resolving = async { root.resolve_field(&context.with_field(own)).await };
            Box::pin(resolving)
        });
        let resolved = try_join_all(resolving).await?;
        for ((key, _), value) in others.into_iter().zip(resolved) {
            object.insert(key.clone(), value.unwrap_or_default());
        }
    }
    Ok(Value::Object(object))
}
