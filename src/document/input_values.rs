//! Refuses input values that the validator accepts and the engine cannot coerce. It runs before
//! execution: a failure during execution would null the results of earlier fields.
//!
//! - Variables in every position, also inside lists and input objects (GraphQL, September 2025,
//!   5.8.5): the validator only compares the names of their types.
//! - Input objects with a field given twice (5.6.3), or that take exactly one (`@oneOf`, 5.6.5).
//! - Scalars with a limited range.

use std::collections::{BTreeSet, HashSet};

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{Argument, DirectiveList, InputValueDefinition, Type, Value},
    executable::{Operation, Selection, SelectionSet},
    parser::SourceSpan,
    schema::{ExtendedType, InputObjectType},
};

use async_graphql_value::Number;

use crate::schema::byte_size;

/// An error message, and its location in the document.
pub type InputFault = (String, Option<SourceSpan>);

/// Checks every value of a document. Returns the nullable variables that only a default allows in a
/// non-null position, each with the name of its operation.
///
/// # Errors
/// A [`InputFault`] for the first value that does not fit its position.
pub fn check(
    document: &ExecutableDocument,
    schema: &Schema,
) -> Result<Vec<(Option<Name>, Name)>, InputFault> {
    let mut nullable = Vec::new();
    for operation in document.operations.iter() {
        let mut not_null = BTreeSet::new();
        let mut usage = ValueVisitor {
            document,
            schema,
            operation,
            fragments: HashSet::new(),
            not_null: &mut not_null,
        };
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                usage.literal(default, &variable.ty, None)?;
            }
        }
        usage.directives(&operation.directives)?;
        usage.set(&operation.selection_set)?;
        let names = not_null.into_iter();
        nullable.extend(names.map(|variable| (operation.name.clone(), variable)));
    }
    Ok(nullable)
}

/// Visits the values of one operation.
struct ValueVisitor<'a> {
    document: &'a ExecutableDocument,
    schema: &'a Schema,
    operation: &'a Operation,
    /// Names of the fragments already visited.
    fragments: HashSet<&'a Name>,
    not_null: &'a mut BTreeSet<Name>,
}

impl<'a> ValueVisitor<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Result<(), InputFault> {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives)?;
                    self.arguments(&field.arguments, &field.definition.arguments)?;
                    self.set(&field.selection_set)?;
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.directives)?;
                    self.set(&fragment.selection_set)?;
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives)?;
                    let fragment = self.document.fragments.get_key_value(&spread.fragment_name);
                    // The validator refuses unknown fragments and fragment cycles.
                    if let Some((name, fragment)) = fragment
                        && self.fragments.insert(name)
                    {
                        self.directives(&fragment.directives)?;
                        self.set(&fragment.selection_set)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn directives(&mut self, directives: &DirectiveList) -> Result<(), InputFault> {
        for directive in &directives.0 {
            let schema = self.schema;
            if let Some(definition) = schema.directive_definitions.get(&directive.name) {
                self.arguments(&directive.arguments, &definition.arguments)?;
            }
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        given: &[Node<Argument>],
        definitions: &[Node<InputValueDefinition>],
    ) -> Result<(), InputFault> {
        for argument in given {
            let mut candidates = definitions.iter();
            if let Some(definition) = candidates.find(|definition| definition.name == argument.name)
            {
                self.literal(
                    &argument.value,
                    &definition.ty,
                    definition.default_value.as_deref(),
                )?;
            }
        }
        Ok(())
    }

    /// Checks a literal against the type and default of its position.
    fn literal(
        &mut self,
        value: &Node<Value>,
        expected: &Type,
        default: Option<&Value>,
    ) -> Result<(), InputFault> {
        let is_size = expected.inner_named_type() == byte_size::NAME;
        let no_size = || Err((byte_size::RULE.to_owned(), value.location()));
        match &**value {
            Value::Variable(variable) => self.variable(variable, value, expected, default),
            Value::List(_) if is_size && !expected.is_list() => no_size(),
            Value::List(items) => {
                // The validator refuses a list in a position that takes none.
                let item = if expected.is_list() {
                    expected.item_type()
                } else {
                    expected
                };
                let mut items = items.iter();
                items.try_for_each(|element| self.literal(element, item, None))
            }
            // Coercion turns a single value into a list of one.
            _ if expected.is_list() => self.literal(value, expected.item_type(), None),
            Value::Null => Ok(()),
            Value::Int(number) if is_size => {
                let fits = number.as_str().parse().is_ok_and(byte_size::fits);
                if fits { Ok(()) } else { no_size() }
            }
            _ if is_size => no_size(),
            Value::Object(fields) => self.object(value, fields, expected),
            Value::Int(number) => parses(number.as_str(), value),
            Value::Float(number) => parses(number.as_str(), value),
            Value::String(_) | Value::Boolean(_) | Value::Enum(_) => Ok(()),
        }
    }

    fn object(
        &mut self,
        value: &Node<Value>,
        fields: &[(Name, Node<Value>)],
        expected: &Type,
    ) -> Result<(), InputFault> {
        unique_names(fields)?;
        let Some(definition) = input(expected, self.schema) else {
            let mut fields = fields.iter();
            return fields.try_for_each(|(_, value)| untyped(value));
        };
        if is_one_of(definition) {
            let is_given = match fields {
                [(_, value)] => match &**value {
                    Value::Null => false,
                    // A nullable variable may leave the object without a value.
                    Value::Variable(name) => {
                        let mut declared = self.operation.variables.iter();
                        let variable = declared.find(|definition| definition.name == *name);
                        variable.is_none_or(|definition| definition.ty.is_non_null())
                    }
                    _ => true,
                },
                _ => false,
            };
            if !is_given {
                return Err(one_of_fault(definition, value.location()));
            }
        }
        for (name, value) in fields {
            if let Some(field) = definition.fields.get(name) {
                self.literal(value, &field.ty, field.default_value.as_deref())?;
            }
        }
        Ok(())
    }

    /// Checks whether a variable is allowed in a position (GraphQL, September 2025, 5.8.5,
    /// `IsVariableUsageAllowed`).
    fn variable(
        &mut self,
        name: &Name,
        value: &Node<Value>,
        expected: &Type,
        default: Option<&Value>,
    ) -> Result<(), InputFault> {
        let mut declared = self.operation.variables.iter();
        // The validator refuses undeclared variables.
        let Some(variable) = declared.find(|candidate| candidate.name == *name) else {
            return Ok(());
        };
        let has_default = default.is_some()
            || variable
                .default_value
                .as_ref()
                .is_some_and(|candidate| !candidate.is_null());
        let may_be_null = !variable.ty.is_non_null();
        let fits = if expected.is_non_null() && may_be_null && has_default {
            self.not_null.insert(name.clone());
            is_compatible(&variable.ty, &expected.clone().nullable())
        } else {
            is_compatible(&variable.ty, expected)
        };
        if fits {
            return Ok(());
        }
        let message = format!(
            "Variable \"${name}\" of type \"{}\" used in position expecting type \"{expected}\".",
            variable.ty
        );
        Err((message, value.location()))
    }
}

/// Refuses an input field given twice (5.6.3).
fn unique_names(fields: &[(Name, Node<Value>)]) -> Result<(), InputFault> {
    let mut names = HashSet::new();
    match fields.iter().find(|(name, _)| !names.insert(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("There can be only one input field named \"{name}\".");
            Err((message, name.location()))
        }
    }
}

/// Checks a value inside a scalar, such as JSON, where values and variables have no types.
fn untyped(value: &Node<Value>) -> Result<(), InputFault> {
    match &**value {
        Value::Object(fields) => {
            unique_names(fields)?;
            fields.iter().try_for_each(|(_, value)| untyped(value))
        }
        Value::List(items) => items.iter().try_for_each(untyped),
        Value::Int(number) => parses(number.as_str(), value),
        Value::Float(number) => parses(number.as_str(), value),
        _ => Ok(()),
    }
}

/// Refuses a number that the engine cannot hold, such as `1e999`.
fn parses(number: &str, value: &Node<Value>) -> Result<(), InputFault> {
    match number.parse::<Number>() {
        Ok(_) => Ok(()),
        Err(_) => Err((
            format!("The number {number} is too large."),
            value.location(),
        )),
    }
}

/// Implements `AreTypesCompatible` (5.8.5).
fn is_compatible(variable: &Type, position: &Type) -> bool {
    match (variable, position) {
        (Type::NonNullNamed(actual), Type::Named(expected) | Type::NonNullNamed(expected))
        | (Type::Named(actual), Type::Named(expected)) => actual == expected,
        (Type::NonNullList(actual), Type::List(expected) | Type::NonNullList(expected))
        | (Type::List(actual), Type::List(expected)) => is_compatible(actual, expected),
        _ => false,
    }
}

fn input<'a>(expected: &Type, schema: &'a Schema) -> Option<&'a InputObjectType> {
    match schema.types.get(expected.inner_named_type())? {
        ExtendedType::InputObject(input) => Some(input),
        _ => None,
    }
}

fn is_one_of(input: &InputObjectType) -> bool {
    input.directives.has("oneOf")
}

fn one_of_fault(input: &InputObjectType, location: Option<SourceSpan>) -> InputFault {
    let name = &input.name;
    let message =
        format!("Exactly one key must be specified for OneOf type \"{name}\", and not null.");
    (message, location)
}
