//! `AssetSourceResult`: how one source fared on a page.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, SimpleObject};

use super::{
    error::AssetSourceError, filter::AssetFilterField, operation::operation, scalars::DateTime,
    source::SourceNode,
};
use crate::{
    connection::{Execution, SourceOutcome},
    source::FilterField,
};

/// How a source fared. Values may be added: treat an unknown one as `FAILED`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetSourceResultStatus {
    /// It answered.
    Ok,
    /// It failed, and an older answer stands in for it: see `fetchedAt` and `error`.
    Stale,
    /// It is missing from this page, wholly or from some point on: see `error` and `isComplete`.
    Failed,
    /// It was not asked, since it can hold no match: see `reason`.
    Skipped,
}

/// How one source fared on a page.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct AssetSourceResult {
    /// The source.
    source: SourceNode,
    /// Whether its assets are on this page.
    status: AssetSourceResultStatus,
    /// Whether paging on leaves none of its assets behind, unreadable rows aside. False where it failed
    /// before it gave anything: to get those assets, ask again with the same cursor. A source that
    /// fails later cuts the page short instead, and paging on brings the rest.
    is_complete: bool,
    /// Why it was skipped, for people; null unless `SKIPPED`.
    reason: Option<&'static str>,
    /// How many assets the list has at this source, exactly; null when that is not known.
    total_count: Option<i64>,
    /// When the oldest of its answers on this page was read; null when there was none.
    fetched_at: Option<DateTime>,
    /// Why it failed; null unless `FAILED` or `STALE`.
    error: Option<AssetSourceError>,
    /// Rows that belong on this page and cannot be read; at most as many as were read. The rest of
    /// the page is whole.
    unreadable_assets: Vec<UnreadableAsset>,
    #[graphql(skip)]
    execution: Execution,
}

/// A row of a source that cannot be read, and so cannot be shown.
#[derive(SimpleObject)]
pub struct UnreadableAsset {
    /// Its id at the source, where that could be read.
    upstream_id: Option<String>,
    /// Where in the source's answer, as a JSON path such as `assets[3].metadata`.
    path: String,
    /// Why it cannot be read.
    message: String,
}

/// How the gateway read a page from one source.
#[derive(SimpleObject)]
pub struct AssetSourceExecution {
    /// Fields of `AssetFilter` that the source applied. Empty on the providers' own lists: see
    /// `upstreamParameters`.
    pushed_filters: Vec<AssetFilterField>,
    /// Fields of `AssetFilter` that the gateway compared after reading. Empty on the providers' own
    /// lists.
    local_filters: Vec<AssetFilterField>,
    /// Query parameters that narrow the list, in the provider's names, the gateway's own among them: at
    /// most 20.
    upstream_parameters: Vec<AssetUpstreamParameter>,
    /// What else the gateway did to the rows, a sentence each: at most two.
    notes: Vec<&'static str>,
    /// Rows of the source that were read for this page.
    rows_read: u64,
    /// List calls to the source that this page caused; 0 when the cache had everything.
    calls: u32,
}

/// A query parameter of a call to a source.
#[derive(SimpleObject)]
pub struct AssetUpstreamParameter {
    /// Its name, as the provider spells it.
    name: &'static str,
    /// Its value, before it is encoded.
    value: String,
}

impl From<Execution> for AssetSourceExecution {
    fn from(execution: Execution) -> Self {
        let fields = |fields: &[FilterField]| {
            let fields = fields.iter().copied();
            fields.filter_map(AssetFilterField::of).collect()
        };
        let note = |field: &FilterField| match field {
            FilterField::Hash => {
                Some("the gateway compares `hash` too, since servers that do not know it ignore it")
            }
            FilterField::ListedTags => Some(
                "`tagsAny` went upstream in the place of the tags that Comfy lists assets by, so the \
                 gateway compares those",
            ),
            _ => None,
        };
        Self {
            pushed_filters: fields(&execution.pushed),
            local_filters: fields(&execution.local),
            notes: execution.local.iter().filter_map(note).collect(),
            upstream_parameters: execution
                .parameters
                .into_iter()
                .map(|(name, value)| AssetUpstreamParameter { name, value })
                .collect(),
            rows_read: execution.rows_read,
            calls: execution.calls,
        }
    }
}

#[ComplexObject]
impl AssetSourceResult {
    /// How the page was read: filters pushed upstream, filters applied here, rows and calls. Use it
    /// to find out why a page is slow or short.
    async fn execution(&self, context: &Context<'_>) -> AssetSourceExecution {
        let execution = self.execution.clone();
        if execution.calls > 0
            && let Ok(operation) = operation(context)
        {
            // Another request with this answer would seem to have caused calls.
            operation.context.mark_unshareable();
        }
        execution.into()
    }
}

impl AssetSourceResult {
    pub fn of(outcome: &SourceOutcome) -> Self {
        Self {
            source: SourceNode(Arc::clone(&outcome.source)),
            status: match (outcome.skipped, &outcome.error, &outcome.stale) {
                (Some(_), ..) => AssetSourceResultStatus::Skipped,
                (None, Some(_), _) => AssetSourceResultStatus::Failed,
                (None, None, Some(_)) => AssetSourceResultStatus::Stale,
                (None, None, None) => AssetSourceResultStatus::Ok,
            },
            is_complete: outcome.is_complete,
            reason: outcome.skipped,
            total_count: outcome.total.and_then(|total| i64::try_from(total).ok()),
            fetched_at: outcome.fetched_at.map(DateTime::at),
            error: outcome
                .error
                .as_ref()
                .or(outcome.stale.as_ref())
                .map(AssetSourceError::from),
            unreadable_assets: outcome
                .unreadable
                .iter()
                .map(|row| UnreadableAsset {
                    upstream_id: row.upstream_id.as_deref().map(str::to_owned),
                    path: row.path.clone(),
                    message: row.message.clone(),
                })
                .collect(),
            execution: outcome.execution.clone(),
        }
    }
}
