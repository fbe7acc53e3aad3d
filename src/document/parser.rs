//! Parses documents (GraphQL, September 2025, section 2).

use std::{borrow::Cow, ops::Range};

use apollo_compiler::{ast::Document, diagnostic::Diagnostic, validation::DiagnosticData};

use super::error::{self, DocumentError, ErrorCode};

/// Maximum characters of a message, as it repeats parts of the document.
const MAX_MESSAGE: usize = 300;

/// Parses a document that the scan has passed, with the descriptions that the scan found. Returns it
/// with the text that its positions refer to.
///
/// # Errors
/// `GRAPHQL_PARSE_FAILED` with the first syntax error and its position.
pub fn parse<'a>(
    text: &'a str,
    descriptions: &[Range<usize>],
) -> Result<(Document, Cow<'a, str>), DocumentError> {
    check_descriptions(text, descriptions)?;
    let text = without_descriptions(text, descriptions);
    let document = Document::parse(&*text, "document").map_err(|wrong| {
        let first = wrong.errors.iter().next();
        first.map_or_else(
            || DocumentError::document(ErrorCode::ParseFailed, "the document is not GraphQL"),
            |diagnostic| from_diagnostic(ErrorCode::ParseFailed, &diagnostic, None),
        )
    })?;
    let mut definitions = document.definitions.iter();
    if !definitions.any(|definition| definition.as_operation_definition().is_some()) {
        return Err(DocumentError::document(
            ErrorCode::ParseFailed,
            "the document has no operation",
        ));
    }
    Ok((document, text))
}

/// Converts a diagnostic of the parser or validator. `message` replaces the diagnostic's.
pub fn from_diagnostic(
    code: ErrorCode,
    diagnostic: &Diagnostic<'_, DiagnosticData>,
    message: Option<String>,
) -> DocumentError {
    let range = diagnostic.line_column_range();
    let message = message.unwrap_or_else(|| diagnostic.error.to_string());
    DocumentError {
        location: range.map(|range| (range.start.line, range.start.column)),
        ..DocumentError::document(code, error::excerpt(&message, MAX_MESSAGE))
    }
}

/// Checks that descriptions are valid strings, as the parser never sees them.
fn check_descriptions(text: &str, descriptions: &[Range<usize>]) -> Result<(), DocumentError> {
    let wrong = descriptions.iter().find(|range| {
        let string = text.get((*range).clone()).unwrap_or_default();
        // In a schema, the parser knows descriptions.
        Document::parse(format!("{string} scalar S"), "description").is_err()
    });
    match wrong {
        None => Ok(()),
        Some(range) => Err(DocumentError {
            location: Some(Positions::new(text).at(range.start)),
            ..DocumentError::document(
                ErrorCode::ParseFailed,
                "syntax error: this description is not a valid string",
            )
        }),
    }
}

/// Puts a blank in place of each character of a description, so that positions stay.
fn without_descriptions<'a>(text: &'a str, descriptions: &[Range<usize>]) -> Cow<'a, str> {
    if descriptions.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut blanked = String::with_capacity(text.len());
    let mut end = 0;
    for range in descriptions {
        blanked.push_str(text.get(end..range.start).unwrap_or_default());
        let description = text.get((*range).clone()).unwrap_or_default();
        let blank = |character| match character {
            '\n' | '\r' => character,
            _ => ' ',
        };
        blanked.extend(description.chars().map(blank));
        end = range.end;
    }
    blanked.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(blanked)
}

/// Finds lines and columns of byte offsets. It goes through the text once if offsets ascend.
pub struct Positions<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    column: usize,
}

impl<'a> Positions<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            offset: 0,
            line: 1,
            column: 1,
        }
    }

    /// Returns the line and the column, in characters, both from 1 (GraphQL, 7.1.2).
    pub fn at(&mut self, offset: usize) -> (usize, usize) {
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        let bytes = self.text.as_bytes();
        while self.offset < offset {
            match bytes.get(self.offset) {
                None => break,
                Some(b'\r') if bytes.get(self.offset + 1) == Some(&b'\n') => {}
                Some(b'\n' | b'\r') => {
                    self.line += 1;
                    self.column = 1;
                }
                // The first byte of a character.
                Some(byte) if (byte & 0xC0) != 0x80 => self.column += 1,
                Some(_) => {}
            }
            self.offset += 1;
        }
        (self.line, self.column)
    }
}
