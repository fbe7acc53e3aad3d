//! Objects most of whose fields only read memory: those are written as JSON where they stand. The
//! engine makes a future in a box of its own for every field, a map for every object, and the JSON
//! of both at the end.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
    resolver_utils::ContainerType,
};
use futures_util::future::try_join_all;

use super::{operation::Operation, raw_json};

/// Bytes that a list takes room for ahead.
const MOST_AHEAD: usize = 64 * 1024;

/// An object most of whose fields only read memory.
pub trait SyncFields: ContainerType {
    /// One of those fields.
    type SyncFields<'a>;

    /// Which of those is selected; `None`: the engine asks the field's resolver.
    fn plain(field: &Field) -> Option<Self::SyncFields<'_>>;

    /// Writes it as JSON. `None`, where it has to be awaited this time, or fails: the engine asks
    /// its resolver, and what was written is taken back.
    fn write(
        &self,
        plain: &Self::SyncFields<'_>,
        operation: &Operation,
        json: &mut Vec<u8>,
    ) -> Option<()>;
}

/// A field as it is selected.
enum Choice<P> {
    Typename,
    SyncFields(P),
    Other,
}

/// What is selected of an object.
pub struct SelectedFields<'a, T: SyncFields>(
    Vec<(&'a Positioned<Field>, Choice<T::SyncFields<'a>>)>,
);

impl<'a, T: SyncFields> SelectedFields<'a, T> {
    /// `None`: fragments are the engine's. An operation that was put together
    /// (`document/collect_fields.rs`) has none on objects, each field once, and no conditions.
    pub fn of(set: &'a SelectionSet) -> Option<Self> {
        let choices = set.items.iter().map(|selection| {
            let Selection::Field(own) = &selection.node else {
                return None;
            };
            let choice = if own.node.name.node == "__typename" {
                Choice::Typename
            } else {
                T::plain(&own.node).map_or(Choice::Other, Choice::SyncFields)
            };
            Some((own, choice))
        });
        choices.collect::<Option<_>>().map(Self)
    }

    /// The same, of an object within an object: all of it is plain, or none.
    pub fn wholly(set: &'a SelectionSet) -> Option<Self> {
        let is_plain = |(_, choice): &(_, Choice<_>)| !matches!(choice, Choice::Other);
        Self::of(set).filter(|selected| selected.0.iter().all(is_plain))
    }

    /// Writes the object, where all of it is in memory.
    pub fn write(&self, root: &T, operation: &Operation, json: &mut Vec<u8>) -> Option<()> {
        self.write_or(root, operation, json, |_, _| None)
    }

    /// Writes the object; calls `awaited` for each field that is not in memory, with its place.
    fn write_or(
        &self,
        root: &T,
        operation: &Operation,
        json: &mut Vec<u8>,
        mut awaited: impl FnMut(&'a Positioned<Field>, usize) -> Option<()>,
    ) -> Option<()> {
        json.push(b'{');
        for (place, (own, choice)) in self.0.iter().enumerate() {
            raw_json::part(place, json);
            raw_json::key(&own.node.response_key().node, json);
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
                awaited(own, begin)?;
            }
        }
        json.push(b'}');
        Some(())
    }
}

/// Writes a list of objects, where all of it is in memory.
pub fn write_list<T: SyncFields>(
    roots: impl ExactSizeIterator<Item = T>,
    selected: &SelectedFields<'_, T>,
    operation: &Operation,
    json: &mut Vec<u8>,
) -> Option<()> {
    json.push(b'[');
    let count = roots.len();
    for (place, root) in roots.enumerate() {
        raw_json::part(place, json);
        let begin = json.len();
        selected.write(&root, operation, json)?;
        if place == 0 {
            // The others are about as long, unless this is a giant.
            let like_it = count.saturating_sub(1) * (json.len() - begin + 16);
            json.reserve(like_it.min(MOST_AHEAD));
        }
    }
    json.push(b']');
    Some(())
}

/// The same object, resolved in one go as far as that goes.
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

/// The operation, where its values may be written before their time.
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
    let resolving = others.iter().map(|(own, _)| {
        let resolving = async { root.resolve_field(&context.with_field(own)).await };
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

/// The object, less the fields that are not in memory: those, and where each belongs. `None`: the
/// engine resolves it.
fn in_memory_fields<'a, T: SyncFields>(
    root: &T,
    context: &ContextSelectionSet<'a>,
) -> Option<(Vec<u8>, Vec<(&'a Positioned<Field>, usize)>)> {
    let operation = writing(context)?;
    let selected = SelectedFields::<T>::of(&context.item.node)?;
    let (mut json, mut others) = (Vec::new(), Vec::new());
    selected.write_or(root, operation, &mut json, |own, place| {
        others.push((own, place));
        Some(())
    })?;
    Some((json, others))
}
