//! Costs and totals of reading a source's list, apart from its rows.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;

use super::list::{Execution, List, SourceList, SourceOutcome};
use crate::{
    cache::PageRead,
    source::{FilterField, ListRequest, Page, Paging, Row, SortBy, SourceError, Unreadable},
};

/// The number of rows that a probe requests: more than may be inserted between two calls.
pub const PROBE_LENGTH: u32 = 8;

/// Statistics that a reader updates with each call.
pub struct ReadStats<'a> {
    list: &'a List,
    part: &'a SourceList,
    execution: Execution,
    fetched_at: Option<Timestamp>,
    /// Why an older page was used.
    stale: Option<SourceError>,
    /// The number of rows that match the pushed filters, possibly an estimate.
    pub total: Option<u64>,
    /// Whether `total` is exact.
    is_total_exact: bool,
    /// Whether a row was read that does not match.
    pub dropped: bool,
    /// Ids read so far, for sources that page by position.
    ids_read: HashSet<Arc<str>>,
}

impl<'a> ReadStats<'a> {
    pub fn new(list: &'a List, part: &'a SourceList) -> Self {
        Self {
            list,
            part,
            execution: execution(list, part),
            fetched_at: None,
            stale: None,
            total: None,
            is_total_exact: false,
            dropped: false,
            ids_read: HashSet::new(),
        }
    }

    /// Whether a page begins past its own stated end and repeats rows already read: some sources
    /// return their last rows there.
    pub fn repeats(&mut self, page: &Page) -> bool {
        let is_known = |id: &str| !id.is_empty() && self.ids_read.contains(id);
        let repeats = is_past_end(page) && page.rows.iter().all(|row| is_known(row.id()));
        if !repeats && !page.last {
            self.ids_read.extend(page.rows.iter().map(Row::shared_id));
        }
        repeats
    }

    /// Whether the first page read begins past the reported total, so it may hold other rows.
    pub fn is_misplaced(&self, page: &Page) -> bool {
        self.ids_read.is_empty() && is_past_end(page)
    }

    /// Records the parameters of a request before it is sent.
    pub fn record_request(&mut self, request: &ListRequest) {
        let (after, before) = match request.order.by {
            SortBy::UpdatedAt => ("updatedAfter", "updatedBefore"),
            _ => ("createdAfter", "createdBefore"),
        };
        for (name, bound) in [(after, request.after), (before, request.before)] {
            let Some(time) = bound else { continue };
            let (parameter, parameters) =
                ((name, time.to_string()), &mut self.execution.parameters);
            if !parameters.contains(&parameter) {
                parameters.push(parameter);
            }
        }
    }

    /// Records a failed call, unless the gateway made no call.
    pub fn failed(&mut self, error: &SourceError) {
        self.execution.calls += u32::from(!error.made_no_call());
    }

    /// Records a page.
    pub fn note(&mut self, read: &PageRead) {
        let page = &read.page;
        self.execution.calls += u32::from(read.called);
        self.execution.rows_read += page.rows.len() as u64;
        self.total = page.total.or(self.total);
        // After another page, an empty page shows nothing about how the server counts.
        if !page.rows.is_empty() || self.execution.rows_read == 0 {
            self.is_total_exact = page.is_total_exact;
        }
        if read.stale.is_some() {
            self.stale.clone_from(&read.stale);
        }
        self.fetched_at = Some(
            self.fetched_at
                .map_or(page.fetched_at, |at| at.min(page.fetched_at)),
        );
    }

    /// The number of assets in this source's list, if it is certain. Either the source counts
    /// exactly and applies the whole filter, or the whole list was just read.
    pub fn exact_total(&self, complete_read: Option<CompleteRead>) -> Option<u64> {
        let is_filtered = !self.part.local.is_empty() || !self.part.listed.is_empty();
        if let Some(complete_read) = complete_read {
            // An unreadable row may or may not match.
            let is_sure = !is_filtered || complete_read.is_readable;
            return is_sure.then_some(complete_read.rows as u64);
        }
        let is_bounded = self.list.filter.span(self.list.order.by) != (None, None);
        let is_fully_pushed = self.part.local.is_empty() && !self.dropped && !is_bounded;
        self.total
            .filter(|_| is_fully_pushed && self.is_total_exact)
    }

    /// The outcome of reading the source.
    pub fn outcome(
        self,
        total: Option<u64>,
        error: Option<SourceError>,
        unreadable: Vec<Arc<Unreadable>>,
        is_complete: bool,
    ) -> SourceOutcome {
        SourceOutcome {
            source: Arc::clone(&self.part.source),
            skipped: None,
            error,
            stale: self.stale,
            is_complete,
            total,
            fetched_at: self.fetched_at,
            unreadable,
            execution: self.execution,
        }
    }
}

/// The planned execution, before the first call.
fn execution(list: &List, part: &SourceList) -> Execution {
    let has_windows = matches!(part.paging, Paging::Window { .. });
    let is_sent = |field: FilterField| {
        let mut names = part.parameters.0.iter().map(|(name, _)| name);
        has_windows || names.any(|name| field.matches_parameter(name))
    };
    let is_local = |field: &FilterField| {
        part.local.contains(field) || (field.bounds(list.order.by) && !is_sent(*field))
    };
    let (mut local, pushed): (Vec<_>, Vec<_>) = list.filter.used().into_iter().partition(is_local);
    // Add local fields that the filter itself does not use.
    let others = part.local.iter().filter(|field| !local.contains(field));
    local.extend(others.copied().collect::<Vec<_>>());
    Execution {
        pushed,
        local,
        parameters: part.parameters.0.to_vec(),
        notes: part.notes.clone(),
        ..Execution::default()
    }
}

/// A list that was read completely.
#[derive(Debug, Clone, Copy)]
pub struct CompleteRead {
    pub rows: usize,
    pub is_readable: bool,
}

/// Whether a page has rows although it begins past its own stated end.
fn is_past_end(page: &Page) -> bool {
    !page.rows.is_empty() && page.total.is_some_and(|total| page.offset >= total)
}
