//! What other modules know of a provider: the [`Source`] trait, what a source can do,
//! why it may fail, and the [`Registry`] of those configured.
//!
//! A new provider is one folder below this one and one line in [`Registry::connect`].

mod comfy;
mod error;
mod filter;
pub mod fuzz_entry;
mod page;
mod piktid;
mod recovery;
mod registry;
mod request_context;
mod response;
mod row_cache;
mod rows;
mod scenario;
mod signed_url;
mod streaming;
mod unauthenticated;
mod upload;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};

use crate::{
    asset::{Asset, FileType, Provider, Rendition, SourceName},
    config::OwnFreshness,
};

pub use crate::upstream::{BodyStream, Breaker, Health, Openings, Status};

pub use comfy::list_params::ComfyParameters;
pub use error::SourceError;
pub use filter::{Filter, FilterField, Pushdown};
pub use page::{
    BrokenRule, Direction, ListKind, ListRequest, Order, Page, Parameters, Position, Row, SortBy,
    Unreadable,
};
pub use registry::{Registry, WrongCredential};
pub use request_context::{Lifetime, RequestContext};
pub use upload::{
    ComfyDestination, ComfyUpload, FileContent, FileStream, NewFile, ScenarioUpload,
    ScenarioUploadKind, UploadFailure, UploadOptions, Uploaded,
};
pub use write::{ChangeFailure, Deletion, Outcomes, TagChange};

pub use piktid::list_params::{Ownership, PiktidParameters};
use registry::{ApiClient, UploadReply};
pub use scenario::list_params::{
    Privacy, ScenarioParameters, ScenarioPublicParameters, check_span as check_scenario_span,
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
fn fan_out<'a, S: Source>(
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

/// What is known of a source without asking it.
#[derive(Debug)]
pub struct SourceInfo {
    pub name: SourceName,
    pub former_names: Vec<SourceName>,
    pub provider: Provider,
    pub scope: CredentialScope,
    /// How long one page of a merged list waits for this source.
    pub patience: Duration,
    /// Calls in flight.
    pub in_flight: usize,
    /// Its own times in the cache.
    pub freshness: OwnFreshness,
    /// Its credential is the caller's own.
    pub passthrough: bool,
    /// Calls carry a credential: what they bring is not for everybody.
    pub authenticated: bool,
    pub capabilities: Capabilities,
}

/// What a source can do, as its contract says (`upstreams/compare.md` §1).
#[derive(Debug, Clone)]
pub struct Capabilities {
    pub can_upload: bool,
    pub can_tag: bool,
    pub can_note: bool,
    pub can_delete: bool,
    /// Words an asset may be tagged with; `None`: any.
    pub tag_vocabulary: Option<Vec<&'static str>>,
    pub max_tags: Option<u32>,
    pub has_exact_count: bool,
    pub delete_effect: DeleteEffect,
    pub delete_description: &'static str,
    /// Largest upload the contract names, in bytes.
    pub max_upload_bytes: Option<u64>,
    /// Assets one call can read by id.
    pub max_batch_size: u32,
}

/// What deleting an asset does at its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteEffect {
    /// The asset and its file are gone.
    Permanent,
    /// The source keeps it for a time, on accounts that have that.
    Recoverable,
    /// The entry is gone; the file stays at the source.
    EntryOnly,
}

/// How a list can be entered in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// By time: `created_before` or `created_after`, then tokens (Scenario).
    Window {
        /// Rows a call can give.
        cap: u32,
        /// The filter's resolution.
        resolution: Duration,
    },
    /// By position (PiktID's pages, Comfy's offsets).
    Index {
        /// Rows a call can give.
        cap: u32,
        /// Rows from any position on that a call gives at least, where there are as many.
        reach: u32,
    },
}

impl Paging {
    /// Rows a call can give.
    #[must_use]
    pub const fn cap(self) -> u32 {
        match self {
            Self::Window { cap, .. } | Self::Index { cap, .. } => cap,
        }
    }

    /// Rows from any position on that a call gives at least, where there are as many.
    #[must_use]
    pub const fn reach(self) -> u32 {
        match self {
            Self::Index { reach, .. } => reach,
            Self::Window { cap, .. } => cap,
        }
    }
}

/// A keyed hash of the credential used at a source. Nothing cached under one scope is
/// ever served to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialScope([u8; 16]);

impl CredentialScope {
    /// The scope of `credential` at the source `name` at `url`. The key is this process's own, so
    /// a scope seen in a core dump does not help guess a credential elsewhere.
    pub(crate) fn of(key: &[u8; 32], name: &SourceName, url: &str, credential: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in [name.as_str(), url, credential] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut scope = [0; 16];
        hasher.finalize_xof().fill(&mut scope);
        Self(scope)
    }

    /// Of a source that takes no credential.
    #[must_use]
    pub const fn none() -> Self {
        Self([0; 16])
    }

    /// For keyed hashes that bind something to this scope.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for CredentialScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope(…)")
    }
}

/// Before each look at what a write has done: what was written, or is gone, may show a little
/// later.
pub const VERIFY_DELAYS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_secs(1),
];

/// How much of an asset is read by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DetailLevel {
    /// As lists give it.
    Plain,
    /// With what costs extra: Scenario's embedding and quality details.
    Full,
}

/// What the media route passes on.
pub enum MediaAnswer {
    /// Elsewhere, loadable without our credential.
    Redirect(String),
    Body {
        status: http::StatusCode,
        headers: http::HeaderMap,
        body: BodyStream,
    },
}

/// Refuses tags that hold a comma: it separates them in every filter by tags.
fn check_commas(tags: &[String]) -> Result<(), SourceError> {
    match tags.iter().find(|tag| tag.contains(',')) {
        None => Ok(()),
        Some(tag) => Err(SourceError::Invalid(format!(
            "the tag `{}` holds a comma, so no filter could ask for it: leave the comma out",
            tag.chars().take(40).collect::<String>()
        ))),
    }
}

/// What a write's answer says, whatever its body.
fn done(answer: &crate::upstream::Answer) -> Result<(), SourceError> {
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(response::refusal(
            answer.status,
            &answer.headers,
            &answer.body,
        ))
    }
}

/// A header value that logs never show. Configuration made sure that it fits a header.
fn secret_header(text: &str) -> http::HeaderValue {
    let mut value =
        http::HeaderValue::from_str(text).unwrap_or_else(|_| http::HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
