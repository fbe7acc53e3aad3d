//! The provider interface: the [`Source`], [`Write`] and [`Upload`] traits, what they exchange, and
//! the [`Registry`] of configured sources. It names no provider.

mod error;
mod filter;
mod info;
mod page;
mod registry;
mod request_context;
mod traits;
mod unauthenticated;
mod upload;
mod write;

pub use crate::upstream::{BodyStream, Breaker, Health, Openings, Status};

pub use error::SourceError;
pub use filter::{Filter, FilterField, ListCall, ListPlan, ListSelection, NoCall};
pub use info::{
    Capabilities, CredentialScope, DeleteEffect, DetailLevel, MediaAnswer, Paging, SourceInfo,
    TieOrder,
};
pub use page::{
    BrokenRule, Direction, ListKind, ListRequest, Order, Page, Parameters, Position, Row, SortBy,
    Unreadable,
};
pub use registry::{ConnectForCaller, ConnectedSource, Registry, WrongCredential};
pub use request_context::{Lifetime, RequestContext};
pub use traits::{Source, Upload, Write, fan_out};
pub use upload::{
    FileContent, FileStream, NewFile, POLL, UploadFailure, UploadOptions, Uploaded,
    error_after_upload,
};
pub use write::{ChangeFailure, Deletion, Outcomes, TagChange, VERIFY_DELAYS, check_commas};
