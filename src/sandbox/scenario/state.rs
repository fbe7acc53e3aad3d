//! What Scenario's handlers work with.

use super::asset::ScenarioAsset;
use crate::sandbox::shared;

/// The handlers' state.
pub type Shared = shared::Shared<ScenarioAsset, Context>;

/// The credentials that the emulator accepts.
#[derive(Clone)]
pub struct Context {
    pub key: String,
    pub secret: String,
    /// A user's token (`Bearer`).
    pub jwt: String,
}
