//! What a provider's handlers work with.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The assets of one server, which a test may change between any two calls.
pub type Assets<A> = Mutex<Vec<A>>;

/// Locks the assets of a server.
pub fn lock<A>(assets: &Assets<A>) -> MutexGuard<'_, Vec<A>> {
    assets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state that a provider's handlers share: its assets, and its own context.
#[derive(Clone)]
pub struct Shared<A, C> {
    pub assets: Arc<Assets<A>>,
    /// Credentials, and what else the provider needs.
    pub context: C,
    pub address: SocketAddr,
    /// Signs tokens and file addresses, so that clients cannot forge them.
    pub key: [u8; 32],
}

impl<A, C> Shared<A, C> {
    /// Locks the assets.
    pub fn assets(&self) -> MutexGuard<'_, Vec<A>> {
        lock(&self.assets)
    }
}
