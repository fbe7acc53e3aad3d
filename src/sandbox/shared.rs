//! What a provider's handlers work with.

use std::{net::SocketAddr, sync::Arc};

use super::{credentials::Credentials, store::Store};

/// The version of Comfy's contract that the emulator follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A self-hosted ComfyUI 0.33: times without zones, no nulls, nested errors, both names of
    /// renamed fields, unknown parameters ignored.
    Local,
    /// The cloud's published contract: old names, flat errors, no content route.
    Published,
    /// The cloud's newest contract: new names, content by redirect to signed storage.
    Newest,
}

/// The state that a provider's handlers share.
#[derive(Clone)]
pub struct Shared {
    pub store: Arc<Store>,
    pub credentials: Credentials,
    pub address: SocketAddr,
    /// Signs tokens and file addresses, so that clients cannot forge them.
    pub key: [u8; 32],
    pub dialect: Dialect,
}
