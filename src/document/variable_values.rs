//! Checks the values of variables against the types that an operation declares (GraphQL, September
//! 2025, 6.1.2). Each fault names the variable, the path inside it, the value and the rule, as
//! graphql-js does.

use apollo_compiler::{
    Name, Node, Schema,
    ast::{Type, VariableDefinition},
    executable::Operation,
    parser::SourceSpan,
    schema::{ExtendedType, InputObjectType},
};
use async_graphql::Variables;
use async_graphql_value::ConstValue;

use super::error::excerpt;
use crate::schema::byte_size;

/// Maximum number of faults.
const MAX_FAULTS: usize = 10;
/// Maximum characters of a value in a message.
const MAX_VALUE: usize = 60;
/// Maximum characters of a mistyped name that gets a suggestion.
const MAX_NAME: usize = 40;

/// A value that does not fit.
pub struct VariableFault {
    pub message: String,
    /// The variable's name, then keys and indices inside its value.
    pub path: Vec<String>,
    /// Where the variable is declared.
    pub location: Option<SourceSpan>,
}

/// Checks the variables of an operation. Returns the first ten faults at most.
pub fn check(
    operation: &Operation,
    variables: &Variables,
    schema: &Schema,
    suggests: bool,
) -> Vec<VariableFault> {
    let mut checker = Checker {
        schema,
        suggests,
        path: Vec::new(),
        faults: Vec::new(),
        location: None,
    };
    for definition in &operation.variables {
        checker.variable(definition, variables.get(definition.name.as_str()));
    }
    checker.faults
}

struct Checker<'a> {
    schema: &'a Schema,
    /// Whether faults suggest a name for a mistyped one.
    suggests: bool,
    path: Vec<String>,
    faults: Vec<VariableFault>,
    location: Option<SourceSpan>,
}

impl Checker<'_> {
    fn variable(&mut self, definition: &Node<VariableDefinition>, value: Option<&ConstValue>) {
        let (name, ty) = (&definition.name, &definition.ty);
        self.path = vec![name.to_string()];
        self.location = definition.location();
        match value {
            None if ty.is_non_null() && definition.default_value.is_none() => self.report(format!(
                "Variable \"${name}\" of required type \"{ty}\" was not provided."
            )),
            None => {}
            Some(ConstValue::Null) if ty.is_non_null() => self.report(format!(
                "Variable \"${name}\" of non-null type \"{ty}\" must not be null."
            )),
            Some(value) => self.value(value, ty),
        }
    }

    fn value(&mut self, value: &ConstValue, ty: &Type) {
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        match (value, ty) {
            (ConstValue::Null, ty) if ty.is_non_null() => self.refuse(
                &shown(value),
                &format!("Expected non-nullable type \"{ty}\" not to be null."),
            ),
            (ConstValue::Null, _) => {}
            (ConstValue::List(items), Type::List(item) | Type::NonNullList(item)) => {
                for (index, element) in items.iter().enumerate() {
                    self.inside(index.to_string(), |checker| checker.value(element, item));
                }
            }
            // A single value is a list of one.
            (_, Type::List(item) | Type::NonNullList(item)) => self.value(value, item),
            (_, Type::Named(name) | Type::NonNullNamed(name)) => self.named(value, name),
        }
    }

    fn inside(&mut self, part: String, check: impl FnOnce(&mut Self)) {
        self.path.push(part);
        check(self);
        self.path.pop();
    }

    fn named(&mut self, value: &ConstValue, name: &str) {
        let schema = self.schema;
        let rule = match (schema.types.get(name), name) {
            (Some(ExtendedType::InputObject(input)), _) => return self.object(value, input),
            (Some(ExtendedType::Enum(definition)), _) => match value {
                ConstValue::String(word) if definition.values.contains_key(word.as_str()) => return,
                ConstValue::Enum(word) if definition.values.contains_key(word.as_str()) => return,
                ConstValue::String(word) if is_name(word) => {
                    let names = definition.values.keys().map(Name::as_str);
                    let near = self.suggestion(word, names, "the enum value ");
                    return self.refuse(
                        &format!("\"{word}\""),
                        &format!("Value \"{word}\" does not exist in \"{name}\" enum.{near}"),
                    );
                }
                other => format!(
                    "Enum \"{name}\" cannot represent non-string value: {}.",
                    shown(other)
                ),
            },
            (_, "Int") => match value {
                ConstValue::Number(number) if number.as_i64().is_some_and(is_int) => return,
                ConstValue::Number(number) if number.is_i64() || number.is_u64() => {
                    format!("Int cannot represent non 32-bit signed integer value: {number}")
                }
                other => format!("Int cannot represent non-integer value: {}", shown(other)),
            },
            (_, "Float") => match value {
                ConstValue::Number(_) => return,
                other => format!("Float cannot represent non numeric value: {}", shown(other)),
            },
            (_, "String") => match value {
                ConstValue::String(_) => return,
                other => format!(
                    "String cannot represent a non string value: {}",
                    shown(other)
                ),
            },
            (_, "Boolean") => match value {
                ConstValue::Boolean(_) => return,
                other => format!(
                    "Boolean cannot represent a non boolean value: {}",
                    shown(other)
                ),
            },
            (_, "ID") => match value {
                ConstValue::String(_) => return,
                ConstValue::Number(number) if number.is_i64() => return,
                other => format!("ID cannot represent value: {}", shown(other)),
            },
            (_, byte_size::NAME) => match value {
                ConstValue::Number(number) if number.as_u64().is_some_and(byte_size::fits) => {
                    return;
                }
                _ => byte_size::RULE.to_owned(),
            },
            // The fields that take other scalars read them.
            _ => return,
        };
        self.refuse(&shown(value), &rule);
    }

    fn object(&mut self, value: &ConstValue, input: &InputObjectType) {
        let name = &input.name;
        let ConstValue::Object(fields) = value else {
            return self.refuse(
                &shown(value),
                &format!("Expected type \"{name}\" to be an object."),
            );
        };
        for (field, definition) in &input.fields {
            if self.faults.len() >= MAX_FAULTS {
                return;
            }
            match fields.get(field.as_str()) {
                Some(inner) => {
                    self.inside(field.to_string(), |checker| {
                        checker.value(inner, &definition.ty);
                    });
                }
                None if definition.is_required() => {
                    let ty = &definition.ty;
                    self.refuse(
                        &shown(value),
                        &format!("Field \"{field}\" of required type \"{ty}\" was not provided."),
                    );
                }
                None => {}
            }
        }
        for field in fields.keys() {
            if self.faults.len() >= MAX_FAULTS {
                return;
            }
            if !input.fields.contains_key(field.as_str()) {
                let names = input.fields.keys().map(Name::as_str);
                let near = self.suggestion(field, names, "");
                let field = excerpt(field, MAX_VALUE);
                self.refuse(
                    &shown(value),
                    &format!("Field \"{field}\" is not defined by type \"{name}\".{near}"),
                );
            }
        }
        if input.directives.has("oneOf")
            && (fields.len() != 1 || fields.values().any(|value| *value == ConstValue::Null))
        {
            self.refuse(
                &shown(value),
                &format!(
                    "Exactly one key must be specified for OneOf type \"{name}\", and not null."
                ),
            );
        }
    }

    fn suggestion<'n>(
        &self,
        word: &str,
        names: impl Iterator<Item = &'n str>,
        what: &str,
    ) -> String {
        let near = if self.suggests {
            nearest(word, names)
        } else {
            None
        };
        near.map_or_else(String::new, |near| {
            format!(" Did you mean {what}\"{near}\"?")
        })
    }

    /// Records that the value at the current path breaks a rule. `value` is how messages show it.
    fn refuse(&mut self, value: &str, rule: &str) {
        let Some((variable, inside)) = self.path.split_first() else {
            return;
        };
        let mut at = String::new();
        for part in inside {
            at += &if part.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("[{part}]")
            } else {
                format!(".{part}")
            };
        }
        let at = if at.is_empty() {
            at
        } else {
            format!(" at \"{variable}{at}\"")
        };
        self.report(format!(
            "Variable \"${variable}\" got invalid value {value}{at}; {rule}"
        ));
    }

    fn report(&mut self, message: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(VariableFault {
                message,
                path: self.path.clone(),
                location: self.location,
            });
        }
    }
}

/// Whether a text is a GraphQL name that is short enough to show.
fn is_name(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !word.is_empty() && word.len() <= MAX_NAME && word.chars().all(is_part)
}

fn is_int(number: i64) -> bool {
    i32::try_from(number).is_ok()
}

/// Shows a value without its texts: they may be long, or a secret in the wrong place.
fn shown(value: &ConstValue) -> String {
    match value {
        ConstValue::String(_) => "\"…\"".to_owned(),
        ConstValue::List(_) => "[…]".to_owned(),
        ConstValue::Object(_) => "{…}".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the name that is most like `word`, whatever its case. Up to half of the characters may
/// differ.
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let letters = word.chars().count();
    if letters > MAX_NAME {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&word, &name.to_ascii_lowercase());
    names
        .map(|name| (distance(name), name))
        .filter(|(distance, _)| *distance <= letters.div_ceil(2))
        .min()
        .map(|(_, name)| name)
}
