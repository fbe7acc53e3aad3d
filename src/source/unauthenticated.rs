//! A source with passthrough credentials, for a caller who sent none. Its capabilities are known,
//! but every call is refused before it is made.

use std::sync::Arc;

use futures_util::{StreamExt, future::BoxFuture, stream, stream::BoxStream};

use super::{
    Breaker, ChangeFailure, DetailLevel, FileContent, Filter, ListKind, ListRequest, NewFile, Page,
    Paging, Parameters, Pushdown, RequestContext, SortBy, Source, SourceError, SourceInfo,
    TagChange, UploadFailure, UploadOptions, Uploaded,
};
use crate::asset::{Asset, FileType};

/// Wraps a source that has no credential either.
pub struct Locked(pub Arc<dyn Source>);

impl Locked {
    fn refusal(&self) -> SourceError {
        SourceError::NoCredential(self.profile().name.clone())
    }
}

impl Source for Locked {
    fn profile(&self) -> &SourceInfo {
        self.0.profile()
    }

    fn breaker(&self) -> Breaker {
        self.0.breaker()
    }

    fn paging(&self, listing: ListKind, by: SortBy) -> Option<Paging> {
        self.0.paging(listing, by)
    }

    fn push_down(&self, filter: &Filter, by: SortBy) -> Pushdown {
        self.0.push_down(filter, by)
    }

    fn declines(&self, listing: ListKind, parameters: &Parameters) -> Option<Pushdown> {
        self.0.declines(listing, parameters)
    }

    fn children(&self, id: &str) -> Option<Parameters> {
        self.0.children(id)
    }

    fn list<'a>(
        &'a self,
        _request: &'a ListRequest,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(async { Err(self.refusal()) })
    }

    fn get<'a>(
        &'a self,
        _id: &'a str,
        _variant: DetailLevel,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Arc<Asset>, SourceError>> {
        Box::pin(async { Err(self.refusal()) })
    }

    fn get_many<'a>(
        &'a self,
        ids: &'a [Arc<str>],
        _variant: DetailLevel,
        _context: &'a RequestContext,
    ) -> BoxStream<'a, (Arc<str>, Result<Arc<Asset>, SourceError>)> {
        stream::iter(ids.iter().map(|id| (id.clone(), Err(self.refusal())))).boxed()
    }

    fn calls_to_list(&self, _listing: ListKind) -> u32 {
        0
    }

    fn calls_to_get(&self, _ids: usize, _variant: DetailLevel) -> usize {
        0
    }

    fn check_tags(&self, tags: &[String]) -> Result<(), SourceError> {
        self.0.check_tags(tags)
    }

    fn change_tags<'a>(
        &'a self,
        _id: &'a str,
        _change: &'a TagChange,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<(), ChangeFailure>> {
        Box::pin(async { Err(self.refusal().into()) })
    }

    fn set_note<'a>(
        &'a self,
        _id: &'a str,
        _note: Option<&'a str>,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<(), ChangeFailure>> {
        Box::pin(async { Err(self.refusal().into()) })
    }

    fn check_upload(&self, _kind: FileType, _options: &UploadOptions) -> Result<(), SourceError> {
        Err(self.refusal())
    }

    fn upload_tags(&self, options: &UploadOptions) -> Vec<String> {
        self.0.upload_tags(options)
    }

    fn upload<'a>(
        &'a self,
        _file: &'a NewFile<'a>,
        _content: FileContent,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Uploaded, UploadFailure>> {
        Box::pin(async { Err(self.refusal().into()) })
    }

    fn upload_state<'a>(
        &'a self,
        _upload: &'a str,
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<Uploaded, UploadFailure>> {
        Box::pin(async { Err(self.refusal().into()) })
    }

    fn delete_batch(&self) -> usize {
        self.0.delete_batch()
    }

    fn delete<'a>(
        &'a self,
        ids: &'a [Arc<str>],
        _context: &'a RequestContext,
    ) -> BoxFuture<'a, Vec<(Arc<str>, Result<(), SourceError>)>> {
        Box::pin(async {
            let each = ids.iter().map(|id| (id.clone(), Err(self.refusal())));
            each.collect()
        })
    }
}
