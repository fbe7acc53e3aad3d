//! Who changes an asset right now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{
    sync::{Mutex as Claim, OwnedMutexGuard},
    time::{Instant, timeout_at},
};

use crate::{asset::AssetId, source::SourceError};

/// Locks without waiters that are kept before they are swept.
const SWEEP: usize = 1_024;

/// One turn at a time for each asset. Cheap to clone.
#[derive(Clone, Default)]
pub struct AssetLocks(Arc<Mutex<HashMap<AssetId, Weak<Claim<()>>>>>);

impl AssetLocks {
    /// Waits until no other write changes the asset.
    ///
    /// # Errors
    /// [`SourceError::NotTried`] when that takes longer than `deadline`.
    pub async fn lock(
        &self,
        id: &AssetId,
        deadline: Instant,
    ) -> Result<OwnedMutexGuard<()>, SourceError> {
        let turn = self.turn(id);
        timeout_at(deadline, turn.lock_owned())
            .await
            .map_err(|_| SourceError::NotTried)
    }

    fn turn(&self, id: &AssetId) -> Arc<Claim<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = all.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        if all.len() >= SWEEP {
            all.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Claim::new(()));
        all.insert(id.clone(), Arc::downgrade(&turn));
        turn
    }
}
