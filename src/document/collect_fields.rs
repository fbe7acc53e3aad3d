//! Merges fields with the same response key, as CollectFields requires (GraphQL, September 2025,
//! 6.3.2). The engine would execute each occurrence of a field, mutations included.
//!
//! The result is the chosen operation alone, without named fragments and without conditions. It
//! lists the fields of each possible object type.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
};

use async_graphql::{
    Name, Pos, Positioned, Variables,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
        InlineFragment, OperationDefinition, OperationType, Selection, SelectionSet, TypeCondition,
    },
};
use async_graphql_value::{ConstValue, Value};

use super::validation::Validator;

/// Approximate memory of a field and of a value, in bytes.
const FIELD_BYTES: usize = 400;
const VALUE_BYTES: usize = 64;

/// Returns the variables used in conditions (`@skip`, `@include`).
pub fn condition_variables(document: &ExecutableDocument) -> Vec<Name> {
    fn in_set(set: &SelectionSet, found: &mut Vec<Name>) {
        for selection in &set.items {
            for directive in selection.node.directives() {
                for (_, value) in &directive.node.arguments {
                    if let Value::Variable(name) = &value.node {
                        found.push(name.clone());
                    }
                }
            }
            match &selection.node {
                Selection::Field(field) => in_set(&field.node.selection_set.node, found),
                Selection::InlineFragment(fragment) => {
                    in_set(&fragment.node.selection_set.node, found);
                }
                // Fragment definitions are visited separately.
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    for (_, operation) in document.operations.iter() {
        in_set(&operation.node.selection_set.node, &mut found);
    }
    for fragment in document.fragments.values() {
        in_set(&fragment.node.selection_set.node, &mut found);
    }
    found
}

/// Approximate memory of a document's operations, in bytes.
pub fn bytes(document: &ExecutableDocument) -> usize {
    fn of_value(value: &Value) -> usize {
        VALUE_BYTES
            + match value {
                Value::String(text) => text.len(),
                Value::List(items) => items.iter().map(of_value).sum(),
                Value::Object(fields) => fields.values().map(of_value).sum(),
                _ => 0,
            }
    }
    fn of_set(set: &SelectionSet) -> usize {
        let each = set.items.iter().map(|selection| match &selection.node {
            Selection::Field(field) => {
                let values = field
                    .node
                    .arguments
                    .iter()
                    .map(|(_, value)| of_value(&value.node));
                FIELD_BYTES + values.sum::<usize>() + of_set(&field.node.selection_set.node)
            }
            Selection::InlineFragment(fragment) => {
                FIELD_BYTES + of_set(&fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(_) => FIELD_BYTES,
        });
        each.sum()
    }
    let operations = document.operations.iter();
    operations
        .map(|(_, operation)| of_set(&operation.node.selection_set.node))
        .sum()
}

/// Returns the operation with each field once. The document was weighed (no fragment cycles, a
/// bounded size with all spreads) and is valid (equal response keys mean equal fields).
pub fn merged(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    rules: &Validator,
    variables: &Variables,
) -> ExecutableDocument {
    let merger = Merger {
        fragments: &document.fragments,
        rules,
        operation,
        variables: Some(variables),
        conflict: Cell::new(None),
    };
    let root = root_type(operation);
    let set = &operation.selection_set;
    let merged = OperationDefinition {
        ty: operation.ty,
        variable_definitions: operation.variable_definitions.clone(),
        directives: operation.directives.clone(),
        selection_set: Positioned::new(merger.merge_sets(root, &[&set.node]), set.pos),
    };
    ExecutableDocument {
        operations: DocumentOperations::Single(Positioned::new(merged, set.pos)),
        fragments: HashMap::new(),
    }
}

/// Checks that fields with the same response key have the same arguments (5.3.2). The validator takes
/// a list for equal to one that begins with it.
///
/// # Errors
/// The first field whose arguments differ from those of an earlier one.
pub fn check_conflicts<'a>(
    document: &'a ExecutableDocument,
    rules: &'a Validator,
) -> Result<(), &'a Positioned<Field>> {
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let merger = Merger {
            fragments: &document.fragments,
            rules,
            operation,
            variables: None,
            conflict: Cell::new(None),
        };
        merger.merge_sets(root_type(operation), &[&operation.selection_set.node]);
        if let Some(field) = merger.conflict.get() {
            return Err(field);
        }
    }
    Ok(())
}

const fn root_type(operation: &OperationDefinition) -> &'static str {
    match operation.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// Removes arguments and input fields that are set to one of these variables without a value. Their
/// defaults then apply (GraphQL, 6.4.1). The engine would use null for such a variable.
pub fn remove_absent_variables(document: &mut ExecutableDocument, absent: &[&Name]) {
    fn in_value(value: &mut Value, absent: &[&Name]) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|inner| in_value(inner, absent)),
            Value::Object(fields) => {
                fields.retain(|_, value| !is_absent(value, absent));
                fields
                    .values_mut()
                    .for_each(|inner| in_value(inner, absent));
            }
            _ => {}
        }
    }
    fn in_set(set: &mut SelectionSet, absent: &[&Name]) {
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) => {
                    let Field {
                        arguments,
                        selection_set,
                        ..
                    } = &mut field.node;
                    arguments.retain(|(_, value)| !is_absent(&value.node, absent));
                    for (_, value) in arguments {
                        in_value(&mut value.node, absent);
                    }
                    in_set(&mut selection_set.node, absent);
                }
                Selection::InlineFragment(fragment) => {
                    in_set(&mut fragment.node.selection_set.node, absent);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    fn is_absent(value: &Value, absent: &[&Name]) -> bool {
        matches!(value, Value::Variable(name) if absent.contains(&name))
    }
    if let DocumentOperations::Single(operation) = &mut document.operations {
        in_set(&mut operation.node.selection_set.node, absent);
    }
}

struct Merger<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    rules: &'a Validator,
    operation: &'a OperationDefinition,
    /// The values of conditions. `None`: every selection is included.
    variables: Option<&'a Variables>,
    /// A field whose arguments differ from those of an equal one.
    conflict: Cell<Option<&'a Positioned<Field>>>,
}

/// Fields selected on an object type, in the order of their first appearance.
#[derive(Default)]
struct Collected<'a> {
    fields: Vec<Vec<&'a Positioned<Field>>>,
    /// Indices into `fields`, by response key.
    places: HashMap<&'a str, usize>,
    /// Named fragments that were already collected.
    spread: HashSet<&'a str>,
}

impl<'a> Merger<'a> {
    /// Merges several selection sets on the same type. For an interface or union, each possible
    /// object type gets a separate inline fragment, which preserves its field order.
    fn merge_sets(&self, parent: &str, sets: &[&'a SelectionSet]) -> SelectionSet {
        let Some(possible) = self.rules.possible(parent) else {
            return self.of_object(parent, sets);
        };
        let pos = Pos::default();
        let items = possible.iter().map(|object| {
            let on = Positioned::new(Name::new(object), pos);
            let fragment = InlineFragment {
                type_condition: Some(Positioned::new(TypeCondition { on }, pos)),
                directives: Vec::new(),
                selection_set: Positioned::new(self.of_object(object, sets), pos),
            };
            let fragment = Selection::InlineFragment(Positioned::new(fragment, pos));
            Positioned::new(fragment, pos)
        });
        let items = if sets.is_empty() {
            Vec::new()
        } else {
            items.collect()
        };
        SelectionSet { items }
    }

    fn of_object(&self, object: &str, sets: &[&'a SelectionSet]) -> SelectionSet {
        let mut collected = Collected::default();
        for set in sets {
            self.collect(object, set, &mut collected);
        }
        let fields = collected.fields.iter();
        SelectionSet {
            items: fields
                .filter_map(|group| self.field(object, group))
                .collect(),
        }
    }

    /// Merges equal fields into one, with the union of their selections.
    fn field(
        &self,
        object: &str,
        fields: &[&'a Positioned<Field>],
    ) -> Option<Positioned<Selection>> {
        let first = fields.first()?;
        let occurrence = &first.node;
        let differs = |other: &&&Positioned<Field>| has_other_arguments(&other.node, occurrence);
        if let Some(other) = fields.iter().skip(1).find(differs)
            && self.conflict.get().is_none()
        {
            self.conflict.set(Some(other));
        }
        let sets: Vec<_> = fields
            .iter()
            .map(|occurrence| &occurrence.node.selection_set.node)
            .filter(|set| !set.items.is_empty())
            .collect();
        let field_type = self.rules.type_of(object, occurrence.name.node.as_str());
        let field = Field {
            alias: occurrence.alias.clone(),
            name: occurrence.name.clone(),
            arguments: occurrence.arguments.clone(),
            directives: Vec::new(),
            selection_set: Positioned::new(
                self.merge_sets(field_type.unwrap_or_default(), &sets),
                occurrence.selection_set.pos,
            ),
        };
        let field = Selection::Field(Positioned::new(field, first.pos));
        Some(Positioned::new(field, first.pos))
    }

    fn collect(&self, object: &str, set: &'a SelectionSet, into: &mut Collected<'a>) {
        for selection in &set.items {
            if !self.is_included(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let next = into.fields.len();
                    let key = field.node.response_key().node.as_str();
                    let index = *into.places.entry(key).or_insert(next);
                    match into.fields.get_mut(index) {
                        Some(fields) => fields.push(field),
                        None => into.fields.push(vec![field]),
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    let condition = fragment.type_condition.as_ref();
                    if condition.is_none_or(|target| self.rules.is_a(object, &target.node.on.node))
                    {
                        self.collect(object, &fragment.selection_set.node, into);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    // Validation guarantees that the fragment exists.
                    if let Some(fragment) = self.fragments.get(name)
                        && into.spread.insert(name)
                        && self
                            .rules
                            .is_a(object, &fragment.node.type_condition.node.on.node)
                    {
                        self.collect(object, &fragment.node.selection_set.node, into);
                    }
                }
            }
        }
    }

    /// Evaluates `@skip` and `@include` (GraphQL, September 2025, 3.13).
    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        let Some(variables) = self.variables else {
            return true;
        };
        directives.iter().all(|directive| {
            let directive = &directive.node;
            let condition = directive
                .get_argument("if")
                .map(|value| self.is_true(&value.node, variables));
            match (directive.name.node.as_str(), condition) {
                ("skip", Some(condition)) => !condition,
                ("include", Some(condition)) => condition,
                _ => true,
            }
        })
    }

    /// Evaluates a Boolean argument that passed validation.
    fn is_true(&self, value: &Value, variables: &Variables) -> bool {
        match value {
            Value::Boolean(value) => *value,
            Value::Variable(name) => match variables.get(name) {
                Some(value) => *value == ConstValue::Boolean(true),
                None => self
                    .operation
                    .variable_definitions
                    .iter()
                    .any(|definition| {
                        let definition = &definition.node;
                        let default = definition.default_value.as_ref().map(|value| &value.node);
                        definition.name.node == *name && default == Some(&ConstValue::Boolean(true))
                    }),
            },
            _ => false,
        }
    }
}

/// Returns whether two fields have other arguments, whatever their order.
fn has_other_arguments(left: &Field, right: &Field) -> bool {
    let is_equal = |(name, value): &(Positioned<Name>, Positioned<Value>)| {
        right
            .get_argument(&name.node)
            .is_some_and(|other| other.node == value.node)
    };
    left.arguments.len() != right.arguments.len() || !left.arguments.iter().all(is_equal)
}
