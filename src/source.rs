//! The provider interface: the [`Source`] trait, its capabilities and errors, and the [`Registry`]
//! of configured sources.
//!
//! A new provider needs a folder below this one and an arm in `ApiClient::source`.

mod api_client;
mod comfy;
mod error;
mod filter;
pub mod fuzz_entry;
mod info;
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
mod traits;
mod unauthenticated;
mod upload;
mod write;

pub use crate::upstream::{BodyStream, Breaker, Health, Openings, Status};

pub use comfy::list_params::ComfyParameters;
pub use error::SourceError;
pub use filter::{Filter, FilterField, Pushdown};
pub use info::{
    Capabilities, CredentialScope, DeleteEffect, DetailLevel, MediaAnswer, Paging, SourceInfo,
};
pub use page::{
    BrokenRule, Direction, ListKind, ListRequest, Order, Page, Parameters, Position, Row, SortBy,
    Unreadable,
};
pub use registry::{Registry, WrongCredential};
pub use request_context::{Lifetime, RequestContext};
pub use traits::{Source, Upload, Write};
pub use upload::{
    ComfyDestination, ComfyUpload, FileContent, FileStream, NewFile, ScenarioUpload,
    ScenarioUploadKind, UploadFailure, UploadOptions, Uploaded,
};
pub use write::{ChangeFailure, Deletion, Outcomes, TagChange, VERIFY_DELAYS};

pub use piktid::list_params::{Ownership, PiktidParameters};
pub use scenario::list_params::{
    Privacy, ScenarioParameters, ScenarioPublicParameters, check_span as check_scenario_span,
};
