//! One ordered list over many sources, paged as Relay connections.
//!
//! The gateway merges the rows after a key, not whole pages (`docs/paging.md`). A [`Key`] names a
//! gap between assets and outlives them. Each source's [`Reader`](source_reader::Reader) hides its
//! paging and returns a gap-free run from the key on. [`merge`] takes the rows before the
//! *horizon*, past which some run is unknown.
//!
//! Lists sorted by values that only their source can compare (names, sizes) are not merged. The
//! gateway reads them by position and checks the position against the rows ([`single_source`]).
//!
//! The gateway keeps no paging state between requests: the cursor carries all of it.

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
    ConnectionPage, Edge, Execution, List, ListUnavailable, PagePosition, PageRange, SourceList,
    SourceOutcome,
};
pub use row_cursor::RowAnchor;
pub use sort_key::Key;

/// The maximum number of assets on a page.
pub const MAX_PAGE: usize = 100;

impl List {
    /// Reads a page.
    ///
    /// # Errors
    /// [`ListUnavailable`] when every source failed from the start. Also when a page requested with
    /// a cursor would not advance because some sources failed. Other failures are in
    /// [`ConnectionPage::sources`].
    pub async fn page(&self, range: &PageRange<Cursor>) -> Result<ConnectionPage, ListUnavailable> {
        merge::page(self, range).await
    }

    /// Reads a page of the first source's list, in an order that only this source can compare.
    ///
    /// # Errors
    /// [`ListUnavailable`] with the source's error, when no row could be read.
    pub async fn single_source_page(
        &self,
        range: &PageRange<RowAnchor>,
    ) -> Result<ConnectionPage, ListUnavailable> {
        // Boxed, so that the common merged path does not carry the size of this future.
        Box::pin(single_source::page(self, range)).await
    }
}
