//! A cache of values made from a text, by the text's hash.

use std::sync::Arc;

use moka::sync::Cache;

/// SHA-256, the hash by which clients name documents.
pub type Hash = [u8; 32];

/// A cache of values that can be recomputed at any time; bounded in bytes. Cheap to clone.
pub struct HashCache<V>(Cache<Hash, (Arc<V>, u32)>);

impl<V> Clone for HashCache<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V: Send + Sync + 'static> HashCache<V> {
    /// Creates a cache of at most `capacity` bytes. It retains the most requested values.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, (_, weight): &(Arc<V>, u32)| *weight)
            .build();
        Self(cache)
    }

    /// The value under a hash, if it is cached.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<Arc<V>> {
        self.0.get(hash).map(|(value, _)| value)
    }

    /// Caches a value of about `weight` bytes.
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
        let cached = HashCache::new(1_000);
        for number in 0..100_u8 {
            cached.keep([number; 32], Arc::new(number), 100);
        }
        cached.0.run_pending_tasks();
        let found = (0..100_u8).filter(|number| cached.get(&[*number; 32]).is_some());
        assert_eq!(found.count(), 10);
    }
}
