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
/// Methods take what they need of the operation in [`RequestContext`], never more than one source's
/// credential, and never wait past its deadline.
pub trait Source: Send + Sync {
    fn profile(&self) -> &SourceInfo;

    /// How it does, and whether it is called at all.
    fn breaker(&self) -> Breaker {
        Breaker::default()
    }

    /// How this list is paged when it is sorted so; `None`: there is no such list or order.
    fn paging(&self, listing: ListKind, by: SortBy) -> Option<Paging>;

    /// What its list, sorted so, is asked for, so that it brings all that fits `filter`, and not
    /// much more.
    fn push_down(&self, filter: &Filter, by: SortBy) -> Pushdown;

    /// Why this list of its own is not asked for these parameters, where it is not:
    /// [`Pushdown::Skip`] or [`Pushdown::Unsupported`].
    fn declines(&self, _listing: ListKind, _parameters: &Parameters) -> Option<Pushdown> {
        None
    }

    /// What its list is asked for to bring an asset's children; `None`: it knows no lineage.
    fn children(&self, _id: &str) -> Option<Parameters> {
        None
    }

    /// Reads one stretch of the source's list.
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

    /// Reads several assets and gives each as it comes. An id that never comes is gone.
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

    /// Whether its assets can have these tags, and be found by them.
    ///
    /// # Errors
    /// [`SourceError::Invalid`] naming the rule.
    fn check_tags(&self, _tags: &[String]) -> Result<(), SourceError> {
        Ok(())
    }

    /// Changes an asset's tags. The caller holds the asset's lock: an upstream that only replaces is
    /// read first.
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

    /// Whether a file of this type may become an asset here.
    ///
    /// # Errors
    /// [`SourceError::UnsupportedMediaType`] or [`SourceError::Invalid`] naming the rule.
    fn check_upload(&self, _kind: FileType, _options: &UploadOptions) -> Result<(), SourceError> {
        Err(SourceError::no_uploads())
    }

    /// Tags of its own that an upload gets beside the client's.
    fn upload_tags(&self, _options: &UploadOptions) -> Vec<String> {
        Vec::new()
    }

    /// Whether an upload must know its length before its first byte is sent.
    fn needs_length(&self) -> bool {
        false
    }

    /// Makes an asset of a file. What its client sends is sent on as it comes.
    fn upload<'a>(
        &'a self,
        _file: &'a NewFile<'a>,
        _content: FileContent,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Uploaded, UploadFailure>> {
        Box::pin(async { Err(SourceError::no_uploads().into()) })
    }

    /// Checks an asset made of bytes that the source knew: the source may have put them nowhere, or
    /// have lost them.
    fn check_known_bytes<'a>(
        &'a self,
        _asset: &'a Asset,
        _options: &'a UploadOptions,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }

    /// What became of an upload that was [`Uploaded::Pending`]: looks until it is done, or the
    /// operation's time is nearly over.
    fn upload_state<'a>(
        &'a self,
        _upload: &'a str,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Uploaded, UploadFailure>> {
        Box::pin(async { Err(SourceError::no_uploads().into()) })
    }

    /// Assets that one call deletes at most.
    fn delete_batch(&self) -> usize {
        1
    }

    /// Deletes at most [`Source::delete_batch`] assets and says what became of each.
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

    /// Opens a rendition that a browser cannot load by itself ([`crate::asset::Location::Proxied`]).
    /// Sources whose files load by themselves have none.
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

/// [`Source::get_many`] of a source without a batch read: one read an id, as far as the calls in
/// flight allow.
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
