//! The schema in GraphQL's own language.

use async_graphql::SDLExportOptions;

/// As the engine prints it, for clients or with the directives of federation.
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
    let text = super::build().sdl_with_options(options);
    // One line break at the end, none elsewhere that an editor would take away.
    let mut clean: String = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    clean.truncate(clean.trim_end().len());
    clean.push('\n');
    clean
}
