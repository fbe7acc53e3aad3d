//! `AssetSourceResult`: the outcome of one source on a page.

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

/// The outcome of a source on a page. Values may be added: treat an unknown one as `FAILED`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetSourceResultStatus {
    /// The source answered.
    Ok,
    /// The source failed, and the page shows an older response of it: see `fetchedAt` and `error`.
    Stale,
    /// The source failed: its assets are missing, all or from some point on. See `isComplete`.
    Failed,
    /// The gateway did not call the source, because it can hold no match: see `reason`.
    Skipped,
}

/// The outcome of one source on a page.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct AssetSourceResult {
    /// The source.
    source: SourceNode,
    /// Whether this page has the source's assets.
    status: AssetSourceResultStatus,
    /// Whether the next pages have all its remaining assets, unreadable rows aside. False when the
    /// source failed before its first row: to get its assets, retry with the same cursor. A source
    /// that fails later cuts the page short instead, and the next page continues there.
    is_complete: bool,
    /// Why the source was skipped, as text for people; null unless `status` is `SKIPPED`.
    reason: Option<&'static str>,
    /// The exact number of assets that this source has in the list; null when unknown.
    total_count: Option<i64>,
    /// When the oldest of the source's responses on this page was read; null when there was none.
    fetched_at: Option<DateTime>,
    /// Why the source failed; null unless `status` is `FAILED` or `STALE`.
    error: Option<AssetSourceError>,
    /// Rows of this page that cannot be parsed, at most as many as were read. Empty when there are
    /// none. Other rows are not affected.
    unreadable_assets: Vec<UnreadableAsset>,
    #[graphql(skip)]
    execution: Execution,
}

/// A row in a source's response that the gateway cannot parse, and so cannot show as an asset.
#[derive(SimpleObject)]
pub struct UnreadableAsset {
    /// The row's id at the source; null when it cannot be read.
    upstream_id: Option<String>,
    /// JSON path of the fault in the source's response, such as `assets[3].metadata`.
    path: String,
    /// Why the row cannot be parsed.
    message: String,
}

/// How the gateway read a page from one source.
#[derive(SimpleObject)]
pub struct AssetSourceExecution {
    /// `AssetFilter` fields that the source applied. Empty on the providers' own lists: see
    /// `upstreamParameters`.
    pushed_filters: Vec<AssetFilterField>,
    /// `AssetFilter` fields that the gateway applied after reading. Empty on the providers' own
    /// lists.
    local_filters: Vec<AssetFilterField>,
    /// Query parameters that filter the list upstream, under the provider's names; at most 20. They
    /// include those that the gateway adds.
    upstream_parameters: Vec<AssetUpstreamParameter>,
    /// What else decides which assets the page has, one sentence each; at most three.
    notes: Vec<&'static str>,
    /// Rows read for this page, from the source or the cache.
    rows_read: u64,
    /// Upstream list calls that this page caused; 0 when the cache had everything.
    calls: u32,
}

/// A query parameter of an upstream list call.
#[derive(SimpleObject)]
pub struct AssetUpstreamParameter {
    /// The parameter's name, as the provider spells it.
    name: &'static str,
    /// The parameter's value, before URL encoding.
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
                Some("the gateway checks `hash` too, because older servers ignore it")
            }
            FilterField::ListedTags => Some(
                "`tagsAny` replaced the tags by which the gateway lists the source's assets, so \
                 the gateway checks those itself",
            ),
            _ => None,
        };
        Self {
            pushed_filters: fields(&execution.pushed),
            local_filters: fields(&execution.local),
            notes: execution
                .notes
                .into_iter()
                .chain(execution.local.iter().filter_map(note))
                .collect(),
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
    /// How the gateway read the page: filters applied upstream and locally, rows and calls. Use it
    /// to find out why a page is slow or short.
    async fn execution(&self, context: &Context<'_>) -> AssetSourceExecution {
        let execution = self.execution.clone();
        if execution.calls > 0
            && let Ok(operation) = operation(context)
        {
            // `calls` describes this request, so no other request may share the response.
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
