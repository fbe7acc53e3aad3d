//! The asset cache: assets and list pages by source and credential scope, for a limited time.
//!
//! - The cache serves a fresh entry as it is, and a stale entry while one call revalidates it
//!   (stale-while-revalidate). When the source fails, it serves an older entry and reports that
//!   (`Freshness`).
//! - Concurrent misses of the same key make one upstream call. The call runs only as long as a
//!   request waits for it ([`single_flight`]).
//! - A read that began before a write is never cached as new. The key includes the write epoch
//!   noted before the call ([`write_epochs`]).
//! - No entry outlives the signed URLs inside it. Responses with `no-store` are not cached.
//! - The cache is bounded in bytes, half for assets and half for pages.

mod asset_cache;
mod assets;
mod content_cache;
mod entry;
mod idempotency;
mod outage;
mod pages;
mod response_cache;
mod single_flight;
mod write_epochs;

use std::sync::Arc;

use crate::{asset::Asset, source::SourceError};

pub use asset_cache::{AssetCache, Writing};
pub use content_cache::{Hash, HashCache};
pub use idempotency::{Claim, ClaimGuard, IdempotencyStore, RecordedOutcome};
pub use pages::PageRead;
pub use response_cache::{NewResponse, ReadVersion, ResponseCache, ResponseKey, ViewerScope};
pub use single_flight::TaskFailed;

/// An asset, or the reason why there is none.
pub type AssetResult = Result<Arc<Asset>, SourceError>;
