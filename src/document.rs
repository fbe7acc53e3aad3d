//! Prepares a document for the engine: scan before parsing, weigh before validation, validate
//! against the schema's rules, price before execution. Every entry point (POST, GET, a batch,
//! multipart, WebSocket) uses [`DocumentStore::find`] and [`Document`].

mod collect_fields;
mod cost;
mod engine_document;
pub mod error;
mod input_values;
mod introspection;
mod limits;
mod parser;
mod prescan;
mod store;
mod validation;
mod variable_values;

use std::{borrow::Cow, collections::HashMap};

pub use apollo_compiler::ast::Document as DocumentSyntax;
use apollo_compiler::validation::Valid;
use async_graphql::{
    Name, Positioned, Value as ConstValue, Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, OperationType},
};

use self::limits::{DocumentStats, Values};
pub use self::{
    engine_document::engine_document,
    error::{DocumentError, ErrorCode, excerpt},
    introspection::list_interfaces,
    limits::weigh,
    parser::parse as parse_syntax,
    prescan::scan,
    store::{DocumentRef, DocumentStore},
    validation::{NotNull, Validator},
};
use crate::{schema::Code, schema::FieldCosts, settings::Limits};

/// Maximum selections of a document whose merged operations are stored. Larger documents are merged
/// at each request.
const MAX_STORED_SELECTIONS: u64 = 1_000;

/// Maximum bytes of merged operations that one document stores.
const MAX_STORED_BYTES: usize = 512 * 1024;

/// A valid document that is safe to execute. It is the same for every client.
pub struct Document {
    parsed: ExecutableDocument,
    valid: Valid<apollo_compiler::ExecutableDocument>,
    /// Number of variable uses in the document.
    uses: u64,
    introspects: bool,
    /// Variables used in conditions (`@skip`, `@include`).
    condition_variables: Vec<Name>,
    /// Variables of a nullable type that are used in a non-null position.
    not_null: Vec<NotNull>,
    /// Merged operations by name. The map is empty if the document is large, or if a variable
    /// decides a condition.
    merged: HashMap<Option<Name>, ExecutableDocument>,
}

impl Document {
    /// Parses, weighs and validates a document.
    ///
    /// # Errors
    /// A [`DocumentError`] for text that is too long, nested too deep or not GraphQL. Also for a
    /// document that exceeds a limit or violates the schema's rules.
    pub fn read(text: &str, limits: &Limits, rules: &Validator) -> Result<Self, DocumentError> {
        let (syntax, positioned_text, stats) = parse(text, limits)?;
        let (valid, not_null) = rules.check(&syntax)?;
        let parsed = engine_document(&syntax, &positioned_text);
        // With one list at most, the validator finds every conflict.
        if text.matches('[').nth(1).is_some() {
            collect_fields::check_conflicts(&parsed, rules).map_err(conflict)?;
        }
        Ok(Self {
            introspects: limits::introspects(&syntax),
            condition_variables: collect_fields::condition_variables(&parsed),
            not_null,
            valid,
            uses: stats.variables,
            merged: HashMap::new(),
            parsed,
        }
        .store_merged(&stats, rules))
    }

    /// Merges and stores the operations if the document is small enough.
    fn store_merged(mut self, stats: &DocumentStats, rules: &Validator) -> Self {
        let (parsed, condition_variables) = (&self.parsed, &self.condition_variables);
        let mut merged = HashMap::new();
        if condition_variables.is_empty() && stats.selections <= MAX_STORED_SELECTIONS {
            for (name, operation) in parsed.operations.iter() {
                let none = Variables::default();
                let plan = collect_fields::merged(parsed, &operation.node, rules, &none);
                merged.insert(name.cloned(), plan);
            }
        }
        // Merging copies a fragment's long strings at each spread.
        if merged.values().map(collect_fields::bytes).sum::<usize>() > MAX_STORED_BYTES {
            merged.clear();
        }
        self.merged = merged;
        self
    }

    /// Approximate memory of the merged operations, in bytes. The text does not count.
    pub fn bytes(&self) -> usize {
        self.merged.values().map(collect_fields::bytes).sum()
    }

    /// Returns the operation with this name, or the only operation if there is no name.
    ///
    /// # Errors
    /// A [`DocumentError`] if the name matches none, or if there are several and no name.
    pub fn operation(&self, name: Option<&str>) -> Result<Operation<'_>, DocumentError> {
        let definition = operation(&self.parsed, name)?;
        Ok(Operation {
            document: self,
            definition,
            name: name.map(str::to_owned),
        })
    }

    /// Refuses a document that introspects. The caller checks whether introspection is turned off.
    ///
    /// # Errors
    /// A [`DocumentError`] if the document selects an introspection field.
    pub fn check_introspection(&self) -> Result<(), DocumentError> {
        if self.introspects {
            return Err(DocumentError::document(
                ErrorCode::ValidationFailed,
                "introspection is turned off at this gateway: ask its operator for the schema",
            ));
        }
        Ok(())
    }
}

/// One operation of a [`Document`].
pub struct Operation<'a> {
    document: &'a Document,
    definition: &'a OperationDefinition,
    name: Option<String>,
}

impl Operation<'_> {
    /// Returns the operation type: query, mutation or subscription.
    pub fn kind(&self) -> OperationType {
        self.definition.ty
    }

    /// Returns the variables of a nullable type that are used in a non-null position.
    fn not_null(&self) -> impl Iterator<Item = &Name> {
        let is_only = self.document.parsed.operations.iter().count() == 1;
        let variables = self.document.not_null.iter();
        let variables = variables.filter(move |entry| is_only || entry.operation == self.name);
        variables.map(|entry| &entry.variable)
    }

    /// Returns whether the document selects introspection fields.
    pub const fn introspects(&self) -> bool {
        self.document.introspects
    }

    /// Returns whether the operation declares a variable with this name.
    pub fn declares(&self, name: &str) -> bool {
        let mut definitions = self.definition.variable_definitions.iter();
        definitions.any(|definition| definition.node.name.node == name)
    }

    /// Checks the variables against the limits. This runs before any other use of the variables.
    ///
    /// # Errors
    /// A [`DocumentError`] that names the exceeded limit, or refuses the engine's upload marker.
    pub fn check_size(&self, variables: &Variables, limits: &Limits) -> Result<(), DocumentError> {
        check_variables(variables, self.document.uses, limits)
    }

    /// Checks the variables against the types that the operation declares.
    ///
    /// # Errors
    /// A [`DocumentError`] that names the first variable with a wrong type or a forbidden null.
    pub fn check_types(
        &self,
        variables: &Variables,
        rules: &Validator,
    ) -> Result<(), DocumentError> {
        rules.check_variables(&self.document.valid, self.name.as_deref(), variables)?;
        // A nullable variable in a non-null position must not be null (GraphQL, 6.4.1).
        let is_null = |name: &&Name| variables.get(*name) == Some(&ConstValue::Null);
        let condition_variables = &self.document.condition_variables;
        let refuse = |message| Err(DocumentError::document(Code::BadUserInput, message));
        if let Some(name) = condition_variables.iter().find(is_null) {
            return refuse(format!(
                "the variable ${name} controls `@skip` or `@include`: it must not be null"
            ));
        }
        match self.not_null().find(is_null) {
            None => Ok(()),
            Some(name) => refuse(format!(
                "the variable ${name} is used where null is not allowed: leave it out to get the \
                 default"
            )),
        }
    }

    /// Computes the cost, in assets and upstream calls, and checks it against the limit.
    ///
    /// # Errors
    /// A [`DocumentError`] that names cost and limit, if the cost exceeds the limit.
    pub fn price(
        &self,
        variables: &Variables,
        prices: &FieldCosts,
        limits: &Limits,
    ) -> Result<u64, DocumentError> {
        price(
            &self.document.parsed,
            self.definition,
            variables,
            prices,
            limits,
        )
    }

    /// Returns the document that the engine executes: this operation alone, each field once. The
    /// response of one that introspects is for [`list_interfaces`].
    pub fn merged(&self, variables: &Variables, rules: &Validator) -> ExecutableDocument {
        let ready = &self.document.merged;
        let ready = match &self.name {
            Some(name) => ready.get(&Some(Name::new(name))),
            // Without a name, the document has only one operation.
            None => ready.values().next(),
        };
        let mut merged = match ready {
            Some(ready) => ready.clone(),
            None => {
                collect_fields::merged(&self.document.parsed, self.definition, rules, variables)
            }
        };
        let has_default = |name: &Name| {
            let mut definitions = self.definition.variable_definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == *name);
            definition.is_some_and(|definition| definition.node.default_value.is_some())
        };
        let absent: Vec<&Name> = self
            .not_null()
            .filter(|name| !variables.contains_key(*name) && !has_default(name))
            .collect();
        if !absent.is_empty() {
            collect_fields::remove_absent_variables(&mut merged, &absent);
        }
        if self.introspects() {
            introspection::select_kinds(&mut merged);
        }
        merged
    }
}

/// Refuses text that is longer than the limit.
fn check_length(text: &str, limits: &Limits) -> Result<(), DocumentError> {
    if text.len() > limits.query_bytes {
        return Err(DocumentError::limit(
            "query_bytes",
            "size in bytes",
            text.len() as u64,
            limits.query_bytes as u64,
        ));
    }
    Ok(())
}

/// Creates the error for a field whose arguments differ from those of an earlier one.
fn conflict(field: &Positioned<Field>) -> DocumentError {
    let key = &field.node.response_key().node;
    DocumentError {
        location: Some((field.pos.line, field.pos.column)),
        ..DocumentError::document(
            ErrorCode::ValidationFailed,
            format!(
                "Fields \"{key}\" conflict because they have differing arguments. Use different \
                 aliases on the fields to fetch both if this was intentional."
            ),
        )
    }
}

/// Parses a document that is safe to validate. Returns it with the text that its positions refer to,
/// and its statistics.
fn parse<'a>(
    text: &'a str,
    limits: &Limits,
) -> Result<(DocumentSyntax, Cow<'a, str>, DocumentStats), DocumentError> {
    check_length(text, limits)?;
    let descriptions = scan(text, limits)?;
    let (document, text) = parser::parse(text, &descriptions)?;
    let stats = weigh(&document, limits)?;
    Ok((document, text, stats))
}

/// Refuses variables with the engine's upload marker, with lists over the length limit, or with too
/// many values. Each value counts `uses` times: the engine copies a variable at each use.
///
/// # Errors
/// A [`DocumentError`] in each of these cases.
fn check_variables(variables: &Variables, uses: u64, limits: &Limits) -> Result<(), DocumentError> {
    let values = Values::new(limits);
    let mut count = 0_u64;
    for value in variables.values() {
        count = count.saturating_add(values.check_constant(value)?);
    }
    let visited = count.saturating_mul(uses.max(1));
    if visited > limits.values {
        return Err(DocumentError::limit(
            "values",
            "number of values in variables, counted at each use,",
            visited,
            limits.values,
        ));
    }
    Ok(())
}

/// Computes the chosen operation's cost, in assets and upstream calls, and checks it against the
/// limit.
///
/// # Errors
/// A [`DocumentError`] that names cost and limit, if the cost exceeds the limit.
pub fn price(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    prices: &FieldCosts,
    limits: &Limits,
) -> Result<u64, DocumentError> {
    let cost = cost::of(document, operation, variables, prices);
    check_cost(cost, limits)?;
    Ok(cost)
}

/// Checks a cost against the limit.
///
/// # Errors
/// A [`DocumentError`] that names cost and limit, if the cost exceeds the limit.
pub fn check_cost(cost: u64, limits: &Limits) -> Result<(), DocumentError> {
    if cost > limits.cost {
        return Err(DocumentError::limit(
            "cost",
            "cost, in assets and upstream calls it may cause,",
            cost,
            limits.cost,
        ));
    }
    Ok(())
}

/// Returns the operation with this name, or the only operation if there is no name.
///
/// # Errors
/// A [`DocumentError`] if the name matches none, or if there are several and no name.
pub fn operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, DocumentError> {
    let mut operations = document.operations.iter();
    let found = if let Some(name) = name {
        operations
            .find(|(candidate, _)| candidate.is_some_and(|candidate| candidate.as_str() == name))
    } else {
        let first = operations.next();
        if operations.next().is_some() {
            return Err(DocumentError::document(
                ErrorCode::ValidationFailed,
                "the document has several operations: choose one with `operationName`",
            ));
        }
        first
    };
    found.map(|(_, operation)| &operation.node).ok_or_else(|| {
        DocumentError::document(
            ErrorCode::ValidationFailed,
            "the document has no operation with the name in `operationName`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text, &Limits::default())
            .err()
            .map(|refusal| refusal.message)
            .unwrap_or_default()
    }

    #[test]
    fn nested_lists_never_reach_the_parser() {
        let deep = format!("{{a(x:{}1{})}}", "[".repeat(100), "]".repeat(100));
        assert_eq!(
            refusal(&deep),
            "the document's nesting of brackets is 102; the limit is 64"
        );
        let hidden = format!("{{a(x:\"\"\"{}\"\"\")}}", "[".repeat(100));
        assert_eq!(refusal(&hidden), "", "brackets in strings do not nest");
        for open in [
            "\"\"\"b\" ",
            "\"\"\"\" ",
            "\" ",
            "\"a\n\" ",
            "\"\"\"\\\"\"\" ",
        ] {
            let behind = format!("{{a(x:[{open}{}1{}])}}", "[".repeat(100), "]".repeat(100));
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
        for level in 0..13 {
            bomb += &format!("fragment f{level} on Query{{...f{0} ...f{0}}}", level + 1);
        }
        bomb += "fragment f13 on Query{assetSources{name}}";
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
        let aliases = format!("{{assetSources{{{aliases}}}}}");
        assert_eq!(
            refusal(&aliases),
            "the document's number of aliases is 51; the limit is 50"
        );
        let roots = "assetSources{name} ".repeat(21);
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
