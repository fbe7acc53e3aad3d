//! What Comfy's handlers work with.

use super::{asset::ComfyAsset, dialect::Dialect};
use crate::sandbox::shared;

/// The handlers' state.
pub type Shared = shared::Shared<ComfyAsset, Context>;

/// The credential that the emulator accepts, and the contract that it follows.
#[derive(Clone)]
pub struct Context {
    pub key: String,
    pub dialect: Dialect,
}
