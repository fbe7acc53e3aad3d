//! Weighs a parsed document against the limits, before validation.
//!
//! The visitor stores each fragment's weight. So it visits each node a constant number of times,
//! however often the fragment is spread.

use std::collections::HashMap;

use apollo_compiler::{
    Node,
    ast::{
        Argument, Definition, DirectiveList, Document, FragmentDefinition, OperationDefinition,
        Selection, Value,
    },
};
use async_graphql_value::ConstValue;

use super::error::{DocumentError, ErrorCode};
use crate::settings::Limits;

/// The engine's marker for an uploaded file in variables. The gateway uses a different one, so a
/// client that sends this marker is hostile.
const ENGINE_MARK: &str = "#__graphql_file__:";

/// The weight of a selection set, including every fragment that it spreads.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    selections: u64,
    depth: u32,
    aliases: u64,
    /// Fields at this level, including those of fragments.
    fields: u64,
    /// Nesting depth of lists in introspection.
    lists: u32,
    /// Uses of variables.
    variables: u64,
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.fields = self.fields.saturating_add(other.fields);
        self.depth = self.depth.max(other.depth);
        self.lists = self.lists.max(other.lists);
        self.variables = self.variables.saturating_add(other.variables);
    }
}

/// Counts of a document, collected during the weighing.
#[derive(Debug, Clone, Copy, Default)]
pub struct DocumentStats {
    /// Selections, directives and variable definitions visited.
    pub nodes: u64,
    /// Uses of variables in all operations, each fragment counted as often as it is spread.
    pub variables: u64,
    /// Selections of all operations, each fragment counted as often as it is spread.
    pub selections: u64,
}

/// Weighs a document against the limits.
///
/// # Errors
/// A [`DocumentError`] with limit, value and maximum, or for a fragment cycle or upload marker.
pub fn weigh(document: &Document, limits: &Limits) -> Result<DocumentStats, DocumentError> {
    let definitions = document.definitions.iter();
    let operations: Vec<_> = definitions
        .filter_map(Definition::as_operation_definition)
        .collect();
    if operations.len() > limits.operations {
        return Err(DocumentError::limit(
            "operations",
            "number of operations",
            operations.len() as u64,
            limits.operations as u64,
        ));
    }
    let mut fragments = HashMap::new();
    let definitions = document.definitions.iter();
    for fragment in definitions.filter_map(Definition::as_fragment_definition) {
        if fragments.insert(fragment.name.as_str(), fragment).is_some() {
            return Err(DocumentError::document(
                ErrorCode::ValidationFailed,
                format!(
                    "There can be only one fragment named \"{}\".",
                    fragment.name
                ),
            ));
        }
    }
    let mut visitor = LimitVisitor {
        fragments: &fragments,
        weighed: HashMap::new(),
        directives: limits.directives,
        values: Values::new(limits),
        stats: DocumentStats::default(),
    };
    // Validation also visits fragments that are never spread, so they are weighed too.
    for name in fragments.keys() {
        let weight = visitor.fragment(name)?;
        check_weight(
            weight,
            ("introspection_depth", limits.introspection_depth),
            limits,
        )?;
    }
    for operation in operations {
        check(&mut visitor, operation, limits)?;
    }
    Ok(visitor.stats)
}

fn check<'a>(
    visitor: &mut LimitVisitor<'a>,
    operation: &'a OperationDefinition,
    limits: &Limits,
) -> Result<(), DocumentError> {
    let mut variables = visitor.directives(&operation.directives)?;
    for variable in &operation.variables {
        visitor.stats.nodes += 1;
        variables += visitor.directives(&variable.directives)?;
        if let Some(value) = &variable.default_value {
            visitor.values.check(value)?;
        }
    }
    let set = &operation.selection_set;
    let weight = visitor.set(set)?;
    let stats = &mut visitor.stats;
    stats.selections = stats.selections.saturating_add(weight.selections);
    stats.variables = stats
        .variables
        .saturating_add(variables.saturating_add(weight.variables));
    let deepest = if only_introspects(set) {
        ("introspection_depth", limits.introspection_depth)
    } else {
        ("depth", limits.depth)
    };
    check_weight(weight, deepest, limits)?;
    if weight.fields > limits.root_fields as u64 {
        return Err(DocumentError::limit(
            "root_fields",
            "number of root fields",
            weight.fields,
            limits.root_fields as u64,
        ));
    }
    Ok(())
}

/// Checks a weight against the limits for operations and fragments.
fn check_weight(
    weight: Weight,
    (depth, deepest): (&'static str, usize),
    limits: &Limits,
) -> Result<(), DocumentError> {
    for (name, what, value, maximum) in [
        (
            "selections",
            "number of selections, spread fragments counted each time,",
            weight.selections,
            limits.selections,
        ),
        (depth, "depth", weight.depth.into(), deepest as u64),
        (
            "aliases",
            "number of aliases",
            weight.aliases,
            limits.aliases as u64,
        ),
        (
            "introspection_lists",
            "nesting of lists in its introspection",
            weight.lists.into(),
            limits.introspection_lists,
        ),
    ] {
        if value > maximum {
            return Err(DocumentError::limit(name, what, value, maximum));
        }
    }
    Ok(())
}

/// Weighs each fragment once, however often it is spread: the time is linear in the document.
struct LimitVisitor<'a> {
    fragments: &'a HashMap<&'a str, &'a Node<FragmentDefinition>>,
    /// Weights by fragment. `None` marks a fragment in progress: a second visit means a cycle.
    weighed: HashMap<&'a str, Option<Weight>>,
    directives: usize,
    values: Values,
    stats: DocumentStats,
}

impl<'a> LimitVisitor<'a> {
    fn set(&mut self, set: &'a [Selection]) -> Result<Weight, DocumentError> {
        let mut whole = Weight::default();
        for selection in set {
            whole.add(self.selection(selection)?);
        }
        Ok(whole)
    }

    fn selection(&mut self, selection: &'a Selection) -> Result<Weight, DocumentError> {
        self.stats.nodes += 1;
        let mut variables = 0;
        let mut weight = match selection {
            Selection::Field(field) => {
                variables += self.directives(&field.directives)?;
                variables += self.arguments(&field.arguments)?;
                let mut weight = self.set(&field.selection_set)?;
                weight.selections = weight.selections.saturating_add(1);
                weight.depth = weight.depth.saturating_add(1);
                weight.aliases = weight.aliases.saturating_add(field.alias.is_some().into());
                weight.fields = 1;
                let is_list = matches!(
                    field.name.as_str(),
                    "fields" | "inputFields" | "interfaces" | "possibleTypes"
                );
                weight.lists += u32::from(is_list);
                weight
            }
            Selection::InlineFragment(fragment) => {
                variables += self.directives(&fragment.directives)?;
                self.set(&fragment.selection_set)?
            }
            Selection::FragmentSpread(spread) => {
                variables += self.directives(&spread.directives)?;
                self.fragment(&spread.fragment_name)?
            }
        };
        weight.variables = weight.variables.saturating_add(variables);
        Ok(weight)
    }

    fn fragment(&mut self, name: &str) -> Result<Weight, DocumentError> {
        // The validator refuses unknown fragments. Each spread counts as one selection.
        let Some((&name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(Weight {
                selections: 1,
                ..Weight::default()
            });
        };
        match self.weighed.get(name) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                return Err(DocumentError::document(
                    ErrorCode::ValidationFailed,
                    format!("fragment `{name}` spreads itself"),
                ));
            }
            None => {}
        }
        self.weighed.insert(name, None);
        let variables = self.directives(&fragment.directives)?;
        let mut weight = self.set(&fragment.selection_set)?;
        weight.variables = weight.variables.saturating_add(variables);
        self.weighed.insert(name, Some(weight));
        Ok(weight)
    }

    /// Checks directives and returns the number of variables in them.
    fn directives(&mut self, directives: &DirectiveList) -> Result<u64, DocumentError> {
        if directives.len() > self.directives {
            return Err(DocumentError::limit(
                "directives",
                "number of directives in one place",
                directives.len() as u64,
                self.directives as u64,
            ));
        }
        let mut variables = 0;
        for directive in directives {
            self.stats.nodes += 1;
            variables += self.arguments(&directive.arguments)?;
        }
        Ok(variables)
    }

    /// Checks arguments and returns the number of variables in them.
    fn arguments(&self, arguments: &[Node<Argument>]) -> Result<u64, DocumentError> {
        let arguments = arguments.iter();
        arguments
            .map(|argument| self.values.check(&argument.value))
            .sum()
    }
}

/// Checks the values in literals and variables.
pub struct Values {
    /// Maximum items of a list.
    items: usize,
}

impl Values {
    pub fn new(limits: &Limits) -> Self {
        Self {
            items: limits.list_items,
        }
    }

    /// Checks a literal and returns the number of variables in it.
    fn check(&self, value: &Value) -> Result<u64, DocumentError> {
        match value {
            Value::Variable(_) => Ok(1),
            Value::String(text) => check_mark(text).map(|()| 0),
            Value::List(items) => {
                self.check_length(items.len())?;
                items.iter().map(|item| self.check(item)).sum()
            }
            Value::Object(fields) => fields.iter().map(|(_, value)| self.check(value)).sum(),
            _ => Ok(0),
        }
    }

    /// Checks a constant and returns the number of values in it.
    pub fn check_constant(&self, value: &ConstValue) -> Result<u64, DocumentError> {
        let nested: u64 = match value {
            ConstValue::String(text) => check_mark(text).map(|()| 0)?,
            ConstValue::List(items) => {
                self.check_length(items.len())?;
                let each = items.iter().map(|item| self.check_constant(item));
                each.sum::<Result<u64, DocumentError>>()?
            }
            ConstValue::Object(fields) => {
                let each = fields.values().map(|value| self.check_constant(value));
                each.sum::<Result<u64, DocumentError>>()?
            }
            _ => 0,
        };
        Ok(nested + 1)
    }

    fn check_length(&self, length: usize) -> Result<(), DocumentError> {
        if length > self.items {
            return Err(DocumentError::limit(
                "list_items",
                "longest list of values",
                length as u64,
                self.items as u64,
            ));
        }
        Ok(())
    }
}

fn check_mark(text: &str) -> Result<(), DocumentError> {
    if text.starts_with(ENGINE_MARK) {
        return Err(DocumentError::bad_request(
            "a value begins with an upload's mark: send files as multipart/form-data \
             (graphql-multipart-request-spec)",
        ));
    }
    Ok(())
}

/// Returns whether an operation selects only introspection fields.
fn only_introspects(set: &[Selection]) -> bool {
    set.iter().all(|selection| match selection {
        Selection::Field(field) => is_about_the_schema(&field.name) || field.name == "__typename",
        _ => false,
    })
}

/// Returns whether any part of the document selects an introspection field.
pub fn introspects(document: &Document) -> bool {
    fn selects_introspection(set: &[Selection]) -> bool {
        set.iter().any(|selection| match selection {
            Selection::Field(field) => {
                is_about_the_schema(&field.name) || selects_introspection(&field.selection_set)
            }
            Selection::InlineFragment(fragment) => selects_introspection(&fragment.selection_set),
            // Fragment definitions are visited separately.
            Selection::FragmentSpread(_) => false,
        })
    }
    document
        .definitions
        .iter()
        .any(|definition| match definition {
            Definition::OperationDefinition(operation) => {
                selects_introspection(&operation.selection_set)
            }
            Definition::FragmentDefinition(fragment) => {
                selects_introspection(&fragment.selection_set)
            }
            _ => false,
        })
}

/// Returns whether a field is introspection, or the subgraph's schema for federated gateways.
fn is_about_the_schema(field: &str) -> bool {
    matches!(field, "__schema" | "__type" | "_service")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(text: &str) -> u64 {
        let (document, _) = super::super::parser::parse(text, &[]).expect("a document");
        let limits = Limits {
            directives: 1_000,
            selections: u64::MAX,
            root_fields: usize::MAX,
            ..Limits::default()
        };
        weigh(&document, &limits).expect("within the limits").nodes
    }

    /// Builds fragments that each spread the next one twice: `levels` of them expand to 2^levels
    /// selections.
    fn bomb(levels: usize) -> String {
        let mut text = "{...f0}".to_owned();
        for level in 0..levels {
            text += &format!("fragment f{level} on Query{{...f{0} ...f{0}}}", level + 1);
        }
        text + &format!("fragment f{levels} on Query{{assetSources{{name}}}}")
    }

    #[test]
    fn every_node_is_visited_once_whatever_the_fragments_spread() {
        for levels in [1, 5, 10, 13] {
            // One spread at the root, two in each fragment, two fields in the last one.
            assert_eq!(visits(&bomb(levels)), 1 + 2 * levels as u64 + 2);
        }
        let wide = "...f ".repeat(300);
        let fragments = "fragment f on Query{a b c d}";
        assert_eq!(visits(&format!("{{{wide}}} {fragments}")), 300 + 4);
        let directed = "@a(x: [1, {k: 2}]) ".repeat(100);
        assert_eq!(visits(&format!("{{a {directed}}}")), 101);
    }
}
