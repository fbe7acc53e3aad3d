//! `Source` and what it can do.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{
    connection::{AssetConnection, Paging as PageArguments},
    error::{AssetSourceError, bad_input},
    fast_path::FastPath,
    filter::{AssetFilter, AssetFilterField},
    merged_list::merged,
    operation::{operation, reading},
    order::{AssetOrder, AssetOrderField},
    provider::AssetProvider,
    scalars::ByteSize,
};
use crate::{
    asset::{GlobalId, Kind, Visibility},
    source::{
        DeleteEffect, Filter, FilterField, Health, ListKind, Paging, Parameters, Pushdown, SortBy,
        Source, SourceError, Status,
    },
};

/// One configured account or server of a provider.
pub struct SourceNode(pub Arc<dyn Source>);

/// One configured account or server of a provider, such as a Scenario project or a ComfyUI.
#[Object(name = "AssetSource")]
impl SourceNode {
    /// Global id, for `node`. Stable for ever.
    pub async fn id(&self) -> ID {
        GlobalId::Source(self.0.profile().name.clone())
            .to_string()
            .into()
    }

    /// The name it has in the gateway's configuration, as `filter.sources` takes it.
    async fn name(&self) -> &str {
        self.0.profile().name.as_str()
    }

    /// The kind of API.
    async fn provider(&self) -> AssetProvider {
        self.0.profile().provider.into()
    }

    /// How its calls ended within the last thirty seconds. Costs no call.
    async fn health(&self, context: &Context<'_>) -> AssetSourceHealth {
        if let Ok(operation) = operation(context) {
            // Of this moment.
            operation.context.mark_uncacheable();
        }
        AssetSourceHealth::of(self.0.breaker().health())
    }

    /// The request header for your own credential, which the gateway sends on as it is: as
    /// `Authorization` to Scenario and PiktID, as `X-API-Key` to Comfy. Null where the gateway has a
    /// credential.
    async fn credential_header(&self) -> Option<String> {
        let profile = self.0.profile();
        let header = || format!("x-asset-source-{}", profile.name);
        profile.passthrough.then(header)
    }

    /// The assets of this source: `Query.assets` over this source alone, with the same cursors. Costs
    /// at most five list calls.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 1 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 1 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
        #[graphql(
            desc = "Conditions that an asset must meet. `sources` and `providers`, where given, must \
                    include this source."
        )]
        filter: Option<AssetFilter>,
        #[graphql(
            desc = "How the list is sorted: by any of this source's `orderFields`.",
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

    /// What this source can do, so that a frontend offers nothing else.
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
        let asked = filter.sources(registry)?;
        let name = &self.0.profile().name;
        if !asked.iter().any(|source| source.profile().name == *name) {
            return Err(bad_input(
                &["filter", filter.excluding(name, registry)],
                format!("the filter leaves out source `{name}`, whose list this is"),
            ));
        }
        let sources = vec![Arc::clone(&self.0)];
        merged(context, sources, filter, order.into(), paging).await
    }
}

/// How calls to a source ended within the last thirty seconds, as this gateway process saw them. The
/// count begins anew when a `DOWN` source answers again.
#[derive(SimpleObject)]
pub struct AssetSourceHealth {
    /// How its calls end.
    status: AssetSourceStatus,
    /// Calls that ended within the last thirty seconds, 40 at most.
    calls: u32,
    /// Calls of those that brought no complete answer, or a 5xx. Refusals (4xx) and answers that
    /// cannot be read do not count.
    failures: u32,
    /// The last failure; null while the source is `UP`.
    last_error: Option<AssetSourceError>,
    /// Seconds until a `DOWN` source is asked again; null unless it is `DOWN`.
    retry_after_seconds: Option<u32>,
}

/// How calls to a source end. Values may be added: treat an unknown one as `DEGRADED`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetSourceStatus {
    /// It answers, or no call was made.
    Up,
    /// Some of its calls bring no complete answer, or a 5xx.
    Degraded,
    /// Half of eight or more calls failed, or none of several slow ones was answered. The gateway makes
    /// one call every five seconds until one succeeds.
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
            retry_after_seconds: health
                .retry_after
                .map(|wait| u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX)),
        }
    }
}

impl From<Status> for AssetSourceStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Up => Self::Up,
            Status::Degraded => Self::Degraded,
            Status::Down => Self::Down,
        }
    }
}

/// What a source can do, as its provider's contract says.
#[derive(SimpleObject)]
pub struct AssetSourceCapabilities {
    /// What its list can be sorted by.
    order_fields: Vec<AssetOrderField>,
    /// Fields of `AssetFilter` that the source applies in a list by `CREATED_AT` without `search`; other
    /// lists and unusual values may differ, and `execution` has what was done. The gateway compares
    /// the other fields after reading, which can take more calls for a page.
    pushed_filters: Vec<AssetFilterField>,
    /// Takes uploads.
    can_upload: bool,
    /// Its assets can be tagged.
    can_tag: bool,
    /// Its assets can carry a note.
    can_note: bool,
    /// Its assets can be deleted.
    can_delete: bool,
    /// The only tags it knows, at most 100; null where any text is a tag.
    tag_vocabulary: Option<Vec<&'static str>>,
    /// Tags an asset may have; null where no limit is known.
    max_tags: Option<u32>,
    /// Whether its lists say how many assets they have, exactly.
    has_exact_count: bool,
    /// What deleting an asset does.
    delete_effect: AssetDeleteEffect,
    /// What deleting an asset does, in a sentence for people.
    delete_description: &'static str,
    /// The largest file that it takes; null where no limit is published.
    max_upload_size: Option<ByteSize>,
    /// The most assets that one call of its list brings.
    max_page_size: u32,
    /// The most assets that one call reads by id; 1: each asset costs a call.
    max_batch_size: u32,
}

impl AssetSourceCapabilities {
    fn of(source: &dyn Source) -> Self {
        let all = &source.profile().capabilities;
        let newest = source.paging(ListKind::Own, SortBy::CreatedAt);
        Self {
            order_fields: AssetOrderField::ALL
                .into_iter()
                .filter(|field| source.paging(ListKind::Own, (*field).into()).is_some())
                .collect(),
            pushed_filters: pushed_filters(source),
            can_upload: all.can_upload,
            can_tag: all.can_tag,
            can_note: all.can_note,
            can_delete: all.can_delete,
            tag_vocabulary: all.tag_vocabulary.clone(),
            max_tags: all.max_tags,
            has_exact_count: all.has_exact_count,
            delete_effect: all.delete_effect.into(),
            delete_description: all.delete_description,
            max_upload_size: all.max_upload_bytes.map(ByteSize),
            max_page_size: newest.map_or(0, Paging::cap),
            max_batch_size: all.max_batch_size,
        }
    }
}

/// What deleting an asset does. Values may be added: treat an unknown one as `PERMANENT`.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetDeleteEffect {
    /// The asset and its file are gone.
    Permanent,
    /// The source can bring it back for a time, where the account's plan has that.
    Recoverable,
    /// The asset leaves the lists; its file stays at the source.
    EntryOnly,
}

impl From<DeleteEffect> for AssetDeleteEffect {
    fn from(effect: DeleteEffect) -> Self {
        match effect {
            DeleteEffect::Permanent => Self::Permanent,
            DeleteEffect::Recoverable => Self::Recoverable,
            DeleteEffect::EntryOnly => Self::EntryOnly,
        }
    }
}

/// The fields that go upstream and leave nothing to compare here, each asked by an example.
fn pushed_filters(source: &dyn Source) -> Vec<AssetFilterField> {
    let text = || Some("example".to_owned());
    // Tags that every source can know.
    let tags = || vec!["model".to_owned(), "product".to_owned()];
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
            created_by: text(),
            ..none()
        },
    ];
    let by = SortBy::CreatedAt;
    let unfiltered = asked(source.push_down(&none(), by));
    // Windows of time are how such a list is walked.
    let has_windows = matches!(
        source.paging(ListKind::Own, by),
        Some(Paging::Window { .. })
    );
    let mut pushed = Vec::new();
    for example in examples {
        let Some((said, local)) = asked(source.push_down(&example, by)) else {
            continue;
        };
        let is_said = unfiltered.as_ref().is_some_and(|(plain, _)| *plain != said)
            || (has_windows && example.span(by) != (None, None));
        let fields = example.used().into_iter();
        let fields = fields.filter(|field| is_said && !local.contains(field));
        pushed.extend(fields.filter_map(AssetFilterField::of));
    }
    pushed
}

/// What is said upstream, and what is compared here.
fn asked(narrowed: Pushdown) -> Option<((ListKind, Parameters), Vec<FilterField>)> {
    match narrowed {
        Pushdown::Ask {
            listing,
            parameters,
            local,
            ..
        } => Some(((listing, parameters), local)),
        Pushdown::Skip(_) | Pushdown::Unsupported(_) => None,
    }
}
