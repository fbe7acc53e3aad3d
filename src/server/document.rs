//! A document's way to the engine: scanned before the parser, weighed before validation. Every way
//! in (POST, GET, WebSocket) comes through [`read`].

mod scan;

use std::{collections::HashMap, convert::Infallible};

use async_graphql::{
    Name, Positioned, Value, Variables,
    parser::{
        parse_query,
        types::{
            ExecutableDocument, FragmentDefinition, OperationDefinition, OperationType, Selection,
            SelectionSet,
        },
    },
};

use self::scan::scan;
use super::refusal::Refusal;
use crate::config::Limits;

/// Selections an operation may have, each fragment counted as often as it is spread.
const MAX_SELECTIONS: u64 = 5_000;
/// Lists nested in an introspection (graphql-js's rule).
const MAX_INTROSPECTION_LISTS: u32 = 2;

/// Reads a document that is safe to validate and execute.
///
/// # Errors
/// A [`Refusal`] for text that is too long, too deep or no GraphQL, and for documents that weigh
/// too much.
pub fn read(text: &str, limits: &Limits) -> Result<ExecutableDocument, Refusal> {
    if text.len() > limits.query_bytes {
        return Err(Refusal::limit(
            "size in bytes",
            text.len(),
            limits.query_bytes,
        ));
    }
    scan(text, limits)?;
    let document = parse_query(text).map_err(|error| Refusal {
        location: error.positions().next().map(|pos| (pos.line, pos.column)),
        ..Refusal::document(
            "GRAPHQL_PARSE_FAILED",
            "the document is not valid GraphQL: see its location",
        )
    })?;
    weigh(&document, text, limits)?;
    Ok(document)
}

/// How the engine marks an uploaded file in variables. Ours are marked otherwise; a client that
/// writes it means no good.
const ENGINE_MARK: &str = "#__graphql_file__:";

/// Refuses variables that hold the engine's own mark of an upload.
///
/// # Errors
/// A [`Refusal`] that says so.
pub fn check_variables(variables: &Variables) -> Result<(), Refusal> {
    if variables.values().any(is_marked) {
        return Err(marked());
    }
    Ok(())
}

fn marked() -> Refusal {
    Refusal::bad_request(
        "a value begins like an upload's mark: send files as multipart/form-data \
         (graphql-multipart-request-spec)",
    )
}

fn is_marked(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(ENGINE_MARK),
        Value::List(items) => items.iter().any(is_marked),
        Value::Object(fields) => fields.values().any(is_marked),
        _ => false,
    }
}

/// Whether a selection's arguments, or those of its directives, hold the mark.
fn has_mark(selection: &Selection) -> bool {
    let own = match selection {
        Selection::Field(field) => field.node.arguments.as_slice(),
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => &[],
    };
    let directives = selection.directives().iter();
    directives
        .flat_map(|directive| &directive.node.arguments)
        .chain(own)
        .any(|(_, value)| {
            let literal = value.node.clone();
            let literal = literal.into_const_with(|_| Ok::<_, Infallible>(Value::Null));
            literal.is_ok_and(|value| is_marked(&value))
        })
}

/// What kind of operation `name` (or the only one) is.
///
/// # Errors
/// When there is none of that name, or several and no name.
pub fn operation_type(
    document: &ExecutableDocument,
    name: Option<&str>,
) -> Result<OperationType, Refusal> {
    let operations: Vec<_> = document.operations.iter().collect();
    let found = match name {
        Some(name) => operations
            .iter()
            .find(|(own, _)| own.is_some_and(|own| own.as_str() == name)),
        None if operations.len() == 1 => operations.first(),
        None => {
            return Err(Refusal::document(
                "GRAPHQL_VALIDATION_FAILED",
                "the document has several operations: say which with `operationName`",
            ));
        }
    };
    found
        .map(|(_, operation)| operation.node.ty)
        .ok_or_else(|| {
            Refusal::document(
                "GRAPHQL_VALIDATION_FAILED",
                "the document has no operation of the name that `operationName` says",
            )
        })
}

/// What a selection set costs, with everything it spreads.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    selections: u64,
    depth: u32,
    aliases: u64,
    /// Nested lists of an introspection.
    lists: u32,
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.depth = self.depth.max(other.depth);
        self.lists = self.lists.max(other.lists);
    }
}

/// Weighs fragments once each, however often they are spread: the time is linear in the document.
struct Scale<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// `None` while a fragment is being weighed: meeting it again is a cycle.
    weighed: HashMap<&'a str, Option<Weight>>,
    directives: usize,
    /// Literals are worth a look.
    may_be_marked: bool,
}

fn weigh(document: &ExecutableDocument, text: &str, limits: &Limits) -> Result<(), Refusal> {
    let operations: Vec<_> = document.operations.iter().collect();
    if operations.len() > limits.operations {
        return Err(Refusal::limit(
            "number of operations",
            operations.len(),
            limits.operations,
        ));
    }
    let mut scale = Scale {
        fragments: &document.fragments,
        weighed: HashMap::new(),
        directives: limits.directives,
        // Written out, or hidden by escapes.
        may_be_marked: text.contains(ENGINE_MARK) || text.contains('\\'),
    };
    // Fragments nobody spreads are validated too, so they are weighed too.
    for name in document.fragments.keys() {
        scale.fragment(name)?;
    }
    for (_, operation) in operations {
        check(&mut scale, &operation.node, limits)?;
    }
    Ok(())
}

fn check<'a>(
    scale: &mut Scale<'a>,
    operation: &'a OperationDefinition,
    limits: &Limits,
) -> Result<(), Refusal> {
    let defaults = operation.variable_definitions.iter();
    let mut defaults = defaults.filter_map(|own| own.node.default_value.as_ref());
    if defaults.any(|value| is_marked(&value.node)) {
        return Err(marked());
    }
    let set = &operation.selection_set.node;
    let weight = scale.set(set)?;
    if weight.selections > MAX_SELECTIONS {
        return Err(Refusal::limit(
            "number of selections, spread fragments counted each time,",
            weight.selections,
            MAX_SELECTIONS as usize,
        ));
    }
    let deepest = if only_introspects(set) {
        limits.introspection_depth
    } else {
        limits.depth
    };
    if weight.depth as usize > deepest {
        return Err(Refusal::limit("depth", weight.depth, deepest));
    }
    if weight.aliases > limits.aliases as u64 {
        return Err(Refusal::limit(
            "number of aliases",
            weight.aliases,
            limits.aliases,
        ));
    }
    if weight.lists > MAX_INTROSPECTION_LISTS {
        return Err(Refusal::limit(
            "nesting of lists in its introspection",
            weight.lists,
            MAX_INTROSPECTION_LISTS as usize,
        ));
    }
    let roots = scale.root_fields(set);
    if roots > limits.root_fields as u64 {
        return Err(Refusal::limit(
            "number of root fields",
            roots,
            limits.root_fields,
        ));
    }
    Ok(())
}

impl<'a> Scale<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Result<Weight, Refusal> {
        let mut whole = Weight::default();
        for selection in &set.items {
            whole.add(self.selection(&selection.node)?);
        }
        Ok(whole)
    }

    fn selection(&mut self, selection: &'a Selection) -> Result<Weight, Refusal> {
        let directives = selection.directives().len();
        if directives > self.directives {
            return Err(Refusal::limit(
                "number of directives in one place",
                directives,
                self.directives,
            ));
        }
        if self.may_be_marked && has_mark(selection) {
            return Err(marked());
        }
        match selection {
            Selection::Field(field) => {
                let field = &field.node;
                let mut weight = self.set(&field.selection_set.node)?;
                weight.selections = weight.selections.saturating_add(1);
                weight.depth = weight.depth.saturating_add(1);
                weight.aliases = weight.aliases.saturating_add(field.alias.is_some().into());
                let is_list = matches!(
                    field.name.node.as_str(),
                    "fields" | "inputFields" | "interfaces" | "possibleTypes"
                );
                weight.lists += u32::from(is_list);
                Ok(weight)
            }
            Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
        }
    }

    fn fragment(&mut self, name: &Name) -> Result<Weight, Refusal> {
        // Unknown ones are the validator's to refuse, at a price.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return Ok(Weight {
                selections: 1,
                ..Weight::default()
            });
        };
        match self.weighed.get(name.as_str()) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                return Err(Refusal::document(
                    "GRAPHQL_VALIDATION_FAILED",
                    format!("fragment `{name}` spreads itself"),
                ));
            }
            None => {}
        }
        self.weighed.insert(name, None);
        let weight = self.set(&fragment.node.selection_set.node)?;
        self.weighed.insert(name, Some(weight));
        Ok(weight)
    }

    /// Fields at the root, those of fragments included. Cycles are ruled out by now.
    fn root_fields(&self, set: &SelectionSet) -> u64 {
        let mut known = HashMap::new();
        self.roots(set, &mut known)
    }

    fn roots<'b>(&'b self, set: &'b SelectionSet, known: &mut HashMap<&'b str, u64>) -> u64 {
        set.items.iter().fold(0, |sum: u64, selection| {
            sum.saturating_add(match &selection.node {
                Selection::Field(_) => 1,
                Selection::InlineFragment(f) => self.roots(&f.node.selection_set.node, known),
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if let Some(roots) = known.get(name) {
                        return sum.saturating_add(*roots);
                    }
                    let Some(fragment) = self.fragments.get(name) else {
                        return sum;
                    };
                    let roots = self.roots(&fragment.node.selection_set.node, known);
                    known.insert(name, roots);
                    roots
                }
            })
        })
    }
}

/// Whether an operation asks about the schema and nothing else.
fn only_introspects(set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => {
            matches!(
                field.node.name.node.as_str(),
                "__schema" | "__type" | "__typename"
            )
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(text, &Limits::default())
            .err()
            .map(|refusal| refusal.message)
            .unwrap_or_default()
    }

    #[test]
    fn nested_lists_never_reach_the_parser() {
        let deep = format!("{{a(x:{}1{})}}", "[".repeat(2_000), "]".repeat(2_000));
        assert_eq!(
            refusal(&deep),
            "the document's nesting of brackets is over 64; the limit is 64"
        );
        let hidden = format!("{{a(x:\"\"\"{}\"\"\")}}", "[".repeat(2_000));
        assert_eq!(refusal(&hidden), "", "brackets in strings do not nest");
        for open in [
            "\"\"\"b\" ",
            "\"\"\"\" ",
            "\" ",
            "\"a\n\" ",
            "\"\"\"\\\"\"\" ",
        ] {
            let behind = format!("{{a(x:[{open}{}1{}])}}", "[".repeat(500), "]".repeat(500));
            assert_eq!(
                refusal(&behind),
                "a string in the document does not end",
                "{open}"
            );
        }
    }

    #[test]
    fn fragments_that_spread_twice_are_weighed_once_each() {
        let mut bomb = "{...f0}".to_owned();
        for level in 0..40 {
            bomb += &format!("fragment f{level} on Query{{...f{0} ...f{0}}}", level + 1);
        }
        bomb += "fragment f40 on Query{sources{name}}";
        assert!(
            refusal(&bomb).starts_with("the document's number of selections"),
            "{}",
            refusal(&bomb)
        );
    }

    #[test]
    fn a_fragment_that_spreads_itself_is_refused() {
        assert_eq!(
            refusal("{...a} fragment a on Query{...b} fragment b on Query{...a}")
                .split('`')
                .next(),
            Some("fragment ")
        );
    }

    #[test]
    fn introspection_goes_deep_but_not_wide() {
        let deep = "{__schema{types{fields{type{ofType{ofType{ofType{ofType{ofType{ofType{ofType{ofType{name}}}}}}}}}}}}}";
        assert_eq!(refusal(deep), "");
        let wide = "{__schema{types{fields{type{fields{type{fields{name}}}}}}}}";
        assert!(refusal(wide).contains("nesting of lists"));
    }

    #[test]
    fn every_limit_names_value_and_maximum() {
        let aliases: String = (0..51).map(|n| format!("a{n}:__typename ")).collect();
        let aliases = format!("{{sources{{{aliases}}}}}");
        assert_eq!(
            refusal(&aliases),
            "the document's number of aliases is 51; the limit is 50"
        );
        let roots = "sources{name} ".repeat(21);
        assert_eq!(
            refusal(&format!("{{{roots}}}")),
            "the document's number of root fields is 21; the limit is 20"
        );
        let directives = "@skip(if:false) ".repeat(6);
        assert_eq!(
            refusal(&format!("{{__typename {directives}}}")),
            "the document's number of directives in one place is 6; the limit is 5"
        );
        let deep = format!("{{{}name{}}}", "a{".repeat(12), "}".repeat(12));
        assert_eq!(
            refusal(&deep),
            "the document's depth is 13; the limit is 12"
        );
    }
}
