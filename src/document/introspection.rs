//! Gives an interface type its `interfaces` (GraphQL, September 2025, 4.2.2): a list, where the
//! engine answers null. So a type's kind is selected beside them.

use async_graphql::{
    Name, Positioned,
    parser::types::{DocumentOperations, ExecutableDocument, Field, Selection, SelectionSet},
};
use async_graphql_value::ConstValue;

/// Before the response key of a field `interfaces`, the key of its type's kind. No name of a document
/// has a space.
const KIND_OF: &str = "kind of ";

/// Selects the kind of each type whose interfaces are selected.
pub fn select_kinds(document: &mut ExecutableDocument) {
    fn in_set(set: &mut SelectionSet) {
        let mut kinds = Vec::new();
        for selection in &mut set.items {
            let position = selection.pos;
            match &mut selection.node {
                Selection::Field(field) => {
                    let field = &mut field.node;
                    in_set(&mut field.selection_set.node);
                    if field.name.node == "interfaces" {
                        let key = Name::new(format!("{KIND_OF}{}", field.response_key().node));
                        let kind = Field {
                            alias: Some(Positioned::new(key, position)),
                            name: Positioned::new(Name::new("kind"), position),
                            arguments: Vec::new(),
                            directives: Vec::new(),
                            selection_set: Positioned::default(),
                        };
                        let kind = Selection::Field(Positioned::new(kind, position));
                        kinds.push(Positioned::new(kind, position));
                    }
                }
                Selection::InlineFragment(fragment) => {
                    in_set(&mut fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        set.items.append(&mut kinds);
    }
    if let DocumentOperations::Single(operation) = &mut document.operations {
        in_set(&mut operation.node.selection_set.node);
    }
}

/// Takes the selected kinds out of a response, and makes the interfaces of interface types lists.
pub fn list_interfaces(data: &mut ConstValue) {
    match data {
        ConstValue::List(items) => items.iter_mut().for_each(list_interfaces),
        ConstValue::Object(fields) => {
            let keys = fields.keys().filter(|key| key.starts_with(KIND_OF));
            for key in keys.cloned().collect::<Vec<_>>() {
                let kind = fields.shift_remove(&key);
                let interfaces = key.strip_prefix(KIND_OF).unwrap_or_default();
                if kind == Some(ConstValue::Enum(Name::new("INTERFACE")))
                    && let Some(value) = fields.get_mut(interfaces)
                {
                    *value = ConstValue::List(Vec::new());
                }
            }
            fields.values_mut().for_each(list_interfaces);
        }
        _ => {}
    }
}
