//! One ordered list over many sources, as Relay pages it.
//!
//! Pages are not merged; answers to "what follows this key?" are (`merge.md`). A [`Key`] names a
//! gap between assets and outlives them. Each source's paging is hidden behind a [`Reader`](source_reader::Reader), which
//! gives a gap-free run from the key on; [`merge`] takes from all runs what lies before the
//! *horizon*, past which some run is unknown.
//!
//! Lists sorted by what only their source can compare (names, sizes) are not merged: they are read
//! by position, and held to the rows themselves ([`single_source`]).
//!
//! Nothing of a walk is kept between requests: the cursor is everything.

mod cursor;
mod hints;
mod id_encoding;
mod list;
mod merge;
mod offset_search;
mod read_stats;
mod row_cursor;
mod single_source;
mod sort_key;
mod source_reader;

pub use cursor::{BadCursor, Cursor, Fingerprint, Hint, seal};
pub use list::{
    ConnectionPage, Edge, Execution, List, PagePosition, PageRange, SourceList, SourceOutcome,
    Unanswered,
};
pub use row_cursor::RowAnchor;
pub use sort_key::Key;

/// Assets a page may hold.
pub const MAX_PAGE: usize = 100;

impl List {
    /// Reads a page.
    ///
    /// # Errors
    /// [`Unanswered`] when every source failed from the start, and when a page asked with a cursor
    /// would stand still because some did. A source that fails while others answer is in
    /// [`ConnectionPage::sources`] instead.
    pub async fn page(&self, range: &PageRange<Cursor>) -> Result<ConnectionPage, Unanswered> {
        merge::page(self, range).await
    }

    /// Reads a page of a list in an order that only its source knows; of one source, the first.
    ///
    /// # Errors
    /// That source's, when nothing could be read.
    pub async fn collated_page(
        &self,
        range: &PageRange<RowAnchor>,
    ) -> Result<ConnectionPage, Unanswered> {
        // Boxed: the order that most lists are in must not carry this one's future along.
        Box::pin(single_source::page(self, range)).await
    }
}
