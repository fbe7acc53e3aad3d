//! Errors that refuse a document. They have no HTTP status: the server chooses it.

use crate::schema::Code;

/// A code for `extensions.code`: one of the graph's, or one that only document errors use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    Graph(Code),
    ParseFailed,
    ValidationFailed,
    PersistedQueryNotFound,
}

impl ErrorCode {
    /// Returns the value of `extensions.code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Graph(code) => code.as_str(),
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
        }
    }
}

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        Self::Graph(code)
    }
}

/// An error that refuses a document, or a request for one. The message is safe to show.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct DocumentError {
    pub code: ErrorCode,
    pub message: String,
    /// Line and column in the document.
    pub location: Option<(usize, usize)>,
    /// True if the document is wrong, false if the request that names it is.
    pub is_document_error: bool,
    /// The path of the invalid value: a variable's name, then keys and indices. Empty: there is none.
    pub field: Vec<String>,
    /// The limit that the document exceeds.
    pub limit: Option<Box<Limit>>,
    /// Further errors of the same document.
    pub others: Vec<DocumentError>,
}

/// An exceeded limit.
#[derive(Debug, Clone)]
pub struct Limit {
    /// The key in `[limits]`.
    pub name: &'static str,
    pub value: u64,
    pub maximum: u64,
}

impl DocumentError {
    /// Creates an error for a document that cannot be parsed or is not valid.
    pub fn document(code: impl Into<ErrorCode>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            location: None,
            is_document_error: true,
            field: Vec::new(),
            limit: None,
            others: Vec::new(),
        }
    }

    /// Creates an error for a request that does not name its document correctly.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self {
            is_document_error: false,
            ..Self::document(Code::BadUserInput, message)
        }
    }

    /// Creates an error for an exceeded limit: its key in `[limits]`, what it limits, the document's
    /// value and the maximum.
    pub fn limit(name: &'static str, what: &str, value: u64, maximum: u64) -> Self {
        Self {
            limit: Some(Box::new(Limit {
                name,
                value,
                maximum,
            })),
            ..Self::document(
                Code::LimitExceeded,
                format!("the document's {what} is {value}; the limit is {maximum}"),
            )
        }
    }
}

/// Returns the first `letters` characters of a text, on one line.
#[must_use]
pub fn excerpt(text: &str, letters: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut excerpt: String = text.chars().take(letters).map(plain).collect();
    if excerpt.len() < text.len() && text.chars().nth(letters).is_some() {
        excerpt.push('…');
    }
    excerpt
}
