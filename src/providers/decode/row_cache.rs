//! A cache of decoded rows. A list that is read again, or another list of the same assets, mostly
//! has rows with the same text, which need no second decoding.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use ahash::RandomState;

use crate::asset::Asset;

/// Prefix length of a row's cache key, in bytes; it covers each provider's id or creation time.
const PREFIX_BYTES: usize = 192;

/// Maximum number of cached rows. An unused row keeps about 600 bytes until it is evicted.
const MAX_ROWS: usize = 2_048;

/// Maximum weight of the recently read assets that the cache itself keeps alive, in bytes.
const MAX_RECENT_BYTES: u64 = 1024 * 1024;

/// The decoded assets of a source's rows while they are in use, found by the rows' texts.
///
/// A hit is never stale, because its text has just arrived. All callers share the cache, with any
/// credential: the meaning of a row depends only on its text and the source's configuration. A
/// caller that hits an asset has received its whole row.
#[derive(Default)]
pub struct RowCache {
    rows: Mutex<Rows>,
    /// Keyed, so that a source cannot choose rows that replace each other.
    hasher: RandomState,
}

#[derive(Default)]
struct Rows {
    /// By the hash of the row's prefix. Of rows with the same prefix, it has the last one read.
    by_prefix: HashMap<u64, Weak<Asset>, RandomState>,
    /// The assets read last, up to [`MAX_RECENT_BYTES`] bytes.
    recent: VecDeque<Arc<Asset>>,
    /// The total weight of `recent`.
    weight: u64,
}

impl RowCache {
    /// Returns the cached asset whose row is at the start of `text`, and that row.
    pub fn find<'a>(&self, text: &'a str) -> Option<(Arc<Asset>, &'a str)> {
        let beginning = self.beginning(text)?;
        let asset = self.lock().by_prefix.get(&beginning)?.upgrade()?;
        // A row ends with its closing bracket, so no row is a prefix of another.
        let row = text.get(..asset.raw.len())?;
        (*row == *asset.raw).then_some((asset, row))
    }

    /// Caches `asset` under `row`, the text it was decoded from. Skips a row that is short, or that
    /// the asset stores in another form.
    pub fn store(&self, asset: &Arc<Asset>, row: &str) {
        let Some(beginning) = self.beginning(row).filter(|_| *row == *asset.raw) else {
            return;
        };
        let mut pop_excess = self.lock().take(beginning, asset);
        // Drop each evicted asset outside the lock.
        while pop_excess.is_some() {
            let next = self.lock().pop_excess();
            pop_excess = next;
        }
    }

    fn beginning(&self, text: &str) -> Option<u64> {
        let beginning = text.as_bytes().get(..PREFIX_BYTES)?;
        Some(self.hasher.hash_one(beginning))
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        // A panic under the lock leaves out at most one row.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    /// Inserts an asset and returns the first one to evict.
    fn take(&mut self, beginning: u64, asset: &Arc<Asset>) -> Option<Arc<Asset>> {
        if self.by_prefix.len() >= MAX_ROWS {
            self.evict();
        }
        self.by_prefix.insert(beginning, Arc::downgrade(asset));
        let weight = u64::from(asset.weight());
        // A larger asset would evict all others.
        if weight <= MAX_RECENT_BYTES / 4 {
            self.weight += weight;
            self.recent.push_back(Arc::clone(asset));
        }
        self.pop_excess()
    }

    /// Evicts unused rows, or all rows if that frees too few. The next eviction is then at least
    /// half of [`MAX_ROWS`] insertions away.
    fn evict(&mut self) {
        self.by_prefix.retain(|_, asset| asset.strong_count() > 0);
        if self.by_prefix.len() > MAX_ROWS / 2 {
            self.by_prefix.clear();
        }
    }

    /// Removes the oldest recent asset while their weight is above [`MAX_RECENT_BYTES`].
    fn pop_excess(&mut self) -> Option<Arc<Asset>> {
        if self.weight <= MAX_RECENT_BYTES {
            return None;
        }
        let oldest = self.recent.pop_front()?;
        self.weight -= u64::from(oldest.weight());
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        asset::Provider,
        providers::{fuzz_entry, kind_of},
        source::Row,
    };

    fn decoded(provider: Provider, body: bytes::Bytes) -> Option<Vec<Row>> {
        fuzz_entry::rows(kind_of(provider)?, body)
    }

    fn decoded_anew(provider: Provider, body: bytes::Bytes) -> Option<Vec<Row>> {
        fuzz_entry::rows_uncached(kind_of(provider)?, body)
    }

    /// A Comfy asset's row.
    fn row(id: &str, tag: &str) -> String {
        json!({
            "id": id, "name": "one", "created_at": "2026-01-01T00:00:00Z", "size": 1,
            "tags": ["output", tag], "asset_hash": format!("blake3:{:064}", 0),
            "preview_url": format!("/api/assets/{id}/content"), "user_metadata": {},
        })
        .to_string()
    }

    fn body(rows: &[&str]) -> bytes::Bytes {
        let rows = rows.join(" , ");
        format!(r#"{{"assets":[{rows}],"total":3,"has_more":false}}"#).into()
    }

    fn assets(rows: Vec<Row>) -> Vec<Arc<Asset>> {
        let assets = rows.into_iter().filter_map(|row| match row {
            Row::Asset(asset) => Some(asset),
            Row::Unreadable(_) | Row::Gone(..) => None,
        });
        assets.collect()
    }

    /// Decodes a list of these rows into assets.
    fn listed(rows: &[&str]) -> Vec<Arc<Asset>> {
        assets(decoded(Provider::Comfy, body(rows)).expect("a page"))
    }

    #[test]
    fn only_new_rows_are_decoded() {
        let id = |number: u8| format!("known-{number:032}");
        let [a, b, c] = [1, 2, 3].map(|number| row(&id(number), "before"));
        let before = listed(&[&a, &b]);
        let changed = row(&id(2), "after");
        let after = listed(&[&c, &a, &changed, &b]);
        assert!(Arc::ptr_eq(&after[1], &before[0]));
        assert_eq!(after[2].tags, ["output", "after"]);
        // The changed row has the same prefix and replaced it in the cache.
        assert!(!Arc::ptr_eq(&after[3], &before[1]));
        for (asset, row) in after.iter().zip([&c, &a, &changed, &b]) {
            assert_eq!(*asset.raw, **row);
        }
        assert_eq!(format!("{:?}", after[3]), format!("{:?}", before[1]));
        // An unreadable row does not affect the rows around it.
        let with_bad = listed(&[&a, "7", &c]);
        assert!(Arc::ptr_eq(&with_bad[0], &before[0]));
        assert!(Arc::ptr_eq(&with_bad[1], &after[0]));
    }

    #[test]
    fn rows_that_must_not_be_kept_are_read_each_time() {
        for provider in [Provider::Comfy, Provider::Scenario] {
            let row = |id: &str| {
                match provider {
                Provider::Scenario => json!({
                    "id": id, "createdAt": "2026-01-01T00:00:00Z", "description": "long ".repeat(50),
                })
                .to_string(),
                _ => row(id, "one"),
            }
            };
            let (cacheable, private) = (row("kept-7"), row("private-7"));
            let list = |text: &str| body(&[text]);
            let read = |text: &str| assets(decoded(provider, list(text)).expect("a page"));
            let read_privately =
                |text: &str| assets(decoded_anew(provider, list(text)).expect("a page"));
            let first = read(&cacheable);
            assert!(Arc::ptr_eq(&read(&cacheable)[0], &first[0]));
            let again = read_privately(&cacheable);
            assert!(!Arc::ptr_eq(&again[0], &first[0]), "the cache is not used");
            assert_eq!(again[0].no_store, provider == Provider::Scenario);
            let first = read_privately(&private);
            let again = read(&private);
            assert!(
                !Arc::ptr_eq(&again[0], &first[0]),
                "the cache is not filled"
            );
            assert!(!again[0].no_store);
        }
    }

    #[test]
    fn rows_without_users_are_forgotten() {
        let cache = RowCache::default();
        let texts = |numbers: std::ops::Range<usize>| -> Vec<String> {
            let row = |number| row(&format!("lost-{number:032}"), "one");
            numbers.map(row).collect()
        };
        let store = |texts: &[String]| {
            let rows: Vec<&str> = texts.iter().map(String::as_str).collect();
            let page = decoded_anew(Provider::Comfy, body(&rows)).expect("a page");
            let assets = assets(page);
            for (asset, row) in assets.iter().zip(rows) {
                cache.store(asset, row);
            }
            assets
        };
        let first = texts(0..2);
        let [retained, lost] = <[_; 2]>::try_from(store(&first)).expect("two");
        let weight = lost.weight();
        drop(lost);
        assert!(cache.find(&first[1]).is_some(), "the row was read just now");
        let many = 2 * MAX_RECENT_BYTES as usize / weight as usize;
        for begin in (2..many).step_by(100) {
            store(&texts(begin..begin + 100));
        }
        assert!(cache.find(&first[1]).is_none());
        let rows = cache.lock();
        let recent: u64 = rows
            .recent
            .iter()
            .map(|entry| u64::from(entry.weight()))
            .sum();
        assert_eq!(rows.weight, recent);
        assert!((MAX_RECENT_BYTES / 2..=MAX_RECENT_BYTES).contains(&recent));
        let is_held = |entry: &&Weak<Asset>| entry.strong_count() > 0;
        let held = rows.by_prefix.values().filter(is_held).count();
        assert_eq!(
            held,
            rows.recent.len() + 1,
            "and the one that the test holds"
        );
        drop(rows);
        let (asset, _) = cache.find(&first[0]).expect("the test holds it");
        assert!(Arc::ptr_eq(&asset, &retained));
    }

    #[test]
    fn the_cache_has_a_maximum() {
        let known = RowCache::default();
        let text = row("many", "one");
        let page = decoded_anew(Provider::Comfy, body(&[&text])).expect("a page");
        let asset = assets(page).remove(0);
        // The test holds the asset, so no entry is evicted as unused.
        for beginning in 0..3 * MAX_ROWS as u64 {
            known.lock().take(beginning, &asset);
            assert!(known.lock().by_prefix.len() <= MAX_ROWS);
        }
        let dead = Arc::downgrade(&asset);
        drop(asset);
        let mut rows = known.lock();
        rows.recent.clear();
        rows.evict();
        assert_eq!(dead.strong_count(), 0, "the cache does not hold it");
        assert!(rows.by_prefix.is_empty());
    }

    #[test]
    fn short_or_rewritten_rows_are_not_cached() {
        let known = RowCache::default();
        let text = row("short", "one");
        let asset = listed(&[&text]).remove(0);
        known.store(&asset, &format!("{text} "));
        assert!(known.find(&text).is_none());
        known.store(&asset, &text);
        assert!(known.find(&text[..PREFIX_BYTES - 1]).is_none());
        assert!(known.find(&text[..text.len() - 1]).is_none());
        let longer = format!("{text},1]");
        let (_, found) = known.find(&longer).expect("the test holds it");
        assert_eq!(found, text);
    }

    #[test]
    fn large_assets_are_not_kept_alive() {
        let known = RowCache::default();
        let small = row("small", "one");
        let asset = listed(&[&small]).remove(0);
        known.store(&asset, &small);
        let large = row("large", &"x".repeat(MAX_RECENT_BYTES as usize / 4));
        let other = listed(&[&large]).remove(0);
        known.store(&other, &large);
        assert!(known.find(&large).is_some(), "the test holds it");
        drop(other);
        assert_eq!(known.lock().recent.len(), 1);
        assert!(known.find(&small).is_some());
    }
}
