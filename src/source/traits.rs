//! The trait that every provider's source implements.

use std::sync::Arc;

use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};

use super::{
    error::SourceError,
    filter::{Filter, Pushdown},
    info::{DetailLevel, MediaAnswer, Paging, SourceInfo},
    page::{ListKind, ListRequest, Page, Parameters, SortBy},
    request_context::RequestContext,
    upload::{FileContent, NewFile, UploadFailure, UploadOptions, Uploaded},
    write::{ChangeFailure, TagChange},
};
use crate::{
    asset::{Asset, FileType, Rendition},
    upstream::Breaker,
};

/// One configured account or server.
///
/// Methods get the operation's limits in [`RequestContext`] and at most one source's credential.
/// They never wait past the deadline.
pub trait Source: Send + Sync {
    fn profile(&self) -> &SourceInfo;

    /// Returns the breaker, which tracks the source's health and decides whether to call it.
    fn breaker(&self) -> Breaker {
        Breaker::default()
    }

    /// Returns how this list is paged in this order; `None` if there is no such list or order.
    fn paging(&self, listing: ListKind, by: SortBy) -> Option<Paging>;

    /// Translates `filter` into a list call in this order. The call returns every match, and as few
    /// other rows as possible.
    fn push_down(&self, filter: &Filter, by: SortBy) -> Pushdown;

    /// Returns why the source does not read this list with these parameters, if it does not:
    /// [`Pushdown::Skip`] or [`Pushdown::Unsupported`].
    fn declines(&self, _listing: ListKind, _parameters: &Parameters) -> Option<Pushdown> {
        None
    }

    /// Returns the list parameters that select an asset's children; `None` without lineage.
    fn children(&self, _id: &str) -> Option<Parameters> {
        None
    }

    /// Reads one page of the source's list.
    fn list<'a>(
        &'a self,
        request: &'a ListRequest,
        context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Page, SourceError>>;

    /// Reads one asset.
    fn get<'a>(
        &'a self,
        id: &'a str,
        variant: DetailLevel,
        context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Arc<Asset>, SourceError>>;

    /// Reads several assets and yields each as it arrives. An id that is not yielded is gone.
    fn get_many<'a>(
        &'a self,
        ids: &'a [Arc<str>],
        variant: DetailLevel,
        context: &'a RequestContext,
    ) -> BoxStream<'a, (Arc<str>, Result<Arc<Asset>, SourceError>)>;

    /// Upstream calls that [`Source::list`] makes.
    fn calls_to_list(&self, _listing: ListKind) -> u32 {
        1
    }

    /// Upstream calls that [`Source::get_many`] makes for this number of ids.
    fn calls_to_get(&self, ids: usize, _variant: DetailLevel) -> usize {
        ids
    }

    /// Checks that the source's assets can have these tags, and that filters can find them.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] names the broken rule.
    fn check_tags(&self, _tags: &[String]) -> Result<(), SourceError> {
        Ok(())
    }

    /// Changes an asset's tags. The caller holds the asset's lock, so an implementation may read
    /// the tags before it replaces them.
    fn change_tags<'a>(
        &'a self,
        _id: &'a str,
        _change: &'a TagChange,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<(), ChangeFailure>> {
        Box::pin(async { Err(SourceError::no_such_write().into()) })
    }

    /// Sets an asset's note, or clears it. The caller holds the asset's lock.
    fn set_note<'a>(
        &'a self,
        _id: &'a str,
        _note: Option<&'a str>,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<(), ChangeFailure>> {
        Box::pin(async { Err(SourceError::no_such_write().into()) })
    }

    /// Checks that a file of this type can become an asset at this source.
    ///
    /// # Errors
    /// - [`SourceError::UnsupportedMediaType`]: the source takes no file of this type.
    /// - [`SourceError::Invalid`]: the options break a rule, which the message names.
    /// - [`SourceError::Unsupported`]: the source takes no uploads.
    /// - [`SourceError::NoCredential`]: the source needs the caller's own credential.
    fn check_upload(&self, _kind: FileType, _options: &UploadOptions) -> Result<(), SourceError> {
        Err(SourceError::no_uploads())
    }

    /// Returns the tags that the source adds to an upload besides the client's.
    fn upload_tags(&self, _options: &UploadOptions) -> Vec<String> {
        Vec::new()
    }

    /// Whether the source needs an upload's length before its first byte.
    fn needs_length(&self) -> bool {
        false
    }

    /// Uploads a file as a new asset. It streams a client's bytes to the source as they arrive.
    fn upload<'a>(
        &'a self,
        _file: &'a NewFile<'a>,
        _content: FileContent,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Uploaded, UploadFailure>> {
        Box::pin(async { Err(SourceError::no_uploads().into()) })
    }

    /// Checks a new asset whose bytes the source already had. The source may have stored no file
    /// for it, or lost the file.
    fn check_known_bytes<'a>(
        &'a self,
        _asset: &'a Asset,
        _options: &'a UploadOptions,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }

    /// Polls an upload that was [`Uploaded::Pending`] until it is done, or until the operation's
    /// time is nearly over.
    fn upload_state<'a>(
        &'a self,
        _upload: &'a str,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Uploaded, UploadFailure>> {
        Box::pin(async { Err(SourceError::no_uploads().into()) })
    }

    /// Maximum number of assets per delete call.
    fn delete_batch(&self) -> usize {
        1
    }

    /// Deletes at most [`Source::delete_batch`] assets and returns each one's outcome.
    fn delete<'a>(
        &'a self,
        ids: &'a [Arc<str>],
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Vec<(Arc<str>, Result<(), SourceError>)>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(ids.len());
            for id in ids {
                outcomes.push((id.clone(), Err(SourceError::no_such_write())));
            }
            outcomes
        })
    }

    /// Opens a rendition that a browser cannot load directly ([`crate::asset::Location::Proxied`]).
    /// Sources whose files load directly have none.
    fn media<'a>(
        &'a self,
        _asset: &'a Asset,
        _rendition: Rendition,
        _range: Option<&'a http::HeaderValue>,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<MediaAnswer, SourceError>> {
        Box::pin(async { Err(SourceError::NotFound) })
    }
}

/// [`Source::get_many`] for a source without a batch read: one read per id, up to the source's
/// limit of concurrent calls.
pub fn fan_out<'a, S: Source>(
    source: &'a S,
    ids: &'a [Arc<str>],
    variant: DetailLevel,
    context: &'a RequestContext,
) -> BoxStream<'a, (Arc<str>, Result<Arc<Asset>, SourceError>)> {
    let mut reads = Vec::with_capacity(ids.len());
    for id in ids {
        reads.push(async move { (id.clone(), source.get(id, variant, context).await) });
    }
    futures_util::stream::iter(reads)
        .buffer_unordered(source.profile().in_flight)
        .boxed()
}
