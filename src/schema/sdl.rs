//! The schema in GraphQL's schema definition language (SDL), to print and to change.

use apollo_compiler::{
    Node,
    ast::{Definition, Document, FieldDefinition},
};
use async_graphql::SDLExportOptions;

use super::graph::builder;

/// Prints the whole schema.
#[must_use]
pub fn whole() -> String {
    print(&document(false))
}

/// The schema's definitions; with federation's directives, or with federation's fields.
pub fn document(federation: bool) -> Document {
    let options = SDLExportOptions::new().include_specified_by();
    let options = if federation {
        options.federation()
    } else {
        options
    };
    let text = builder().finish().sdl_with_options(options);
    // The engine's text is valid; a test compares the definitions with `schema.graphql`.
    Document::parse(text, "schema.graphql").unwrap_or_else(|errors| errors.partial)
}

/// Prints definitions, with one line break at the end.
pub fn print(document: &Document) -> String {
    format!("{}\n", document.to_string().trim_end())
}

/// The name of a type's definition; empty for other definitions.
pub fn name(definition: &Definition) -> &str {
    match definition.name() {
        Some(name) if !definition.is_extension_definition() => name,
        _ => "",
    }
}

/// The fields of an object or interface.
pub fn fields(definition: &mut Definition) -> Option<&mut Vec<Node<FieldDefinition>>> {
    match definition {
        Definition::ObjectTypeDefinition(object) => Some(&mut object.make_mut().fields),
        Definition::InterfaceTypeDefinition(interface) => Some(&mut interface.make_mut().fields),
        _ => None,
    }
}
