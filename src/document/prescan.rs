//! Scans a document's text before the parser runs.

use std::ops::Range;

use super::error::{DocumentError, ErrorCode};
use crate::settings::Limits;

/// Definitions that may have a description.
const DESCRIBED: [&[u8]; 4] = [b"query", b"mutation", b"subscription", b"fragment"];

/// Counts brackets and tokens in one pass. The parser recurses on brackets, so their depth must be
/// checked before it runs.
///
/// Returns the positions of descriptions before operations, fragments and variables (GraphQL,
/// September 2025, 2.3, 2.9 and 2.11), which the parser does not know yet.
///
/// # Errors
/// `LIMIT_EXCEEDED` for more tokens or deeper brackets than the limits allow, and
/// `GRAPHQL_PARSE_FAILED` for an unterminated string.
pub fn scan(text: &str, limits: &Limits) -> Result<Vec<Range<usize>>, DocumentError> {
    let bytes = text.as_bytes();
    let (mut depth, mut deepest, mut tokens, mut at) = (0_usize, 0_usize, 0_usize, 0_usize);
    let byte = |at: usize| bytes.get(at).copied();
    let mut descriptions = Vec::new();
    // The token before: a string that may be a description, or the first byte of another one.
    let (mut string, mut previous) = (None, b' ');
    while let Some(current) = byte(at) {
        let start = at;
        match current {
            b'#' => {
                while byte(at).is_some_and(|b| b != b'\n' && b != b'\r') {
                    at += 1;
                }
                continue;
            }
            b'"' => {
                at = end_of_string(bytes, at).ok_or_else(unclosed_string)?;
                tokens += 1;
                // Before it stands the end of a definition, or a variable's definition: a string
                // after `=` is a default value, and one after `:` an argument.
                let may_describe = match depth {
                    0 => matches!(previous, b' ' | b'}'),
                    1 => !matches!(previous, b'=' | b':'),
                    _ => false,
                };
                string = may_describe.then_some(start..at);
                previous = current;
                continue;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
                tokens += 1;
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                tokens += 1;
            }
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'.' => {
                // An ellipsis is one token. A decimal point counts as one too: close enough.
                while byte(at + 1) == Some(b'.') {
                    at += 1;
                }
                tokens += 1;
            }
            b if is_word(b) => {
                while byte(at + 1).is_some_and(is_word) {
                    at += 1;
                }
                tokens += 1;
            }
            _ => tokens += 1,
        }
        at += 1;
        if let Some(string) = string.take()
            && match depth {
                0 => DESCRIBED.contains(&&bytes[start..at]),
                _ => current == b'$',
            }
        {
            descriptions.push(string);
        }
        previous = current;
    }
    if deepest > limits.nesting {
        return Err(DocumentError::limit(
            "nesting",
            "nesting of brackets",
            deepest as u64,
            limits.nesting as u64,
        ));
    }
    if tokens > limits.tokens {
        return Err(DocumentError::limit(
            "tokens",
            "number of tokens",
            tokens as u64,
            limits.tokens as u64,
        ));
    }
    Ok(descriptions)
}

/// Returns whether a byte belongs to a name or number.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Creates the error for an unterminated string. The parser would read its opening quotes as an
/// empty string, and then parse text that the scan did not count.
fn unclosed_string() -> DocumentError {
    DocumentError::document(
        ErrorCode::ParseFailed,
        "a string in the document does not end",
    )
}

/// Returns the index after the string that begins at `at`; `None` if it is unterminated.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"\"\"\"") {
        let mut i = 3;
        while i < rest.len() {
            if rest[i..].starts_with(b"\\\"\"\"") {
                i += 4;
            } else if rest[i..].starts_with(b"\"\"\"") {
                return Some(at + i + 3);
            } else {
                i += 1;
            }
        }
        return None;
    }
    let mut i = 1;
    while i < rest.len() {
        match rest[i] {
            b'\\' => i += 2,
            b'"' => return Some(at + i + 1),
            b'\n' | b'\r' => return None,
            _ => i += 1,
        }
    }
    None
}
