//! The cost of one field.

/// The highest cost of a field, without its selection set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldCost {
    Free,
    Calls(u64),
    /// One asset, read or written.
    Asset {
        calls: u64,
    },
    /// A page of `first` or `last` assets.
    Page {
        calls: u64,
    },
    /// The cost of its selection set, once for each configured source.
    Sources(u64),
    /// One asset for each item of the list argument at this path.
    Items {
        list: &'static [&'static str],
        calls: u64,
    },
}
