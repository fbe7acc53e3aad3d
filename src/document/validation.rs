//! Validates documents and variables against the schema (GraphQL, September 2025, sections 5 and
//! 6.1.2). The engine accepts documents that the specification forbids, and refuses some that it
//! allows. So validation happens here, and the engine trusts the result.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::{Document, Type, VariableDefinition},
    diagnostic::Diagnostic,
    schema::ExtendedType,
    validation::{DiagnosticData, DiagnosticList, Valid},
};
use async_graphql::{Name, Variables};
use async_graphql_value::ConstValue;

use super::error::{self, DocumentError, ErrorCode};
use super::input_values::{self, InputFault};
use super::{parser, variable_values};
use crate::schema::Code;

/// Maximum number of errors shown.
const MAX_ERRORS: usize = 10;
/// Maximum characters of a message, as it repeats parts of the document.
const MAX_MESSAGE: usize = 300;
/// An introspection field since September 2025 (4.2.2). The engine supports it, but the validator
/// does not yet.
const IS_ONE_OF_EXTENSION: &str = "extend type __Type { isOneOf: Boolean }";
/// The validator's name for the error of an unknown field.
const UNKNOWN_FIELD_ERROR: &str = "UndefinedField";
/// Errors after which the validator drops the field from its selection set.
const FIELD_DROPPING_ERRORS: [&str; 3] = [
    UNKNOWN_FIELD_ERROR,
    "SubselectionOnScalarType",
    "SubselectionOnEnumType",
];
/// The validator's name for the error of an empty selection set.
const EMPTY_SELECTION_ERROR: &str = "MissingSubselection";

/// A variable of a nullable type that is used in a non-null position.
pub struct NotNull {
    /// The name of its operation.
    pub operation: Option<String>,
    pub variable: Name,
}

/// Validates documents and variables against a schema.
pub struct Validator {
    schema: Valid<Schema>,
    /// Possible object types, by interface or union.
    possible: HashMap<String, Vec<String>>,
    /// Whether errors suggest a field name for a mistyped one.
    suggests: bool,
}

impl Validator {
    /// Creates a validator for a schema in SDL.
    ///
    /// # Errors
    /// The validator's messages, if the schema is invalid.
    pub fn new(sdl: &str, suggests: bool) -> Result<Self, String> {
        let whole = format!("{sdl}\n{IS_ONE_OF_EXTENSION}");
        let schema = Schema::parse_and_validate(whole, "schema.graphql")
            .map_err(|wrong| wrong.errors.to_string())?;
        let mut possible: HashMap<String, Vec<String>> = HashMap::new();
        for (name, definition) in &schema.types {
            match definition {
                ExtendedType::Object(object) => {
                    for interface in &object.implements_interfaces {
                        let objects = possible.entry(interface.to_string()).or_default();
                        objects.push(name.to_string());
                    }
                }
                ExtendedType::Union(union) => {
                    let members = union.members.iter().map(ToString::to_string);
                    possible.insert(name.to_string(), members.collect());
                }
                _ => {}
            }
        }
        Ok(Self {
            schema,
            possible,
            suggests,
        })
    }

    /// Validates a document. Returns it with its variables of a nullable type that are used in a
    /// non-null position.
    ///
    /// # Errors
    /// [`DocumentError`] with the first ten errors at most, and their positions.
    pub fn check(
        &self,
        document: &Document,
    ) -> Result<(Valid<ExecutableDocument>, Vec<NotNull>), DocumentError> {
        let document = document
            .to_executable_validate(&self.schema)
            .map_err(|wrong| self.refusal(&wrong.errors))?;
        let not_null = input_values::check(&document, &self.schema)
            .map_err(|fault| fault_error(ErrorCode::ValidationFailed, fault, &document))?;
        let not_null = not_null.into_iter().map(|(operation, variable)| NotNull {
            operation: operation.map(|name| name.to_string()),
            variable: Name::new(variable),
        });
        let not_null = not_null.collect();
        Ok((document, not_null))
    }

    /// Checks the variables against the declarations of the operation with this name.
    ///
    /// # Errors
    /// A [`DocumentError`] for each value that does not fit, ten at most.
    pub fn check_variables(
        &self,
        document: &Valid<ExecutableDocument>,
        name: Option<&str>,
        variables: &Variables,
    ) -> Result<(), DocumentError> {
        let Ok(operation) = document.operations.get(name) else {
            // The caller has found it in the same document.
            return Ok(());
        };
        let is_plain =
            |definition: &Node<VariableDefinition>| match variables.get(definition.name.as_str()) {
                Some(value) => plainly_fits(value, &definition.ty),
                None => definition.default_value.is_some() || !definition.ty.is_non_null(),
            };
        if operation.variables.iter().all(is_plain) {
            return Ok(());
        }
        let faults = variable_values::check(operation, variables, &self.schema, self.suggests);
        let mut errors = faults.into_iter().map(|fault| DocumentError {
            field: fault.path,
            ..fault_error(
                Code::BadUserInput,
                (fault.message, fault.location),
                document,
            )
        });
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(DocumentError {
                others: errors.collect(),
                ..first
            }),
        }
    }

    /// Returns the possible object types of an interface or union; `None` for any other type.
    pub fn possible(&self, name: &str) -> Option<&[String]> {
        self.possible.get(name).map(Vec::as_slice)
    }

    /// Returns whether an object type is a type itself, or belongs to that interface or union.
    pub fn is_a(&self, object: &str, type_name: &str) -> bool {
        let belongs = |objects: &[String]| objects.iter().any(|candidate| candidate == object);
        object == type_name || self.possible(type_name).is_some_and(belongs)
    }

    /// Returns the named type of a field, without list and non-null wrappers.
    pub fn type_of(&self, parent: &str, field: &str) -> Option<&str> {
        let field = self.schema.type_field(parent, field).ok()?;
        Some(field.ty.inner_named_type().as_str())
    }

    fn refusal(&self, diagnostics: &DiagnosticList) -> DocumentError {
        // Dropped fields can leave a selection set empty. That is not a separate error.
        let name =
            |diagnostic: &Diagnostic<'_, DiagnosticData>| diagnostic.error.unstable_error_name();
        let is_left_out = diagnostics.iter().any(|diagnostic| {
            name(&diagnostic).is_some_and(|name| FIELD_DROPPING_ERRORS.contains(&name))
        });
        let mut relevant = diagnostics
            .iter()
            .filter(|diagnostic| !is_left_out || name(diagnostic) != Some(EMPTY_SELECTION_ERROR));
        // Errors over the maximum are only counted.
        let shown = relevant.by_ref().take(MAX_ERRORS).map(|diagnostic| {
            let compat = diagnostic.error.unstable_compat_message();
            let mut message = compat.unwrap_or_else(|| diagnostic.error.to_string());
            if !self.suggests {
                let end = message.find(" Did you mean").unwrap_or(message.len());
                message.truncate(end);
            } else if name(&diagnostic) == Some(UNKNOWN_FIELD_ERROR) {
                message += &self.suggestion(&message);
            }
            parser::from_diagnostic(ErrorCode::ValidationFailed, &diagnostic, Some(message))
        });
        let mut shown = shown.collect::<Vec<_>>().into_iter();
        let first = shown.next().unwrap_or_else(|| {
            DocumentError::document(ErrorCode::ValidationFailed, "the document is not valid")
        });
        let others: Vec<DocumentError> = shown.collect();
        let more = relevant.count();
        let mut refusal = DocumentError { others, ..first };
        if more > 0
            && let Some(last) = refusal.others.last_mut()
        {
            *last = DocumentError::document(
                ErrorCode::ValidationFailed,
                format!("{} more errors are not shown", more + 1),
            );
        }
        refusal
    }

    /// Suggests the nearest field name, for `Cannot query field "…" on type "…".`
    fn suggestion(&self, message: &str) -> String {
        let mut quoted = message.split('"').skip(1).step_by(2);
        let (Some(field), Some(parent)) = (quoted.next(), quoted.next()) else {
            return String::new();
        };
        let fields = match self.schema.types.get(parent) {
            Some(ExtendedType::Object(object)) => &object.fields,
            Some(ExtendedType::Interface(interface)) => &interface.fields,
            _ => return String::new(),
        };
        let nearest =
            variable_values::nearest(field, fields.keys().map(apollo_compiler::Name::as_str));
        nearest.map_or_else(String::new, |name| format!(" Did you mean \"{name}\"?"))
    }
}

/// Converts a fault into an error with its line and column in the document.
fn fault_error(
    code: impl Into<ErrorCode>,
    (message, location): InputFault,
    document: &ExecutableDocument,
) -> DocumentError {
    let range = location.and_then(|at| at.line_column_range(&document.sources));
    DocumentError {
        location: range.map(|range| (range.start.line, range.start.column)),
        ..DocumentError::document(code, error::excerpt(&message, MAX_MESSAGE))
    }
}

/// Returns whether a value certainly fits a type, by the names of its scalars alone. If not, the
/// caller must check it against the schema.
fn plainly_fits(value: &ConstValue, ty: &Type) -> bool {
    match (ty, value) {
        (Type::Named(_) | Type::List(_), ConstValue::Null) => true,
        (Type::List(inner) | Type::NonNullList(inner), ConstValue::List(values)) => {
            values.iter().all(|value| plainly_fits(value, inner))
        }
        (Type::Named(name) | Type::NonNullNamed(name), value) => match (name.as_str(), value) {
            ("ID" | "String", ConstValue::String(_)) | ("Boolean", ConstValue::Boolean(_)) => true,
            ("Int", ConstValue::Number(number)) => number
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            _ => false,
        },
        _ => false,
    }
}
