//! Fields of one response key become one, as the specification's CollectFields says (GraphQL,
//! September 2025, 6.3.2): the engine runs each that is written, a mutation too.
//!
//! What comes out is the chosen operation alone, without fragments that have names and without
//! conditions.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
        InlineFragment, OperationDefinition, OperationType, Selection, SelectionSet, TypeCondition,
    },
};
use async_graphql_value::{ConstValue, Value};

use super::rules::Rules;

/// Whether the document has conditions that variables decide.
pub fn depends_on_variables(document: &ExecutableDocument) -> bool {
    fn in_set(set: &SelectionSet) -> bool {
        set.items.iter().any(|selection| {
            let depends = |own: &Positioned<Directive>| {
                let mut values = own.node.arguments.iter();
                values.any(|(_, value)| matches!(value.node, Value::Variable(_)))
            };
            let inside = match &selection.node {
                Selection::Field(field) => in_set(&field.node.selection_set.node),
                Selection::InlineFragment(fragment) => in_set(&fragment.node.selection_set.node),
                // Fragments are looked at by themselves.
                Selection::FragmentSpread(_) => false,
            };
            inside || selection.node.directives().iter().any(depends)
        })
    }
    let operations = document.operations.iter();
    let fragments = document.fragments.values();
    operations
        .map(|(_, own)| &own.node.selection_set.node)
        .chain(fragments.map(|own| &own.node.selection_set.node))
        .any(in_set)
}

/// The operation with each field once. The document was weighed (no fragment spreads itself, and
/// all it spreads is bounded) and is valid (equal response keys mean equal fields).
pub fn merged(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    rules: &Rules,
    variables: &Variables,
) -> ExecutableDocument {
    let merger = Merger {
        fragments: &document.fragments,
        rules,
        operation,
        variables,
    };
    let root = match operation.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    };
    let set = &operation.selection_set;
    let merged = OperationDefinition {
        ty: operation.ty,
        variable_definitions: operation.variable_definitions.clone(),
        directives: operation.directives.clone(),
        selection_set: Positioned::new(merger.one(root, &[&set.node]), set.pos),
    };
    ExecutableDocument {
        operations: DocumentOperations::Single(Positioned::new(merged, set.pos)),
        fragments: HashMap::new(),
    }
}

struct Merger<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    rules: &'a Rules,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

/// What is selected on one type, in the order of its first appearance.
#[derive(Default)]
struct Collected<'a> {
    groups: Vec<Group<'a>>,
    /// Places of fields by response key, and of narrower types by name.
    fields: HashMap<&'a str, usize>,
    narrower: HashMap<&'a str, usize>,
    /// Fragments that are in already.
    spread: HashSet<&'a str>,
}

enum Group<'a> {
    Field(Vec<&'a Positioned<Field>>),
    /// What holds for some of the objects only.
    Narrower(&'a Positioned<TypeCondition>, Vec<&'a SelectionSet>),
}

impl<'a> Merger<'a> {
    /// One selection set of several on the same type.
    fn one(&self, parent: &str, sets: &[&'a SelectionSet]) -> SelectionSet {
        let mut collected = Collected::default();
        for set in sets {
            self.collect(parent, set, &mut collected);
        }
        let items = collected
            .groups
            .into_iter()
            .filter_map(|group| match group {
                Group::Field(fields) => self.field(parent, &fields),
                Group::Narrower(condition, sets) => {
                    let set = self.one(condition.node.on.node.as_str(), &sets);
                    let fragment = InlineFragment {
                        type_condition: Some(condition.clone()),
                        directives: Vec::new(),
                        selection_set: Positioned::new(set, condition.pos),
                    };
                    let fragment = Positioned::new(fragment, condition.pos);
                    Some(Positioned::new(
                        Selection::InlineFragment(fragment),
                        condition.pos,
                    ))
                }
            });
        SelectionSet {
            items: items.collect(),
        }
    }

    /// Equal fields as one, with all that is selected in any.
    fn field(
        &self,
        parent: &str,
        fields: &[&'a Positioned<Field>],
    ) -> Option<Positioned<Selection>> {
        let first = fields.first()?;
        let own = &first.node;
        let sets: Vec<_> = fields
            .iter()
            .map(|own| &own.node.selection_set.node)
            .collect();
        // Of a type that is not known nothing is put together.
        let of = self
            .rules
            .type_of(parent, own.name.node.as_str())
            .unwrap_or_default();
        let field = Field {
            alias: own.alias.clone(),
            name: own.name.clone(),
            arguments: own.arguments.clone(),
            directives: Vec::new(),
            selection_set: Positioned::new(self.one(of, &sets), own.selection_set.pos),
        };
        let field = Selection::Field(Positioned::new(field, first.pos));
        Some(Positioned::new(field, first.pos))
    }

    fn collect(&self, parent: &str, set: &'a SelectionSet, into: &mut Collected<'a>) {
        for selection in &set.items {
            if !self.is_included(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let next = into.groups.len();
                    let key = field.node.response_key().node.as_str();
                    let place = *into.fields.entry(key).or_insert(next);
                    if place == next {
                        into.groups.push(Group::Field(Vec::new()));
                    }
                    if let Some(Group::Field(fields)) = into.groups.get_mut(place) {
                        fields.push(field);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    self.fragment(parent, condition, &fragment.node.selection_set.node, into);
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    // Validation knows each by name.
                    if let Some(fragment) = self.fragments.get(name)
                        && into.spread.insert(name)
                    {
                        let fragment = &fragment.node;
                        let condition = Some(&fragment.type_condition);
                        self.fragment(parent, condition, &fragment.selection_set.node, into);
                    }
                }
            }
        }
    }

    fn fragment(
        &self,
        parent: &str,
        condition: Option<&'a Positioned<TypeCondition>>,
        set: &'a SelectionSet,
        into: &mut Collected<'a>,
    ) {
        let narrows = |condition: &&Positioned<TypeCondition>| {
            // A valid condition on an object holds for it.
            condition.node.on.node.as_str() != parent && !self.rules.is_object(parent)
        };
        let Some(condition) = condition.filter(narrows) else {
            return self.collect(parent, set, into);
        };
        let next = into.groups.len();
        let on = condition.node.on.node.as_str();
        let place = *into.narrower.entry(on).or_insert(next);
        if place == next {
            into.groups.push(Group::Narrower(condition, Vec::new()));
        }
        if let Some(Group::Narrower(_, sets)) = into.groups.get_mut(place) {
            sets.push(set);
        }
    }

    /// What `@skip` and `@include` say (GraphQL, September 2025, 3.13).
    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let directive = &directive.node;
            let condition = directive
                .get_argument("if")
                .map(|value| self.is_true(&value.node));
            match (directive.name.node.as_str(), condition) {
                ("skip", Some(condition)) => !condition,
                ("include", Some(condition)) => condition,
                _ => true,
            }
        })
    }

    /// Of a Boolean that validation has seen.
    fn is_true(&self, value: &Value) -> bool {
        match value {
            Value::Boolean(value) => *value,
            Value::Variable(name) => match self.variables.get(name) {
                Some(value) => *value == ConstValue::Boolean(true),
                None => self.operation.variable_definitions.iter().any(|own| {
                    let own = &own.node;
                    let default = own.default_value.as_ref().map(|value| &value.node);
                    own.name.node == *name && default == Some(&ConstValue::Boolean(true))
                }),
            },
            _ => false,
        }
    }
}
