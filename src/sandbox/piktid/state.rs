//! What PiktID's handlers work with.

use super::asset::PiktidAsset;
use crate::sandbox::shared;

/// The handlers' state.
pub type Shared = shared::Shared<PiktidAsset, Context>;

/// The credential that the emulator accepts.
#[derive(Clone)]
pub struct Context {
    pub token: String,
}
