//! Writes: uploads, tags, notes and deletes over several sources, with an outcome for each asset.
//!
//! - An asset is held while it is changed, so that two changes through this process do not undo
//!   each other where an upstream only replaces. Between processes there is no lock.
//! - The asset cache hears of a write before it is sent and when its outcome is known: nothing read
//!   before is served after.
//! - A write runs in a task of its own: a caller that goes away leaves no half-told outcome, and
//!   the log says what came of it.

mod asset_lock;
mod audit;
mod delete;
mod edit;
mod outcomes;
mod upload;
mod writer;

pub use edit::Outcome;
pub use outcomes::Deleted;
pub use upload::{
    FileError, FileInput, NewAsset, Progress, Spool, Step, StepState, UploadBudget, UploadError,
    UploadFile, UploadFiles, UploadOutcome,
};
pub use writer::{Target, Writer};
