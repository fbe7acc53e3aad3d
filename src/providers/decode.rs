//! Decodes upstream responses into rows and errors, for all providers.

mod recovery;
pub mod response;
pub mod row_cache;
pub mod rows;
pub mod signed_url;
mod streaming;

use std::sync::Arc;

use crate::{
    asset::Asset,
    source::{ListRequest, Page, SourceError},
    upstream::Answer,
};

/// Decodes a source's responses without a call.
pub trait Decode: Sync {
    /// Decodes the response to this request.
    fn decode_page(&self, answer: Answer, request: &ListRequest) -> Result<Page, SourceError>;

    /// Decodes the response of a read by id.
    fn decode_asset(&self, answer: &Answer) -> Result<Arc<Asset>, SourceError>;
}
