//! Locks that allow one change of an asset at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::{Instant, timeout_at},
};

use crate::{asset::AssetId, source::SourceError};

/// The number of locks at which unused ones are removed.
const SWEEP: usize = 1_024;

/// One lock for each asset. Cheap to clone.
#[derive(Clone, Default)]
pub struct AssetLocks(Arc<Mutex<HashMap<AssetId, Weak<AsyncMutex<()>>>>>);

impl AssetLocks {
    /// Locks the asset: waits until no other write changes it.
    ///
    /// # Errors
    /// [`SourceError::NotTried`] if the lock is not free by `deadline`.
    pub async fn lock(
        &self,
        id: &AssetId,
        deadline: Instant,
    ) -> Result<OwnedMutexGuard<()>, SourceError> {
        let asset_lock = self.lock_of(id);
        timeout_at(deadline, asset_lock.lock_owned())
            .await
            .map_err(|_| SourceError::NotTried)
    }

    fn lock_of(&self, id: &AssetId) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asset_lock) = locks.get(id).and_then(Weak::upgrade) {
            return asset_lock;
        }
        if locks.len() >= SWEEP {
            locks.retain(|_, asset_lock| asset_lock.strong_count() > 0);
        }
        let asset_lock = Arc::new(AsyncMutex::new(()));
        locks.insert(id.clone(), Arc::downgrade(&asset_lock));
        asset_lock
    }
}
