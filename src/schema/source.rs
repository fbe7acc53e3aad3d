//! `AssetSource`: a source, its health and its capabilities.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{
    connection::{AssetConnection, PageArguments},
    error::{AssetSourceError, bad_input, whole_seconds},
    fast_path::FastPath,
    filter::{AssetFilter, AssetFilterField},
    merged_list::merged,
    operation::{operation, reading},
    order::{AssetOrder, AssetOrderField},
    scalars::ByteSize,
};
use crate::{
    asset::{self, GlobalId, Kind, Provider, Visibility},
    source::{
        DeleteEffect, Filter, Health, ListPlan, ListSelection, Paging, SortBy, Source, SourceError,
        Status,
    },
};

/// The GraphQL type `AssetSource`.
pub struct SourceNode(pub Arc<dyn Source>);

/// One configured account or server of a provider, such as a project or a self-hosted server.
#[Object(name = "AssetSource")]
impl SourceNode {
    /// Global id, for `node`. Opaque and stable.
    pub async fn id(&self) -> ID {
        GlobalId::Source(self.0.profile().name.clone())
            .to_string()
            .into()
    }

    /// The source's name in the gateway's configuration. `filter.sources` takes this name.
    async fn name(&self) -> &str {
        self.0.profile().name.as_str()
    }

    /// The provider whose API the source uses.
    async fn provider(&self) -> Provider {
        self.0.profile().provider
    }

    /// The outcomes of the gateway's calls to it in the last 30 seconds. Costs no upstream call.
    async fn health(&self, context: &Context<'_>) -> AssetSourceHealth {
        if let Ok(operation) = operation(context) {
            // Health describes this moment, so the response must not be cached.
            operation.context.mark_uncacheable();
        }
        AssetSourceHealth::of(self.0.breaker().health())
    }

    /// The request header in which to send your own credential for this source. The gateway
    /// forwards its value unchanged, as `Authorization` or, for a key, as the header that the
    /// provider uses instead. Null when the source takes no credential from clients.
    async fn credential_header(&self) -> Option<String> {
        let profile = self.0.profile();
        let header = || format!("x-asset-source-{}", profile.name);
        profile.passthrough.then(header)
    }

    /// The assets of this source: `Query.assets` with this source only, and with the same cursors.
    /// A page usually costs at most five upstream list calls.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 0 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 0 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
        #[graphql(
            desc = "Conditions that an asset must meet. `sources` and `providers`, if given, must \
                    include this source."
        )]
        filter: Option<AssetFilter>,
        #[graphql(
            desc = "How the list is sorted: by any of `capabilities.orderFields`.",
            default_with = "Some(AssetOrder::NEWEST)"
        )]
        order_by: Option<AssetOrder>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let paging = PageArguments {
            first,
            after,
            last,
            before,
        };
        let order = order_by.unwrap_or(AssetOrder::NEWEST);
        let filter = filter.unwrap_or_default();
        Some(Box::pin(self.list(context, &filter, order, paging)).await)
    }

    /// The operations, orders and filters that this source supports. Offer users no others.
    async fn capabilities(&self) -> AssetSourceCapabilities {
        AssetSourceCapabilities::of(self.0.as_ref())
    }
}

impl SourceNode {
    async fn list(
        &self,
        context: &Context<'_>,
        filter: &AssetFilter,
        order: AssetOrder,
        paging: PageArguments,
    ) -> async_graphql::Result<FastPath<AssetConnection>> {
        let registry = &reading(context)?.registry;
        let selected = filter.sources(registry)?;
        let name = &self.0.profile().name;
        if !selected.iter().any(|source| source.profile().name == *name) {
            return Err(bad_input(
                &["filter", filter.excluding(name, registry)],
                format!("the filter leaves out source `{name}`, whose list this is"),
            ));
        }
        let sources = vec![Arc::clone(&self.0)];
        merged(context, sources, filter, order.into(), paging).await
    }
}

/// The outcomes of calls to a source in the last 30 seconds, as this gateway process saw them. The
/// counts restart when a `DOWN` source answers again.
#[derive(SimpleObject)]
pub struct AssetSourceHealth {
    /// Whether the source answers.
    status: AssetSourceStatus,
    /// Calls that ended in the last 30 seconds. Only the latest 40 count.
    calls: u32,
    /// The number of `calls` with a 5xx status or without a complete response. 4xx statuses and
    /// responses that cannot be parsed are not failures.
    failures: u32,
    /// The latest failure; null while `status` is `UP`.
    last_error: Option<AssetSourceError>,
    /// Seconds until the gateway calls a `DOWN` source again; null unless `status` is `DOWN`.
    retry_after_seconds: Option<i32>,
}

/// Whether a source answers. Values may be added: treat an unknown one as `DEGRADED`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Status")]
pub enum AssetSourceStatus {
    /// The source answers, or no call was made.
    Up,
    /// Some calls fail: with a 5xx status, or without a complete response.
    Degraded,
    /// Of at least eight calls, half or more failed; or several slow calls all got no response. The
    /// gateway makes one call every five seconds until one succeeds.
    Down,
}

impl AssetSourceHealth {
    fn of(health: Health) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            status: health.status.into(),
            calls: count(health.calls),
            failures: count(health.failures),
            last_error: health
                .last_error
                .map(|error| (&SourceError::from(error)).into()),
            retry_after_seconds: health.retry_after.map(whole_seconds),
        }
    }
}

/// The operations, orders and filters that a source supports, by its provider's API contract.
#[derive(SimpleObject)]
pub struct AssetSourceCapabilities {
    /// The fields that its list can be sorted by.
    order_fields: Vec<AssetOrderField>,
    /// `AssetFilter` fields that the source applies itself in a list by `CREATED_AT` without
    /// `search`. Other lists and unusual values may differ: see `execution`. The gateway applies
    /// the other fields after reading, which can take more calls for a page.
    pushed_filters: Vec<AssetFilterField>,
    /// Whether the source accepts uploads.
    can_upload: bool,
    /// Whether its assets can be tagged.
    can_tag: bool,
    /// Whether its assets can have a note.
    can_note: bool,
    /// Whether its assets can be deleted.
    can_delete: bool,
    /// The only tags that it accepts, at most 100; null when it accepts any tag.
    tag_vocabulary: Option<Vec<&'static str>>,
    /// The most tags that an asset may have; null when no limit is known.
    max_tags: Option<u32>,
    /// Whether its lists report an exact `totalCount`.
    has_exact_count: bool,
    /// The effect of deleting an asset.
    delete_effect: AssetDeleteEffect,
    /// The effect of deleting an asset, as a sentence to show to users.
    delete_description: &'static str,
    /// The largest file that it accepts, in bytes; null when the provider publishes no limit.
    max_upload_size: Option<ByteSize>,
    /// The most assets that one upstream list call returns.
    max_page_size: u32,
    /// The most assets that one upstream call reads by id. 1 means one call for each asset.
    max_batch_size: u32,
}

impl AssetSourceCapabilities {
    fn of(source: &dyn Source) -> Self {
        let capabilities = &source.profile().capabilities;
        let paging = |by| {
            let plan = source.plan(ListSelection::Merged(&Filter::default()), by);
            plan.ok().map(|plan| plan.paging)
        };
        Self {
            order_fields: AssetOrderField::ALL
                .into_iter()
                .filter(|field| paging((*field).into()).is_some())
                .collect(),
            pushed_filters: pushed_filters(source),
            can_upload: source.uploader().is_some(),
            can_tag: source.writer().is_some(),
            can_note: source.writer().is_some(),
            can_delete: source.writer().is_some(),
            tag_vocabulary: capabilities.tag_vocabulary.clone(),
            max_tags: capabilities.max_tags,
            has_exact_count: capabilities.has_exact_count,
            delete_effect: capabilities.delete_effect.into(),
            delete_description: capabilities.delete_description,
            max_upload_size: capabilities.max_upload_bytes.map(ByteSize),
            max_page_size: paging(SortBy::CreatedAt).map_or(0, Paging::cap),
            max_batch_size: capabilities.max_batch_size,
        }
    }
}

/// The effect of deleting an asset. Values may be added: treat an unknown one as `PERMANENT`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "DeleteEffect")]
pub enum AssetDeleteEffect {
    /// The source deletes the asset and its file.
    Permanent,
    /// The source can restore the asset for a limited time, if the account's plan includes this.
    Recoverable,
    /// The source removes the asset from its lists and keeps the file.
    EntryOnly,
}

/// Returns the filter fields that the source applies alone. Each is tried with an example value.
fn pushed_filters(source: &dyn Source) -> Vec<AssetFilterField> {
    let text = || Some("example".to_owned());
    // A source may accept only its own tags.
    let vocabulary = source.profile().capabilities.tag_vocabulary.clone();
    let vocabulary = vocabulary.unwrap_or_else(|| vec!["one", "two"]);
    let tags = || {
        vocabulary
            .iter()
            .take(2)
            .map(|tag| (*tag).to_owned())
            .collect::<Vec<_>>()
    };
    let time = || Some(jiff::Timestamp::UNIX_EPOCH);
    let none = Filter::default;
    let examples = [
        Filter {
            kinds: vec![Kind::Image],
            ..none()
        },
        Filter {
            tags_all: tags(),
            ..none()
        },
        Filter {
            tags_any: tags(),
            ..none()
        },
        Filter {
            tags_none: tags(),
            ..none()
        },
        Filter {
            name_contains: text(),
            ..none()
        },
        Filter {
            search: text(),
            ..none()
        },
        Filter {
            created_after: time(),
            ..none()
        },
        Filter {
            created_before: time(),
            ..none()
        },
        Filter {
            updated_after: time(),
            ..none()
        },
        Filter {
            updated_before: time(),
            ..none()
        },
        Filter {
            visibilities: vec![Visibility::Private],
            ..none()
        },
        Filter {
            statuses: vec![asset::Status::Missing],
            lists_missing: true,
            ..none()
        },
        Filter {
            created_by: text(),
            ..none()
        },
    ];
    let by = SortBy::CreatedAt;
    let plan = |filter: &Filter| source.plan(ListSelection::Merged(filter), by).ok();
    let unfiltered = plan(&none());
    // A list paged by time windows applies time bounds through these windows.
    let has_windows = unfiltered
        .as_ref()
        .is_some_and(|plan| matches!(plan.paging, Paging::Window { .. }));
    let mut pushed = Vec::new();
    for example in examples {
        let Some(ListPlan { call, .. }) = plan(&example) else {
            continue;
        };
        let is_pushed = unfiltered.as_ref().is_some_and(|plain| {
            (plain.call.listing, &plain.call.parameters) != (call.listing, &call.parameters)
        }) || (has_windows && example.span(by) != (None, None));
        let fields = example.used().into_iter();
        let fields = fields.filter(|field| is_pushed && !call.local.contains(field));
        pushed.extend(fields.filter_map(AssetFilterField::of));
    }
    pushed
}
