//! Write epochs: which writes a cached value has seen.
//!
//! The process has one counter. Each write takes a number when it begins and another when it ends.
//! It stores each at the source (for its pages) and at each asset written. A key carries the number
//! at the start of its call, so a write makes everything older unreachable at once.
//!
//! While a write is in progress, a read may or may not see it, so such reads are not cached. Reads
//! that begin between the same two increments still share one call: no write ends between them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::asset::SourceName;

/// The counter's value between two increments, with a flag for reads during a write.
pub type Epoch = u64;

/// Flags an epoch during a write.
const UNCACHEABLE: Epoch = 1 << 63;

/// Whether reads of this epoch are not cached.
pub const fn is_uncacheable(epoch: Epoch) -> bool {
    epoch & UNCACHEABLE != 0
}

/// The maximum number of written assets recorded for a source. Beyond it, one number replaces all
/// of them: correct, but it invalidates more than needed.
const MAX_ENTITIES: usize = 65_536;

#[derive(Debug, Default)]
pub struct Epochs(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    now: Epoch,
    sources: HashMap<SourceName, Written>,
}

/// The numbers of one source's last writes.
#[derive(Debug, Default)]
struct Written {
    pages: Epoch,
    /// Applies to all assets not in `entities`.
    others: Epoch,
    entities: HashMap<Arc<str>, Epoch>,
    /// Writes in progress: to the source, and to each asset.
    open: usize,
    open_entities: HashMap<Arc<str>, usize>,
}

impl Epochs {
    /// The number of the last write anywhere.
    pub fn now(&self) -> Epoch {
        self.table().now
    }

    /// The number of the last write to the source, flagged while one is in progress.
    pub fn pages_epoch(&self, source: &SourceName) -> Epoch {
        let table = self.table();
        match table.sources.get(source) {
            None => 0,
            Some(written) if written.open > 0 => UNCACHEABLE | written.pages,
            Some(written) => written.pages,
        }
    }

    /// The number of the last write to the asset, flagged while one is in progress.
    pub fn entity_epoch(&self, source: &SourceName, id: &str) -> Epoch {
        let table = self.table();
        let Some(written) = table.sources.get(source) else {
            return 0;
        };
        let last = written.entities.get(id).copied().unwrap_or(written.others);
        if written.open_entities.contains_key(id) {
            UNCACHEABLE | last
        } else {
            last
        }
    }

    /// Whether none of the sources was written after `since`, or is being written.
    pub fn are_unwritten(&self, since: Epoch, sources: &[SourceName]) -> bool {
        let table = self.table();
        sources.iter().all(|source| {
            let written = table.sources.get(source);
            written.is_none_or(|written| written.open == 0 && written.pages <= since)
        })
    }

    /// Records that a write to `ids` of `source` begins.
    pub fn open(&self, source: &SourceName, ids: &[Arc<str>]) {
        let mut table = self.table();
        table.raise(source, ids);
        let written = table.sources.entry(source.clone()).or_default();
        written.open += 1;
        for id in ids {
            *written.open_entities.entry(id.clone()).or_default() += 1;
        }
    }

    /// Records that a write is over: its outcome is known, or never will be.
    pub fn close(&self, source: &SourceName, ids: &[Arc<str>]) {
        let mut table = self.table();
        table.raise(source, ids);
        let written = table.sources.entry(source.clone()).or_default();
        written.open = written.open.saturating_sub(1);
        for id in ids {
            if let Some(open) = written.open_entities.get_mut(id) {
                *open -= 1;
                if *open == 0 {
                    written.open_entities.remove(id);
                }
            }
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        // Plain numbers: a panic elsewhere cannot leave them inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn raise(&mut self, source: &SourceName, ids: &[Arc<str>]) {
        let table = self;
        table.now += 1;
        let now = table.now;
        let written = table.sources.entry(source.clone()).or_default();
        written.pages = now;
        if written.entities.len() + ids.len() > MAX_ENTITIES {
            written.entities.clear();
            written.others = now;
        } else {
            written
                .entities
                .extend(ids.iter().map(|id| (id.clone(), now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_raises_its_own_assets_and_its_sources_pages() {
        let epochs = Epochs::default();
        let (source, other) = (
            SourceName::parse("one").unwrap(),
            SourceName::parse("two").unwrap(),
        );
        let ids = ["a".into()];
        epochs.open(&source, &ids);
        let (first, second) = (
            epochs.entity_epoch(&source, "a"),
            epochs.entity_epoch(&source, "a"),
        );
        assert!(is_uncacheable(first), "nothing is kept");
        assert_eq!(first, second, "no write ended between them");
        let pages = epochs.pages_epoch(&source);
        assert!(is_uncacheable(pages));
        assert_eq!(epochs.entity_epoch(&source, "b"), 0);
        epochs.open(&source, &ids);
        assert_ne!(epochs.entity_epoch(&source, "a"), first, "another began");
        let both = (
            epochs.entity_epoch(&source, "a"),
            epochs.pages_epoch(&source),
        );
        epochs.close(&source, &ids);
        let left = (
            epochs.entity_epoch(&source, "a"),
            epochs.pages_epoch(&source),
        );
        assert!(is_uncacheable(left.0), "one is still open");
        assert!(left.0 != both.0 && left.1 != both.1, "one has ended");
        assert_ne!(left.1, pages);
        epochs.close(&source, &ids);
        assert_eq!(epochs.entity_epoch(&source, "a"), 4);
        assert_eq!(epochs.entity_epoch(&source, "b"), 0);
        assert_eq!(epochs.entity_epoch(&other, "a"), 0);
        assert_eq!(
            (epochs.pages_epoch(&source), epochs.pages_epoch(&other)),
            (4, 0)
        );
    }

    #[test]
    fn a_full_table_forgets_more_never_less() {
        let epochs = Epochs::default();
        let source = SourceName::parse("one").unwrap();
        let ids: Vec<Arc<str>> = (0..=MAX_ENTITIES).map(|n| n.to_string().into()).collect();
        for ids in [&["early".into()], ids.as_slice()] {
            epochs.open(&source, ids);
            epochs.close(&source, ids);
        }
        for id in ["early", "0", "never written"] {
            assert_eq!(epochs.entity_epoch(&source, id), 4, "{id}");
        }
    }
}
