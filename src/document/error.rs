//! Why a document is refused. No HTTP: the server decides the status.

use crate::schema::Code;

/// A code in `extensions.code`: one of the graph's, or one that only documents have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    Graph(Code),
    ParseFailed,
    ValidationFailed,
    PersistedQueryNotFound,
}

impl ErrorCode {
    /// As it stands in `extensions.code`.
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

/// Why a document, or a request for one, is refused. The message is safe to show.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct DocumentError {
    pub code: ErrorCode,
    pub message: String,
    /// Line and column in the document.
    pub location: Option<(usize, usize)>,
    /// The document is at fault, as opposed to the request that names it.
    pub is_document_error: bool,
    /// The limit that the document exceeds.
    pub limit: Option<Box<Limit>>,
    /// What else is wrong with the document.
    pub others: Vec<DocumentError>,
}

/// A limit that was exceeded.
#[derive(Debug, Clone)]
pub struct Limit {
    pub name: &'static str,
    pub value: u64,
    pub maximum: u64,
}

impl DocumentError {
    /// The document cannot be parsed or is not valid.
    pub fn document(code: impl Into<ErrorCode>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            location: None,
            is_document_error: true,
            limit: None,
            others: Vec::new(),
        }
    }

    /// The request does not name a document as it should.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self {
            is_document_error: false,
            ..Self::document(Code::BadUserInput, message)
        }
    }

    /// A limit: its name, what the document has, and the most it may have.
    pub fn limit(name: &'static str, value: usize, maximum: usize) -> Self {
        Self::limit64(name, value as u64, maximum as u64)
    }

    /// The same for numbers that may exceed `usize`.
    pub fn limit64(name: &'static str, value: u64, maximum: u64) -> Self {
        Self {
            limit: Some(Box::new(Limit {
                name,
                value,
                maximum,
            })),
            ..Self::document(
                Code::LimitExceeded,
                format!("the document's {name} is {value}; the limit is {maximum}"),
            )
        }
    }
}

/// The beginning of a text, on one line.
#[must_use]
pub fn excerpt(text: &str, letters: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut excerpt: String = text.chars().take(letters).map(plain).collect();
    if excerpt.len() < text.len() && text.chars().nth(letters).is_some() {
        excerpt.push('…');
    }
    excerpt
}
