//! What a provider's handlers work with.

use std::{net::SocketAddr, sync::Arc};

use super::{credentials::Credentials, store::Store};

/// Which generation of the contract is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A self-hosted ComfyUI 0.33: no zones, nothing null, nested errors, both names of renamed
    /// fields, unknown parameters ignored.
    Local,
    /// The cloud's published contract: old names, flat errors, no content route.
    Published,
    /// The cloud's newest contract: new names, content by redirect to signed storage.
    Newest,
}

/// What a provider's handlers work with.
#[derive(Clone)]
pub struct Shared {
    pub store: Arc<Store>,
    pub credentials: Credentials,
    pub address: SocketAddr,
    /// Signs tokens and file addresses: they cannot be forged.
    pub key: [u8; 32],
    pub dialect: Dialect,
}
