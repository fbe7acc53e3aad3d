//! Converts a valid document into the engine's, with the positions of its fields.

use std::collections::HashMap;

use apollo_compiler::{Node, ast, parser::SourceSpan};
use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        BaseType, Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
        FragmentSpread, InlineFragment, OperationDefinition, OperationType, Selection,
        SelectionSet, Type, TypeCondition, VariableDefinition,
    },
};
use async_graphql_value::{ConstValue, Number, Value};

use super::parser::Positions;

/// Converts a document that validation has passed. `text` is its text.
pub fn engine_document(document: &ast::Document, text: &str) -> ExecutableDocument {
    let mut converter = Converter {
        positions: Positions::new(text),
    };
    let (mut operations, mut anonymous) = (HashMap::new(), None);
    let mut fragments = HashMap::new();
    for definition in &document.definitions {
        match definition {
            ast::Definition::OperationDefinition(node) => {
                let operation = converter.operation(node);
                match &node.name {
                    Some(name) => _ = operations.insert(Name::new(name), operation),
                    None => anonymous = Some(operation),
                }
            }
            ast::Definition::FragmentDefinition(node) => {
                let fragment = converter.fragment(node);
                fragments.insert(Name::new(&node.name), fragment);
            }
            // Validation refuses definitions that cannot be executed.
            _ => {}
        }
    }
    ExecutableDocument {
        operations: match anonymous {
            Some(operation) => DocumentOperations::Single(operation),
            None => DocumentOperations::Multiple(operations),
        },
        fragments,
    }
}

struct Converter<'a> {
    positions: Positions<'a>,
}

impl Converter<'_> {
    fn at(&mut self, location: Option<SourceSpan>) -> Pos {
        let offset = location.map_or(0, |location| location.offset());
        Pos::from(self.positions.at(offset))
    }

    fn name(&mut self, name: &apollo_compiler::Name) -> Positioned<Name> {
        let position = self.at(name.location());
        Positioned::new(Name::new(name), position)
    }

    fn operation(
        &mut self,
        node: &Node<ast::OperationDefinition>,
    ) -> Positioned<OperationDefinition> {
        let position = self.at(node.location());
        let operation = OperationDefinition {
            ty: match node.operation_type {
                ast::OperationType::Query => OperationType::Query,
                ast::OperationType::Mutation => OperationType::Mutation,
                ast::OperationType::Subscription => OperationType::Subscription,
            },
            variable_definitions: node.variables.iter().map(|v| self.variable(v)).collect(),
            directives: self.directives(&node.directives),
            selection_set: self.selections(&node.selection_set, position),
        };
        Positioned::new(operation, position)
    }

    fn variable(&mut self, node: &Node<ast::VariableDefinition>) -> Positioned<VariableDefinition> {
        let position = self.at(node.location());
        // In the order of the text, which positions are found in.
        let name = self.name(&node.name);
        let default = node.default_value.as_ref().map(|default| {
            let position = self.at(default.location());
            // The parser takes no variables here.
            let value = engine_value(default)
                .into_const()
                .unwrap_or(ConstValue::Null);
            Positioned::new(value, position)
        });
        let variable = VariableDefinition {
            name,
            var_type: Positioned::new(engine_type(&node.ty), position),
            directives: self.directives(&node.directives),
            default_value: default,
        };
        Positioned::new(variable, position)
    }

    fn fragment(&mut self, node: &Node<ast::FragmentDefinition>) -> Positioned<FragmentDefinition> {
        let position = self.at(node.location());
        let fragment = FragmentDefinition {
            type_condition: self.condition(&node.type_condition),
            directives: self.directives(&node.directives),
            selection_set: self.selections(&node.selection_set, position),
        };
        Positioned::new(fragment, position)
    }

    fn condition(&mut self, name: &apollo_compiler::Name) -> Positioned<TypeCondition> {
        let on = self.name(name);
        let position = on.pos;
        Positioned::new(TypeCondition { on }, position)
    }

    fn directives(&mut self, directives: &ast::DirectiveList) -> Vec<Positioned<Directive>> {
        let convert = |node: &Node<ast::Directive>| {
            let position = self.at(node.location());
            let directive = Directive {
                name: self.name(&node.name),
                arguments: self.arguments(&node.arguments),
            };
            Positioned::new(directive, position)
        };
        directives.iter().map(convert).collect()
    }

    fn arguments(
        &mut self,
        arguments: &[Node<ast::Argument>],
    ) -> Vec<(Positioned<Name>, Positioned<Value>)> {
        let convert = |node: &Node<ast::Argument>| {
            let name = self.name(&node.name);
            let position = self.at(node.value.location());
            (name, Positioned::new(engine_value(&node.value), position))
        };
        arguments.iter().map(convert).collect()
    }

    /// Converts a selection set, which gets the position of what it belongs to.
    fn selections(
        &mut self,
        selections: &[ast::Selection],
        position: Pos,
    ) -> Positioned<SelectionSet> {
        let items = selections.iter().map(|selection| {
            let position = self.at(selection.location());
            Positioned::new(self.selection(selection, position), position)
        });
        let items = items.collect();
        Positioned::new(SelectionSet { items }, position)
    }

    fn selection(&mut self, selection: &ast::Selection, position: Pos) -> Selection {
        match selection {
            ast::Selection::Field(node) => {
                let field = Field {
                    alias: node.alias.as_ref().map(|alias| self.name(alias)),
                    name: self.name(&node.name),
                    arguments: self.arguments(&node.arguments),
                    directives: self.directives(&node.directives),
                    selection_set: self.selections(&node.selection_set, position),
                };
                Selection::Field(Positioned::new(field, position))
            }
            ast::Selection::FragmentSpread(node) => {
                let spread = FragmentSpread {
                    fragment_name: self.name(&node.fragment_name),
                    directives: self.directives(&node.directives),
                };
                Selection::FragmentSpread(Positioned::new(spread, position))
            }
            ast::Selection::InlineFragment(node) => {
                let condition = node.type_condition.as_ref();
                let fragment = InlineFragment {
                    type_condition: condition.map(|name| self.condition(name)),
                    directives: self.directives(&node.directives),
                    selection_set: self.selections(&node.selection_set, position),
                };
                Selection::InlineFragment(Positioned::new(fragment, position))
            }
        }
    }
}

fn engine_type(ty: &ast::Type) -> Type {
    let base = match ty {
        ast::Type::Named(name) | ast::Type::NonNullNamed(name) => BaseType::Named(Name::new(name)),
        ast::Type::List(inner) | ast::Type::NonNullList(inner) => {
            BaseType::List(Box::new(engine_type(inner)))
        }
    };
    Type {
        base,
        nullable: !ty.is_non_null(),
    }
}

fn engine_value(value: &ast::Value) -> Value {
    // Validation refuses numbers that do not parse.
    let number = |text: &str| Value::Number(text.parse().unwrap_or_else(|_| Number::from(0)));
    match value {
        ast::Value::Null => Value::Null,
        ast::Value::Enum(name) => Value::Enum(Name::new(name)),
        ast::Value::Variable(name) => Value::Variable(Name::new(name)),
        ast::Value::String(text) => Value::String(text.clone()),
        ast::Value::Float(text) => number(text.as_str()),
        ast::Value::Int(text) => number(text.as_str()),
        ast::Value::Boolean(value) => Value::Boolean(*value),
        ast::Value::List(items) => {
            Value::List(items.iter().map(|item| engine_value(item)).collect())
        }
        ast::Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, field)| (Name::new(name), engine_value(field)));
            Value::Object(fields.collect())
        }
    }
}
