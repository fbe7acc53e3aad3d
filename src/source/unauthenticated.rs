//! A source with passthrough credentials, for a caller who sent none. Its capabilities are known,
//! but every call is refused before it is made.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};

use super::{
    Breaker, ChangeFailure, DetailLevel, FileContent, ListKind, ListPlan, ListRequest,
    ListSelection, NewFile, NoCall, Outcomes, Page, Parameters, RequestContext, SortBy, Source,
    SourceError, SourceInfo, TagChange, Upload, UploadFailure, UploadOptions, Uploaded, Write,
};
use crate::asset::{Asset, FileType};

/// Wraps a source that has no credential either.
pub struct UnauthenticatedSource(pub Arc<dyn Source>);

impl UnauthenticatedSource {
    fn refusal(&self) -> SourceError {
        SourceError::NoCredential(self.profile().name.clone())
    }
}

#[async_trait]
impl Source for UnauthenticatedSource {
    fn profile(&self) -> &SourceInfo {
        self.0.profile()
    }

    fn breaker(&self) -> Breaker {
        self.0.breaker()
    }

    fn plan(&self, selection: ListSelection<'_>, by: SortBy) -> Result<ListPlan, NoCall> {
        self.0.plan(selection, by)
    }

    fn children(&self, id: &str) -> Option<Parameters> {
        self.0.children(id)
    }

    async fn list(&self, _: &ListRequest, _: &RequestContext) -> Result<Page, SourceError> {
        Err(self.refusal())
    }

    async fn get(
        &self,
        _id: &str,
        _variant: DetailLevel,
        _context: &RequestContext,
    ) -> Result<Arc<Asset>, SourceError> {
        Err(self.refusal())
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

    fn writer(&self) -> Option<&dyn Write> {
        self.0.writer().map(|_| self as &dyn Write)
    }

    fn uploader(&self) -> Option<&dyn Upload> {
        self.0.uploader().map(|_| self as &dyn Upload)
    }
}

#[async_trait]
impl Write for UnauthenticatedSource {
    async fn change_tags(
        &self,
        _id: &str,
        _change: &TagChange,
        _context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        Err(self.refusal().into())
    }

    async fn set_note(
        &self,
        _id: &str,
        _note: Option<&str>,
        _context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        Err(self.refusal().into())
    }

    fn delete_batch(&self) -> usize {
        self.0.writer().map_or(1, Write::delete_batch)
    }

    async fn delete(&self, ids: &[Arc<str>], _context: &RequestContext) -> Outcomes {
        let each = ids.iter().map(|id| (id.clone(), Err(self.refusal())));
        each.collect()
    }
}

#[async_trait]
impl Upload for UnauthenticatedSource {
    fn check(&self, _kind: FileType, _options: &UploadOptions) -> Result<(), SourceError> {
        Err(self.refusal())
    }

    async fn upload(
        &self,
        _file: &NewFile<'_>,
        _content: FileContent,
        _context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        Err(self.refusal().into())
    }

    async fn upload_state(
        &self,
        _upload: &str,
        _context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        Err(self.refusal().into())
    }
}
