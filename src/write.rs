//! Writes: uploads, tags, notes and deletes over several sources, with an outcome for each asset.
//!
//! - A lock holds an asset while it changes. Two changes through this process then do not undo each
//!   other where an upstream only replaces. Between processes there is no lock.
//! - The asset cache is notified before a write is sent and when its outcome is known. Nothing read
//!   before that is served after it.
//! - A write runs in a separate task: it finishes even if its caller disconnects, and the log
//!   records its outcome.

mod asset_lock;
mod audit;
mod delete;
mod edit;
mod recorded;
mod upload;
mod writer;

pub use edit::Outcome;
pub use recorded::Deleted;
pub use upload::{
    FileError, FileInput, NewAsset, Progress, Spool, Step, StepState, UploadBudget, UploadError,
    UploadFile, UploadFiles, UploadOutcome,
};
pub use writer::{Target, Writer};
