//! Inputs of which exactly one field is given (`@oneOf`; GraphQL, September 2025, 5.6.5): the
//! validator does not know them, and the engine finds out only while it executes.

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::{Type, Value},
    executable::Operation,
    parser::SourceSpan,
    response::{JsonMap, JsonValue},
    schema::{ExtendedType, InputObjectType},
};

/// What is wrong, and where in the document.
pub type Fault = (String, Option<SourceSpan>);

/// Looks at every literal of a document.
///
/// # Errors
/// For the first that gives none or several fields, or null.
pub fn check(document: &ExecutableDocument, schema: &Schema) -> Result<(), Fault> {
    for operation in document.operations.iter() {
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                literal(default, &variable.ty, operation, schema)?;
            }
        }
        for field in operation.all_fields(document) {
            for argument in &field.arguments {
                if let Some(own) = field.definition.argument_by_name(&argument.name) {
                    literal(&argument.value, &own.ty, operation, schema)?;
                }
            }
        }
    }
    Ok(())
}

/// Looks at the variables of an operation, which are of the types that it declares.
///
/// # Errors
/// For the first that gives none or several fields, or null.
pub fn check_variables(
    operation: &Operation,
    variables: &JsonMap,
    schema: &Schema,
) -> Result<(), Fault> {
    for variable in &operation.variables {
        if let Some(value) = variables.get(variable.name.as_str()) {
            constant(value, &variable.ty, schema)?;
        }
    }
    Ok(())
}

fn input<'a>(of: &Type, schema: &'a Schema) -> Option<&'a InputObjectType> {
    match schema.types.get(of.inner_named_type())? {
        ExtendedType::InputObject(input) => Some(input),
        _ => None,
    }
}

fn is_one_of(input: &InputObjectType) -> bool {
    input.directives.has("oneOf")
}

fn fault(input: &InputObjectType, location: Option<SourceSpan>) -> Fault {
    let name = &input.name;
    let what =
        format!("Exactly one key must be specified for OneOf type \"{name}\", and not null.");
    (what, location)
}

fn literal(
    value: &Node<Value>,
    of: &Type,
    operation: &Operation,
    schema: &Schema,
) -> Result<(), Fault> {
    let Some(own) = input(of, schema) else {
        return Ok(());
    };
    let fields = match &**value {
        Value::List(items) => {
            let mut items = items.iter();
            return items.try_for_each(|item| literal(item, of, operation, schema));
        }
        Value::Object(fields) => fields,
        _ => return Ok(()),
    };
    if is_one_of(own) {
        let is_given = match fields.as_slice() {
            [(_, value)] => match &**value {
                Value::Null => false,
                // One that may be null may leave nothing.
                Value::Variable(name) => {
                    let mut all = operation.variables.iter();
                    let variable = all.find(|own| own.name == *name);
                    variable.is_none_or(|own| own.ty.is_non_null())
                }
                _ => true,
            },
            _ => false,
        };
        if !is_given {
            return Err(fault(own, value.location()));
        }
    }
    for (name, value) in fields {
        if let Some(field) = own.fields.get(name) {
            literal(value, &field.ty, operation, schema)?;
        }
    }
    Ok(())
}

fn constant(value: &JsonValue, of: &Type, schema: &Schema) -> Result<(), Fault> {
    let Some(own) = input(of, schema) else {
        return Ok(());
    };
    if let Some(items) = value.as_array() {
        let mut items = items.iter();
        return items.try_for_each(|item| constant(item, of, schema));
    }
    let Some(fields) = value.as_object() else {
        return Ok(());
    };
    if is_one_of(own) && (fields.len() != 1 || fields.values().any(JsonValue::is_null)) {
        return Err(fault(own, None));
    }
    for (name, value) in fields {
        if let Some(field) = own.fields.get(name.as_str()) {
            constant(value, &field.ty, schema)?;
        }
    }
    Ok(())
}
