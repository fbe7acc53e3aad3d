//! Serializes objects directly to JSON when their selected fields need no I/O. The engine would box
//! a future for every field, build a map for every object, and serialize all of it at the end.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
    resolver_utils::ContainerType,
};
use futures_util::future::try_join_all;

use super::{operation::Operation, raw_json};

/// The most bytes that a list reserves ahead.
const MAX_RESERVE: usize = 64 * 1024;

/// An object whose fields mostly need no I/O.
pub trait SyncFields: ContainerType {
    /// A selected field that needs no I/O.
    type SyncFields<'a>;

    /// Parses a selected field. `None`: the engine calls the field's resolver.
    fn plain(field: &Field) -> Option<Self::SyncFields<'_>>;

    /// Writes the field as JSON. `None` when it needs I/O this time, or fails: the caller truncates
    /// the output and the engine calls the resolver.
    fn write(
        &self,
        plain: &Self::SyncFields<'_>,
        operation: &Operation,
        json: &mut Vec<u8>,
    ) -> Option<()>;
}

/// How a selected field is resolved.
enum Choice<P> {
    Typename,
    SyncFields(P),
    Other,
}

/// The selected fields of an object.
pub struct SelectedFields<'a, T: SyncFields>(
    Vec<(&'a Positioned<Field>, Choice<T::SyncFields<'a>>)>,
);

impl<'a, T: SyncFields> SelectedFields<'a, T> {
    /// Parses a selection set. `None` when it has fragments: the engine resolves them. The output
    /// of `document/collect_fields.rs` has none on objects, each field once, and no conditions.
    pub fn of(set: &'a SelectionSet) -> Option<Self> {
        let choices = set.items.iter().map(|selection| {
            let Selection::Field(field) = &selection.node else {
                return None;
            };
            let choice = if field.node.name.node == "__typename" {
                Choice::Typename
            } else {
                T::plain(&field.node).map_or(Choice::Other, Choice::SyncFields)
            };
            Some((field, choice))
        });
        choices.collect::<Option<_>>().map(Self)
    }

    /// Parses the selection set of a nested object. `None` when any of its fields needs I/O.
    pub fn all_sync(set: &'a SelectionSet) -> Option<Self> {
        let is_plain = |(_, choice): &(_, Choice<_>)| !matches!(choice, Choice::Other);
        Self::of(set).filter(|selected| selected.0.iter().all(is_plain))
    }

    /// Writes the object. `None` when a field needs I/O.
    pub fn write(&self, root: &T, operation: &Operation, json: &mut Vec<u8>) -> Option<()> {
        self.write_with(root, operation, json, |_, _| None)
    }

    /// Writes the object. Calls `awaited` for each field that needs I/O, with its byte offset.
    fn write_with(
        &self,
        root: &T,
        operation: &Operation,
        json: &mut Vec<u8>,
        mut awaited: impl FnMut(&'a Positioned<Field>, usize) -> Option<()>,
    ) -> Option<()> {
        json.push(b'{');
        for (index, (field, choice)) in self.0.iter().enumerate() {
            raw_json::part(index, json);
            raw_json::key(&field.node.response_key().node, json);
            let begin = json.len();
            let written = match choice {
                Choice::Typename => {
                    raw_json::put(&root.introspection_type_name(), json);
                    Some(())
                }
                Choice::SyncFields(plain) => root.write(plain, operation, json),
                Choice::Other => None,
            };
            if written.is_none() {
                json.truncate(begin);
                awaited(field, begin)?;
            }
        }
        json.push(b'}');
        Some(())
    }
}

/// Writes a list of objects. `None` when a field needs I/O.
pub fn write_list<T: SyncFields>(
    roots: impl ExactSizeIterator<Item = T>,
    selected: &SelectedFields<'_, T>,
    operation: &Operation,
    json: &mut Vec<u8>,
) -> Option<()> {
    json.push(b'[');
    let count = roots.len();
    for (index, root) in roots.enumerate() {
        raw_json::part(index, json);
        let begin = json.len();
        selected.write(&root, operation, json)?;
        if index == 0 {
            // The other elements are about as long. The limit guards against a huge first one.
            let estimate = count.saturating_sub(1) * (json.len() - begin + 16);
            json.reserve(estimate.min(MAX_RESERVE));
        }
    }
    json.push(b']');
    Some(())
}

/// Wraps an object to resolve its synchronous fields in one pass. The engine resolves the others.
pub struct FastPath<T>(pub T);

impl<T: SyncFields> OutputType for FastPath<T> {
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

/// Returns the operation when its values may be serialized early.
pub fn writing<'a>(context: &ContextSelectionSet<'a>) -> Option<&'a Operation> {
    let operation = context.data_opt::<Operation>()?;
    operation.writes_json.then_some(operation)
}

pub async fn resolve<T: SyncFields>(
    root: &T,
    context: &ContextSelectionSet<'_>,
    field: &Positioned<Field>,
) -> ServerResult<Value> {
    let Some((json, others)) = in_memory_fields(root, context) else {
        return Box::pin(root.resolve(context, field)).await;
    };
    if others.is_empty() {
        return Ok(raw_json::written(json));
    }
    let resolving = others.iter().map(|(other_field, _)| {
        let resolving = async { root.resolve_field(&context.with_field(other_field)).await };
        Box::pin(resolving)
    });
    let resolved = try_join_all(resolving).await?;
    let mut whole = Vec::with_capacity(json.len());
    let (mut rest, mut begin) = (&*json, 0);
    for ((_, place), value) in others.iter().zip(&resolved) {
        let (before, after) = rest.split_at(place - begin);
        whole.extend_from_slice(before);
        raw_json::write(value.as_ref().unwrap_or(&Value::Null), &mut whole);
        (rest, begin) = (after, *place);
    }
    whole.extend_from_slice(rest);
    Ok(raw_json::written(whole))
}

/// Writes the object without the fields that need I/O. Returns these fields with their byte
/// offsets. `None`: the engine resolves the whole object.
fn in_memory_fields<'a, T: SyncFields>(
    root: &T,
    context: &ContextSelectionSet<'a>,
) -> Option<(Vec<u8>, Vec<(&'a Positioned<Field>, usize)>)> {
    let operation = writing(context)?;
    let selected = SelectedFields::<T>::of(&context.item.node)?;
    let (mut json, mut others) = (Vec::new(), Vec::new());
    selected.write_with(root, operation, &mut json, |field, offset| {
        others.push((field, offset));
        Some(())
    })?;
    Some((json, others))
}
