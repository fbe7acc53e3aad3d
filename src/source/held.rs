//! What is held needs no second reading: a list that is read again, or another list of the same
//! assets, mostly brings rows that are known to the letter.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ahash::RandomState;

use crate::asset::Asset;

/// How much of a row's beginning it is found by: every provider's id or time of creation is in it.
const BEGINNING: usize = 192;

/// How much of what was read last is held here, so that it is still there when it comes again: bytes.
const RECENT: u64 = 1024 * 1024;

/// Assets as long as anybody holds them, found by the text they were read from. No answer is older
/// for it: the text has just come, and what it means depends on it alone.
#[derive(Default)]
pub struct Held {
    assets: Mutex<Assets>,
    /// Keyed: a source must not choose which of its rows hide others.
    hasher: RandomState,
}

#[derive(Default)]
struct Assets {
    by_beginning: HashMap<u64, Weak<Asset>, RandomState>,
    /// How many there may be before those that nobody holds are forgotten.
    most: usize,
    /// What was read last, up to [`RECENT`].
    recent: VecDeque<Arc<Asset>>,
    /// What those weigh.
    weight: u64,
}

impl Held {
    /// The asset whose row `text` begins with, and the row. Of rows that begin alike, only the one
    /// that was read last is found.
    pub fn row_of<'a>(&self, text: &'a str) -> Option<(Arc<Asset>, &'a str)> {
        let beginning = self.beginning(text)?;
        let asset = self.lock().by_beginning.get(&beginning)?.upgrade()?;
        // An object's text is never the beginning of another's: what begins with the row is the row.
        let row = text.get(..asset.upstream.len())?;
        (*row == *asset.upstream).then_some((asset, row))
    }

    /// Finds it from now on. `row` is the text it was read from: what is kept otherwise than it was
    /// sent is not found.
    pub fn remember(&self, asset: &Arc<Asset>, row: &str) {
        let Some(beginning) = self.beginning(row).filter(|_| *row == *asset.upstream) else {
            return;
        };
        let mut assets = self.lock();
        if assets.by_beginning.len() >= assets.most {
            assets.forget();
        }
        assets.by_beginning.insert(beginning, Arc::downgrade(asset));
        assets.hold(Arc::clone(asset));
    }

    fn beginning(&self, text: &str) -> Option<u64> {
        let beginning = text.as_bytes().get(..BEGINNING)?;
        Some(self.hasher.hash_one(beginning))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Assets> {
        // Whoever panicked here left at most one asset out.
        self.assets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Assets {
    fn hold(&mut self, asset: Arc<Asset>) {
        self.weight += u64::from(asset.weight());
        self.recent.push_back(asset);
        while self.weight > RECENT {
            let Some(oldest) = self.recent.pop_front() else {
                return;
            };
            self.weight -= u64::from(oldest.weight());
        }
    }

    /// Forgets those that nobody holds. A quarter of all, and a few, may gather until the next time:
    /// each takes its room until then, and each time costs all that are there.
    fn forget(&mut self) {
        self.by_beginning
            .retain(|_, asset| asset.strong_count() > 0);
        self.most = self.by_beginning.len() * 5 / 4 + 256;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        asset::Provider,
        source::{Row, arbitrary},
    };

    /// A Comfy asset's row.
    fn row(id: &str, tag: &str) -> String {
        json!({
            "id": id, "name": "one", "created_at": "2026-01-01T00:00:00Z", "size": 1,
            "tags": ["output", tag], "asset_hash": format!("blake3:{:064}", 0),
            "preview_url": format!("/api/assets/{id}/content"), "user_metadata": {},
        })
        .to_string()
    }

    /// The assets that a list of these rows brings.
    fn listed(rows: &[&str]) -> Vec<Arc<Asset>> {
        let body = format!(
            r#"{{"assets":[{}],"total":3,"has_more":false}}"#,
            rows.join(" , ")
        );
        let rows = arbitrary::rows(Provider::Comfy, body.into()).expect("a page");
        let assets = rows.into_iter().map(|row| match row {
            Row::Asset(asset) => asset,
            other => panic!("no asset: {other:?}"),
        });
        assets.collect()
    }

    #[test]
    fn only_what_is_new_is_read() {
        let id = |number: u8| format!("held-{number:032}");
        let [a, b, c] = [1, 2, 3].map(|number| row(&id(number), "before"));
        let before = listed(&[&a, &b]);
        let changed = row(&id(2), "after");
        let after = listed(&[&c, &a, &changed, &b]);
        assert!(Arc::ptr_eq(&after[1], &before[0]));
        assert_eq!(after[2].tags, ["output", "after"]);
        // It begins like the one that has changed, which was read since.
        assert!(!Arc::ptr_eq(&after[3], &before[1]));
        for (asset, row) in after.iter().zip([&c, &a, &changed, &b]) {
            assert_eq!(*asset.upstream, **row);
        }
        assert_eq!(format!("{:?}", after[1]), format!("{:?}", before[0]));
    }

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let held = Held::default();
        let texts = |numbers: std::ops::Range<u32>| -> Vec<String> {
            numbers
                .map(|number| row(&format!("lost-{number:032}"), "one"))
                .collect()
        };
        let remember = |texts: &[String]| {
            let rows: Vec<&str> = texts.iter().map(String::as_str).collect();
            let assets = listed(&rows);
            for (asset, row) in assets.iter().zip(rows) {
                held.remember(asset, row);
            }
            assets
        };
        let first = texts(0..2);
        let [kept, lost] = <[_; 2]>::try_from(remember(&first)).expect("two");
        let weight = u64::from(lost.weight());
        drop(lost);
        assert!(held.row_of(&first[1]).is_some(), "it was read just now");
        // From somewhere else: `listed` has a client of its own, which holds what it read last.
        let many = u32::try_from(2 * RECENT / weight).expect("some thousands");
        remember(&texts(2..many));
        let (asset, found) = held.row_of(&first[0]).expect("it is held");
        assert!(Arc::ptr_eq(&asset, &kept));
        assert_eq!(found, first[0]);
        assert!(held.row_of(&first[1]).is_none());
        let assets = held.lock();
        assert!(assets.weight <= RECENT);
        assert!(assets.by_beginning.len() <= assets.recent.len() * 5 / 4 + 257);
    }

    #[test]
    fn what_is_kept_otherwise_or_short_is_not_found() {
        let held = Held::default();
        let text = row("short", "one");
        let asset = listed(&[&text]).remove(0);
        held.remember(&asset, &format!("{text} "));
        assert!(held.row_of(&text).is_none());
        held.remember(&asset, &text);
        assert!(held.row_of(&text[..BEGINNING - 1]).is_none());
        assert!(held.row_of(&text[..text.len() - 1]).is_none());
        let longer = format!("{text},1]");
        let (_, found) = held.row_of(&longer).expect("it is held");
        assert_eq!(found, text);
    }
}
