//! Which writes a cached thing has seen.
//!
//! One counter for the process; each write takes the next number and leaves it at the source (for
//! its pages) and at each asset written. A key carries the number that held when its call began,
//! so a write makes everything older unreachable at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::asset::SourceName;

/// A moment between two writes.
pub type Epoch = u64;

/// Beyond so many written assets of a source the table is folded into one number for all of them:
/// correct, at the price of forgetting more than needed.
const MAX_ENTITIES: usize = 65_536;

#[derive(Debug, Default)]
pub struct Epochs(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    now: Epoch,
    sources: HashMap<SourceName, Written>,
}

/// The last writes of one source.
#[derive(Debug, Default)]
struct Written {
    pages: Epoch,
    /// All assets not in `entities`.
    others: Epoch,
    entities: HashMap<Box<str>, Epoch>,
}

impl Epochs {
    /// The number of the last write anywhere.
    pub fn now(&self) -> Epoch {
        self.table().now
    }

    /// The number of the last write to the source.
    pub fn of_pages(&self, source: &SourceName) -> Epoch {
        self.table().sources.get(source).map_or(0, |w| w.pages)
    }

    /// The number of the last write to the asset.
    pub fn of_entity(&self, source: &SourceName, id: &str) -> Epoch {
        self.table()
            .sources
            .get(source)
            .map_or(0, |w| w.entities.get(id).copied().unwrap_or(w.others))
    }

    /// Counts a write to `ids` of `source`.
    pub fn raise(&self, source: &SourceName, ids: &[&str]) {
        let mut table = self.table();
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
                .extend(ids.iter().map(|id| ((*id).into(), now)));
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        // Plain numbers: a panic elsewhere cannot leave them half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_raises_its_own_assets_and_its_sources_pages() {
        let epochs = Epochs::default();
        let (one, two) = (
            SourceName::parse("one").unwrap(),
            SourceName::parse("two").unwrap(),
        );
        epochs.raise(&one, &["a"]);
        assert_eq!(epochs.of_entity(&one, "a"), 1);
        assert_eq!(epochs.of_entity(&one, "b"), 0);
        assert_eq!(epochs.of_entity(&two, "a"), 0);
        assert_eq!((epochs.of_pages(&one), epochs.of_pages(&two)), (1, 0));
    }

    #[test]
    fn a_full_table_forgets_more_never_less() {
        let epochs = Epochs::default();
        let source = SourceName::parse("one").unwrap();
        let ids: Vec<String> = (0..=MAX_ENTITIES).map(|n| n.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        epochs.raise(&source, &["early"]);
        epochs.raise(&source, &ids);
        for id in ["early", "0", "never written"] {
            assert_eq!(epochs.of_entity(&source, id), 2, "{id}");
        }
    }
}
