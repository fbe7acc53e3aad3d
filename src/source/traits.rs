//! The traits that every provider's source implements: reading, writing, uploading.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};

use super::{
    error::SourceError,
    filter::{ListPlan, ListSelection, NoCall},
    info::{DetailLevel, MediaAnswer, SourceInfo},
    page::{ListKind, ListRequest, Page, Parameters, SortBy},
    request_context::RequestContext,
    upload::{FileContent, NewFile, UploadFailure, UploadOptions, Uploaded},
    write::{ChangeFailure, Outcomes, TagChange},
};
use crate::{
    asset::{Asset, FileType, Rendition},
    upstream::Breaker,
};

/// One configured account or server.
///
/// Methods get the operation's limits in [`RequestContext`] and at most one source's credential.
/// They never wait past the deadline.
#[async_trait]
pub trait Source: Send + Sync {
    fn profile(&self) -> &SourceInfo;

    /// Returns the breaker, which tracks the source's health and decides whether to call it.
    fn breaker(&self) -> Breaker {
        Breaker::default()
    }

    /// Plans the upstream calls of a list in this order.
    ///
    /// # Errors
    /// [`NoCall`]: the source has no match, or no such list, filter or order.
    fn plan(&self, selection: ListSelection<'_>, by: SortBy) -> Result<ListPlan, NoCall>;

    /// Returns the list parameters that select an asset's children; `None` without lineage.
    fn children(&self, _id: &str) -> Option<Parameters> {
        None
    }

    /// Reads one page of the source's list. `request.order` names either direction: a list is read
    /// from both ends.
    async fn list(
        &self,
        request: &ListRequest,
        context: &RequestContext,
    ) -> Result<Page, SourceError>;

    /// Reads one asset.
    async fn get(
        &self,
        id: &str,
        detail_level: DetailLevel,
        context: &RequestContext,
    ) -> Result<Arc<Asset>, SourceError>;

    /// Reads several assets and yields each as it arrives. An id that is not yielded is gone.
    fn get_many<'a>(
        &'a self,
        ids: &'a [Arc<str>],
        detail_level: DetailLevel,
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

    /// How its assets are changed; `None`: they cannot be changed.
    fn writer(&self) -> Option<&dyn Write> {
        None
    }

    /// How files become its assets; `None`: it accepts no uploads.
    fn uploader(&self) -> Option<&dyn Upload> {
        None
    }

    /// Opens a rendition that a browser cannot load directly ([`crate::asset::Location::Proxied`]).
    /// Sources whose files load directly have none.
    async fn media(
        &self,
        _asset: &Asset,
        _rendition: Rendition,
        _range: Option<&http::HeaderValue>,
        _context: &RequestContext,
    ) -> Result<MediaAnswer, SourceError> {
        Err(SourceError::NotFound)
    }
}

/// Changes a source's assets.
#[async_trait]
pub trait Write: Send + Sync {
    /// Changes an asset's tags. The caller holds the asset's lock, so an implementation may read
    /// the tags before it replaces them.
    async fn change_tags(
        &self,
        id: &str,
        change: &TagChange,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure>;

    /// Sets an asset's note, or clears it. The caller holds the asset's lock.
    async fn set_note(
        &self,
        id: &str,
        note: Option<&str>,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure>;

    /// Maximum number of assets per delete call.
    fn delete_batch(&self) -> usize {
        1
    }

    /// Deletes at most [`Write::delete_batch`] assets and returns each one's outcome.
    async fn delete(&self, ids: &[Arc<str>], context: &RequestContext) -> Outcomes;
}

/// Makes a source's assets of files.
#[async_trait]
pub trait Upload: Send + Sync {
    /// Returns the type that a file is uploaded as: the one that its bytes show, unless the options
    /// let its name decide.
    fn file_type(&self, sniffed: FileType, _name: &str, _options: &UploadOptions) -> FileType {
        sniffed
    }

    /// Checks that a file of this type can become an asset at this source.
    ///
    /// # Errors
    /// - [`SourceError::UnsupportedMediaType`]: the source takes no file of this type.
    /// - [`SourceError::Invalid`]: the options break a rule, which the message names.
    /// - [`SourceError::NoCredential`]: the source needs the caller's own credential.
    fn check(&self, kind: FileType, options: &UploadOptions) -> Result<(), SourceError>;

    /// Returns the tags that the source adds to an upload besides the client's.
    fn own_tags(&self, _options: &UploadOptions) -> Vec<String> {
        Vec::new()
    }

    /// Whether the source needs an upload's length before its first byte.
    fn needs_length(&self) -> bool {
        false
    }

    /// Uploads a file as a new asset. It streams a client's bytes to the source as they arrive.
    async fn upload(
        &self,
        file: &NewFile<'_>,
        content: FileContent,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure>;

    /// Checks a new asset whose bytes the source already had. The source may have stored no file
    /// for it, or lost the file.
    async fn check_known_bytes(
        &self,
        _asset: &Asset,
        _options: &UploadOptions,
        _context: &RequestContext,
    ) -> Result<(), SourceError> {
        Ok(())
    }

    /// Polls an upload that was [`Uploaded::Pending`] until it is done, or until the operation's
    /// time is nearly over.
    async fn upload_state(
        &self,
        _upload: &str,
        _context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        Err(SourceError::no_uploads().into())
    }
}

/// [`Source::get_many`] for a source without a batch read: one read per id, up to the source's
/// limit of concurrent calls.
pub fn fan_out<'a, S: Source>(
    source: &'a S,
    ids: &'a [Arc<str>],
    detail_level: DetailLevel,
    context: &'a RequestContext,
) -> BoxStream<'a, (Arc<str>, Result<Arc<Asset>, SourceError>)> {
    let mut reads = Vec::with_capacity(ids.len());
    for id in ids {
        reads.push(async move { (id.clone(), source.get(id, detail_level, context).await) });
    }
    futures_util::stream::iter(reads)
        .buffer_unordered(source.profile().in_flight)
        .boxed()
}
