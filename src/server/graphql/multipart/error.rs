//! Error messages for multipart bodies that cannot be read.

use crate::server::error::{self, RequestError};

/// Shortens a client's text for a message.
pub fn shown(text: &str) -> String {
    error::excerpt(text, 40)
}

/// Converts multer's error into a 400. multer's messages name byte offsets; these name the cause.
pub fn broken(error: multer::Error) -> RequestError {
    RequestError::bad_request(in_words(&error))
}

pub fn in_words(error: &multer::Error) -> &'static str {
    match error {
        multer::Error::StreamReadFailed(_) => "the request's body was cut off, or is too large",
        multer::Error::IncompleteStream
        | multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders => {
            "the multipart body ends before its last boundary: it was cut off, or the boundary is \
             not the one that the content type names"
        }
        multer::Error::ReadHeaderFailed(_)
        | multer::Error::DecodeHeaderName { .. }
        | multer::Error::DecodeHeaderValue { .. } => {
            "a part of the multipart body has headers that cannot be read"
        }
        _ => "the body is not multipart/form-data",
    }
}
