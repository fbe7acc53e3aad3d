//! Weighs a parsed document against the limits, before validation.
//!
//! The visitor stores each fragment's weight. So it visits each node a constant number of times,
//! however often the fragment is spread.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value as Constant,
    parser::types::{
        Directive, ExecutableDocument, FragmentDefinition, OperationDefinition, Selection,
        SelectionSet,
    },
};
use async_graphql_value::Value;

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
pub fn weigh(
    document: &ExecutableDocument,
    limits: &Limits,
) -> Result<DocumentStats, DocumentError> {
    let count = document.operations.iter().count();
    if count > limits.operations {
        return Err(DocumentError::limit(
            "number of operations",
            count,
            limits.operations,
        ));
    }
    let mut visitor = LimitVisitor {
        fragments: &document.fragments,
        weighed: HashMap::new(),
        directives: limits.directives,
        values: Values::new(limits),
        stats: DocumentStats::default(),
    };
    // Validation also visits fragments that are never spread, so they are weighed too.
    for name in document.fragments.keys() {
        let weight = visitor.fragment(name)?;
        check_weight(weight, limits.introspection_depth, limits)?;
    }
    for (_, operation) in document.operations.iter() {
        check(&mut visitor, &operation.node, limits)?;
    }
    Ok(visitor.stats)
}

fn check<'a>(
    visitor: &mut LimitVisitor<'a>,
    operation: &'a OperationDefinition,
    limits: &Limits,
) -> Result<(), DocumentError> {
    let mut variables = visitor.directives(&operation.directives)?;
    for variable in &operation.variable_definitions {
        visitor.stats.nodes += 1;
        variables += visitor.directives(&variable.node.directives)?;
        if let Some(value) = &variable.node.default_value {
            visitor.values.check_constant(&value.node)?;
        }
    }
    let set = &operation.selection_set.node;
    let weight = visitor.set(set)?;
    let stats = &mut visitor.stats;
    stats.selections = stats.selections.saturating_add(weight.selections);
    stats.variables = stats
        .variables
        .saturating_add(variables.saturating_add(weight.variables));
    let deepest = if only_introspects(set) {
        limits.introspection_depth
    } else {
        limits.depth
    };
    check_weight(weight, deepest, limits)?;
    if weight.fields > limits.root_fields as u64 {
        return Err(DocumentError::limit64(
            "number of root fields",
            weight.fields,
            limits.root_fields as u64,
        ));
    }
    Ok(())
}

/// Checks a weight against the limits for operations and fragments.
fn check_weight(weight: Weight, deepest: usize, limits: &Limits) -> Result<(), DocumentError> {
    for (name, value, maximum) in [
        (
            "number of selections, spread fragments counted each time,",
            weight.selections,
            limits.selections,
        ),
        ("depth", weight.depth.into(), deepest as u64),
        ("number of aliases", weight.aliases, limits.aliases as u64),
        (
            "nesting of lists in its introspection",
            weight.lists.into(),
            limits.introspection_lists,
        ),
    ] {
        if value > maximum {
            return Err(DocumentError::limit64(name, value, maximum));
        }
    }
    Ok(())
}

/// Weighs each fragment once, however often it is spread: the time is linear in the document.
struct LimitVisitor<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// Weights by fragment. `None` marks a fragment in progress: a second visit means a cycle.
    weighed: HashMap<&'a str, Option<Weight>>,
    directives: usize,
    values: Values,
    stats: DocumentStats,
}

impl<'a> LimitVisitor<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Result<Weight, DocumentError> {
        let mut whole = Weight::default();
        for selection in &set.items {
            whole.add(self.selection(&selection.node)?);
        }
        Ok(whole)
    }

    fn selection(&mut self, selection: &'a Selection) -> Result<Weight, DocumentError> {
        self.stats.nodes += 1;
        let mut variables = self.directives(selection.directives())?;
        let mut weight = match selection {
            Selection::Field(field) => {
                let field = &field.node;
                variables += self.arguments(&field.arguments)?;
                let mut weight = self.set(&field.selection_set.node)?;
                weight.selections = weight.selections.saturating_add(1);
                weight.depth = weight.depth.saturating_add(1);
                weight.aliases = weight.aliases.saturating_add(field.alias.is_some().into());
                weight.fields = 1;
                let is_list = matches!(
                    field.name.node.as_str(),
                    "fields" | "inputFields" | "interfaces" | "possibleTypes"
                );
                weight.lists += u32::from(is_list);
                weight
            }
            Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node)?,
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node)?,
        };
        weight.variables = weight.variables.saturating_add(variables);
        Ok(weight)
    }

    fn fragment(&mut self, name: &Name) -> Result<Weight, DocumentError> {
        // The validator refuses unknown fragments. Each spread counts as one selection.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(Weight {
                selections: 1,
                ..Weight::default()
            });
        };
        match self.weighed.get(name.as_str()) {
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
        let variables = self.directives(&fragment.node.directives)?;
        let mut weight = self.set(&fragment.node.selection_set.node)?;
        weight.variables = weight.variables.saturating_add(variables);
        self.weighed.insert(name, Some(weight));
        Ok(weight)
    }

    /// Checks directives and returns the number of variables in them.
    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<u64, DocumentError> {
        if directives.len() > self.directives {
            return Err(DocumentError::limit(
                "number of directives in one place",
                directives.len(),
                self.directives,
            ));
        }
        let mut variables = 0;
        for directive in directives {
            self.stats.nodes += 1;
            variables += self.arguments(&directive.node.arguments)?;
        }
        Ok(variables)
    }

    /// Checks arguments and returns the number of variables in them.
    fn arguments(
        &self,
        arguments: &[(Positioned<Name>, Positioned<Value>)],
    ) -> Result<u64, DocumentError> {
        let values = arguments.iter();
        values
            .map(|(_, value)| self.values.check(&value.node))
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
            Value::Object(fields) => fields.values().map(|value| self.check(value)).sum(),
            _ => Ok(0),
        }
    }

    /// Checks a constant and returns the number of values in it.
    pub fn check_constant(&self, value: &Constant) -> Result<u64, DocumentError> {
        let nested: u64 = match value {
            Constant::String(text) => check_mark(text).map(|()| 0)?,
            Constant::List(items) => {
                self.check_length(items.len())?;
                let each = items.iter().map(|item| self.check_constant(item));
                each.sum::<Result<u64, DocumentError>>()?
            }
            Constant::Object(fields) => {
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
                "longest list of values",
                length,
                self.items,
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
fn only_introspects(set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => {
            let name = field.node.name.node.as_str();
            is_about_the_schema(name) || name == "__typename"
        }
        _ => false,
    })
}

/// Returns whether any part of the document selects an introspection field.
pub fn introspects(document: &ExecutableDocument) -> bool {
    fn selects_introspection(set: &SelectionSet) -> bool {
        set.items.iter().any(|selection| match &selection.node {
            Selection::Field(field) => {
                is_about_the_schema(field.node.name.node.as_str())
                    || selects_introspection(&field.node.selection_set.node)
            }
            Selection::InlineFragment(fragment) => {
                selects_introspection(&fragment.node.selection_set.node)
            }
            // Fragment definitions are visited separately.
            Selection::FragmentSpread(_) => false,
        })
    }
    let operations = document.operations.iter();
    operations
        .map(|(_, operation)| &operation.node.selection_set)
        .chain(
            document
                .fragments
                .values()
                .map(|definition| &definition.node.selection_set),
        )
        .any(|set| selects_introspection(&set.node))
}

/// Returns whether a field is introspection, or the subgraph's schema for federated gateways.
fn is_about_the_schema(field: &str) -> bool {
    matches!(field, "__schema" | "__type" | "_service")
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn visits(text: &str) -> u64 {
        let document = parse_query(text).expect("a document");
        let limits = Limits {
            directives: 1_000,
            ..Limits::default()
        };
        let visitor = &mut LimitVisitor {
            fragments: &document.fragments,
            weighed: HashMap::new(),
            directives: limits.directives,
            values: Values::new(&limits),
            stats: DocumentStats::default(),
        };
        for name in document.fragments.keys() {
            visitor.fragment(name).expect("no cycle");
        }
        for (_, operation) in document.operations.iter() {
            // The document exceeds the limits, but only the visits matter here.
            let _ = check(visitor, &operation.node, &limits);
        }
        visitor.stats.nodes
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
