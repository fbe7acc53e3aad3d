//! Prints the schema as SDL, and parses SDL into definitions that can be changed one by one.

use std::fmt::{self, Display};

use async_graphql::SDLExportOptions;

use super::graph::builder;

/// Prints the schema with the engine: with federation directives, or with federation fields.
pub fn print(federation: bool) -> String {
    let options = SDLExportOptions::new()
        .include_specified_by()
        .prefer_single_line_descriptions()
        .use_space_ident()
        .indent_width(2);
    let options = if federation {
        options.federation()
    } else {
        options
    };
    let text = builder().finish().sdl_with_options(options);
    // End with one line break, and remove trailing spaces, as editors do.
    let mut clean: String = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    clean.truncate(clean.trim_end().len());
    clean.push('\n');
    clean
}

/// Returns the schema as SDL, including the federation fields `_service` and `_entities`.
#[must_use]
pub fn whole() -> String {
    print(false)
}

/// Prints definitions as SDL.
pub fn text(definitions: &[Definition<'_>]) -> String {
    let text: String = definitions.iter().map(ToString::to_string).collect();
    format!("{}\n", text.trim())
}

/// A definition of a printed schema.
pub struct Definition<'a> {
    follows_blank: bool,
    pub description: Vec<&'a str>,
    /// The first line, such as `type Asset implements Node {`.
    pub head: String,
    pub fields: Vec<Field<'a>>,
    has_body: bool,
}

/// A field of a type or input, or a value of an enum.
pub struct Field<'a> {
    pub description: Vec<&'a str>,
    /// The field's name, arguments and type.
    lines: Vec<&'a str>,
    /// Directives to print after the field.
    pub directives: String,
}

impl Definition<'_> {
    /// The definition's name: the second word of `head`; empty for `schema`.
    pub fn name(&self) -> &str {
        self.head.split([' ', '(']).nth(1).unwrap_or_default()
    }
}

impl Field<'_> {
    pub fn name(&self) -> &str {
        let first = self.lines.first().copied().unwrap_or_default();
        let first = first.trim_start();
        first.split(['(', ':', ' ']).next().unwrap_or_default()
    }
}

impl Display for Definition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.follows_blank {
            writeln!(f)?;
        }
        for line in &self.description {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "{}", self.head)?;
        for field in &self.fields {
            for line in &field.description {
                writeln!(f, "{line}")?;
            }
            writeln!(f, "{}{}", field.lines.join("\n"), field.directives)?;
        }
        if self.has_body {
            writeln!(f, "}}")
        } else {
            Ok(())
        }
    }
}

type Lines<'a> = std::iter::Peekable<std::str::Lines<'a>>;

/// Parses the definitions of a schema printed by [`print`].
pub fn definitions(text: &str) -> Vec<Definition<'_>> {
    let mut lines = text.lines().peekable();
    let mut definitions = Vec::new();
    loop {
        let mut follows_blank = false;
        while lines.next_if(|line| line.is_empty()).is_some() {
            follows_blank = true;
        }
        let description = description(&mut lines);
        let Some(head) = lines.next() else {
            return definitions;
        };
        let has_body = head.ends_with('{');
        let fields = if has_body {
            std::iter::from_fn(|| field(&mut lines)).collect()
        } else {
            Vec::new()
        };
        definitions.push(Definition {
            follows_blank,
            description,
            head: head.to_owned(),
            fields,
            has_body,
        });
    }
}

/// Parses the next field; `None` at the line that closes its definition.
fn field<'a>(lines: &mut Lines<'a>) -> Option<Field<'a>> {
    let description = description(lines);
    let first = lines.next().filter(|line| *line != "}")?;
    let mut field = vec![first];
    // Arguments follow on indented lines, up to the closing parenthesis.
    let mut is_open = first.ends_with('(');
    while is_open && let Some(line) = lines.next() {
        field.push(line);
        is_open = !line.starts_with("  )");
    }
    Some(Field {
        description,
        lines: field,
        directives: String::new(),
    })
}

/// Takes the lines of the next description; empty when none follows.
fn description<'a>(lines: &mut Lines<'a>) -> Vec<&'a str> {
    let is_mark = |line: &str| line.trim() == "\"\"\"";
    let Some(first) = lines.next_if(|line| line.trim_start().starts_with('"')) else {
        return Vec::new();
    };
    let mut description = vec![first];
    let mut is_open = is_mark(first);
    while is_open && let Some(line) = lines.next() {
        description.push(line);
        is_open = !is_mark(line);
    }
    description
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_print_as_they_were_read() {
        for federation in [false, true] {
            let printed = print(federation);
            assert_eq!(text(&definitions(&printed)), printed);
        }
    }

    #[test]
    fn a_definition_knows_its_name_and_its_fields() {
        let printed = print(false);
        let definitions = definitions(&printed);
        let asset = definitions
            .iter()
            .find(|definition| definition.name() == "Asset");
        let names: Vec<_> = asset.expect("it").fields.iter().map(Field::name).collect();
        assert_eq!(names.first(), Some(&"id"));
        assert!(names.contains(&"children") && names.contains(&"status"));
    }
}
