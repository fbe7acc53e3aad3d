//! Scans a document's text before the parser runs.

use super::error::{DocumentError, ErrorCode};
use crate::settings::Limits;

/// Counts brackets and tokens in one pass without allocation. The parser recurses on brackets, so
/// their depth must be checked before it runs.
///
/// # Errors
/// `LIMIT_EXCEEDED` for more tokens or deeper brackets than the limits allow, and
/// `GRAPHQL_PARSE_FAILED` for an unterminated string.
pub fn scan(text: &str, limits: &Limits) -> Result<(), DocumentError> {
    let bytes = text.as_bytes();
    let (mut depth, mut deepest, mut tokens, mut at) = (0_usize, 0_usize, 0_usize, 0_usize);
    let byte = |at: usize| bytes.get(at).copied();
    while let Some(current) = byte(at) {
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
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {}
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
    }
    if deepest > limits.nesting {
        return Err(DocumentError::limit(
            "nesting of brackets",
            deepest,
            limits.nesting,
        ));
    }
    if tokens > limits.tokens {
        return Err(DocumentError::limit(
            "number of tokens",
            tokens,
            limits.tokens,
        ));
    }
    Ok(())
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
