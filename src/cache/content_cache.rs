//! What was made of a text, kept under the text's hash.

use std::sync::Arc;

use moka::sync::Cache;

/// SHA-256, the hash that clients name documents by.
pub type Hash = [u8; 32];

/// Values that can be made again at any time; bounded in bytes. Cheap to clone.
pub struct ByHash<V>(Cache<Hash, (Arc<V>, u32)>);

impl<V> Clone for ByHash<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V: Send + Sync + 'static> ByHash<V> {
    /// Keeps values of at most this number of bytes together; those asked for most stay.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, (_, weight): &(Arc<V>, u32)| *weight)
            .build();
        Self(cache)
    }

    /// What is kept under a hash.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<Arc<V>> {
        self.0.get(hash).map(|(value, _)| value)
    }

    /// Keeps a value that takes about this number of bytes.
    pub fn keep(&self, hash: Hash, value: Arc<V>, weight: usize) {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        self.0.insert(hash, (value, weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let kept = ByHash::new(1_000);
        for number in 0..100_u8 {
            kept.keep([number; 32], Arc::new(number), 100);
        }
        kept.0.run_pending_tasks();
        let found = (0..100_u8).filter(|number| kept.get(&[*number; 32]).is_some());
        assert_eq!(found.count(), 10);
    }
}
