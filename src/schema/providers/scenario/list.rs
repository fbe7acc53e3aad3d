//! Scenario's own filters and orders (docs/providers/scenario.md 5.1, 5.2).

use async_graphql::{Context, Enum, InputObject, Object};

use crate::{
    asset::Provider,
    providers::scenario::list_params::{
        Privacy, ScenarioParameters, ScenarioPublicParameters, check_span,
    },
    schema::{
        connection::AssetConnection,
        fast_path::FastPath,
        filter::{check_time_ranges, tags, text, timestamp, words},
        order::AssetOrderDirection,
        providers::provider_query::{ProviderList, ProviderQuery, rule_error},
        scalars::DateTime,
    },
    source::{Filter, ListKind, Order, SortBy},
};

/// Who can see an asset, in Scenario's terms. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Privacy")]
pub enum ScenarioPrivacy {
    /// Only the project.
    Private,
    /// Everyone. As a filter, it returns the public assets of all organisations.
    Public,
    /// Everyone who has the link.
    Unlisted,
}

/// A field that Scenario can sort by. Values may be added; only requests use them.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScenarioAssetOrderField {
    /// `createdAt`. It never changes, so paging neither skips nor repeats an asset.
    CreatedAt,
    /// `updatedAt`. An asset changed while you page moves to the newest end. Newest first, paging
    /// may skip it; oldest first, paging may return it twice.
    UpdatedAt,
}

/// How Scenario sorts its list.
#[derive(InputObject, Debug, Clone, Copy)]
pub struct ScenarioAssetOrder {
    /// The field to sort by.
    field: ScenarioAssetOrderField,
    /// Ascending or descending.
    direction: AssetOrderDirection,
}

impl ScenarioAssetOrder {
    /// The default: newest first.
    pub const NEWEST: Self = Self {
        field: ScenarioAssetOrderField::CreatedAt,
        direction: AssetOrderDirection::Desc,
    };
}

impl From<ScenarioAssetOrder> for Order {
    fn from(order: ScenarioAssetOrder) -> Self {
        Self {
            by: match order.field {
                ScenarioAssetOrderField::CreatedAt => SortBy::CreatedAt,
                ScenarioAssetOrderField::UpdatedAt => SortBy::UpdatedAt,
            },
            direction: order.direction.into(),
        }
    }
}

/// Scenario's own filters, combined with AND. An omitted or null field imposes no condition.
#[derive(InputObject, Default)]
pub struct ScenarioAssetFilter {
    /// Only assets with this privacy. `PUBLIC` returns the public assets of all organisations.
    privacy: Option<ScenarioPrivacy>,
    /// Only assets of this project, for credentials that span several. A source configured with
    /// another project is `SKIPPED`.
    project_id: Option<String>,
    /// Only assets made by this model's inferences, without its training images.
    model_id: Option<String>,
    /// Only assets made by this inference.
    inference_id: Option<String>,
    /// Only assets created by this user.
    author_id: Option<String>,
    /// Only assets in this collection.
    collection_id: Option<String>,
    /// Only assets made from the asset with this `upstreamId`, which is Scenario's own id. See also
    /// `Asset.children`.
    parent_upstream_id: Option<String>,
    /// Only assets made, in any number of steps, from the asset with this `upstreamId`.
    root_upstream_id: Option<String>,
    /// Only assets with these tags. Requires `privacy: PUBLIC`: Scenario filters only public assets
    /// by tags. For your own assets, use `assets(filter: {tagsAll: …})`.
    tags: Option<Vec<String>>,
    /// Only assets of this type; not together with `types`, which describes all known types.
    r#type: Option<String>,
    /// Only assets of one of these types; not together with `type`. Scenario refuses a type
    /// that it does not know. Known are:
    /// `inference-txt2img`, `inference-txt2img-ip-adapter`, `inference-txt2img-texture`,
    /// `inference-img2img`, `inference-img2img-ip-adapter`, `inference-img2img-texture`,
    /// `inference-inpaint`, `inference-inpaint-ip-adapter`, `inference-reference`,
    /// `inference-reference-texture`, `inference-controlnet`, `inference-controlnet-ip-adapter`,
    /// `inference-controlnet-img2img`, `inference-controlnet-reference`,
    /// `inference-controlnet-inpaint`, `inference-controlnet-inpaint-ip-adapter`,
    /// `inference-controlnet-texture`, `background-removal`, `canvas`, `canvas-export`,
    /// `canvas-drawing`, `detection`, `patch`, `pixelization`, `upscale`, `upscale-texture`,
    /// `upscale-skybox`, `vectorization`, `segment`, `segmentation-image`, `segmentation-mask`,
    /// `skybox-base-360`, `skybox-hdri`, `skybox-3d`, `restyle`, `reframe`, `generative-fill`,
    /// `texture`, `texture-height`, `texture-normal`, `texture-smoothness`, `texture-metallic`,
    /// `texture-edge`, `texture-ao`, `texture-albedo`, `image-prompt-editing`, `unknown`, `img23d`,
    /// `txt23d`, `3d23d`, `3d23d-texture`, `3d-texture`, `3d-texture-mtl`, `3d-texture-albedo`,
    /// `3d-texture-normal`, `3d-texture-roughness`, `3d-texture-metallic`, `img2video`, `txt2audio`,
    /// `audio2audio`, `video2video`, `video2img`, `txt2img`, `img2img`, `txt2video`, `uploaded`,
    /// `uploaded-video`, `uploaded-audio`, `uploaded-3d`, `uploaded-avatar`, `upscale-video`,
    /// `video23d`, `img2splat`, `audio2video`, `video2audio`, `voice-clone`, `uploaded-text`,
    /// `audio2txt`, `txt2txt`, `img2txt`, `video2txt`.
    types: Option<Vec<String>>,
    /// Only assets created after this time, exclusive. Requires `orderBy` with `CREATED_AT`.
    created_after: Option<DateTime>,
    /// Only assets created before this time, exclusive. Requires `orderBy` with `CREATED_AT`.
    created_before: Option<DateTime>,
    /// Only assets changed after this time, exclusive. Requires `orderBy` with `UPDATED_AT`.
    updated_after: Option<DateTime>,
    /// Only assets changed before this time, exclusive. Requires `orderBy` with `UPDATED_AT`.
    updated_before: Option<DateTime>,
}

impl ScenarioAssetFilter {
    /// # Errors
    /// `BAD_USER_INPUT` when a field breaks a rule of Scenario.
    pub fn query(
        self,
        order: Order,
        original_assets: bool,
    ) -> async_graphql::Result<ProviderQuery> {
        let id = |field, value: Option<String>| text(field, value.as_deref());
        let parameters = ScenarioParameters {
            privacy: self.privacy.map(Into::into),
            project_id: id("projectId", self.project_id)?,
            model_id: id("modelId", self.model_id)?,
            inference_id: id("inferenceId", self.inference_id)?,
            author_id: id("authorId", self.author_id)?,
            collection_id: id("collectionId", self.collection_id)?,
            parent_asset_id: id("parentUpstreamId", self.parent_upstream_id)?,
            root_asset_id: id("rootUpstreamId", self.root_upstream_id)?,
            tags: tags("tags", self.tags.as_deref())?,
            r#type: id("type", self.r#type)?,
            types: words("types", self.types.as_deref())?,
            original_assets,
            deleted: false,
        };
        let lists = [("tags", &self.tags), ("types", &self.types)];
        parameters
            .check()
            .map_err(|rule| rule_error(&rule, &lists))?;
        let filter = span(
            order,
            [self.created_after, self.created_before],
            [self.updated_after, self.updated_before],
        )?;
        Ok(ProviderQuery {
            parameters: parameters.query(),
            filter,
            local: Vec::new(),
        })
    }
}

/// Filters of Scenario's public list, combined with AND. An omitted or null field has no effect.
#[derive(InputObject, Default)]
pub struct ScenarioPublicAssetFilter {
    /// Only assets made by this model's inferences, without its training images.
    model_id: Option<String>,
    /// Only assets with these tags.
    tags: Option<Vec<String>>,
    /// Only assets of this type; not together with `types`, which describes all known types.
    r#type: Option<String>,
    /// Only assets of one of these types; not together with `type`. The known types are those of
    /// `ScenarioAssetFilter.types`.
    types: Option<Vec<String>>,
    /// Only assets created after this time, exclusive. Requires `orderBy` with `CREATED_AT`.
    created_after: Option<DateTime>,
    /// Only assets created before this time, exclusive. Requires `orderBy` with `CREATED_AT`.
    created_before: Option<DateTime>,
    /// Only assets changed after this time, exclusive. Requires `orderBy` with `UPDATED_AT`.
    updated_after: Option<DateTime>,
    /// Only assets changed before this time, exclusive. Requires `orderBy` with `UPDATED_AT`.
    updated_before: Option<DateTime>,
}

impl ScenarioPublicAssetFilter {
    /// # Errors
    /// `BAD_USER_INPUT` when a field breaks a rule of Scenario.
    pub fn query(
        self,
        order: Order,
        original_assets: bool,
    ) -> async_graphql::Result<ProviderQuery> {
        let parameters = ScenarioPublicParameters {
            model_id: text("modelId", self.model_id.as_deref())?,
            tags: tags("tags", self.tags.as_deref())?,
            r#type: text("type", self.r#type.as_deref())?,
            types: words("types", self.types.as_deref())?,
            original_assets,
        };
        let lists = [("tags", &self.tags), ("types", &self.types)];
        parameters
            .check()
            .map_err(|rule| rule_error(&rule, &lists))?;
        let filter = span(
            order,
            [self.created_after, self.created_before],
            [self.updated_after, self.updated_before],
        )?;
        Ok(ProviderQuery {
            parameters: parameters.query(),
            filter,
            local: Vec::new(),
        })
    }
}

/// Checks the time ranges. Scenario requires the list to be sorted by the same time.
fn span(
    order: Order,
    [created_after, created_before]: [Option<DateTime>; 2],
    [updated_after, updated_before]: [Option<DateTime>; 2],
) -> async_graphql::Result<Filter> {
    let filter = Filter {
        created_after: timestamp("createdAfter", created_after.as_ref())?,
        created_before: timestamp("createdBefore", created_before.as_ref())?,
        updated_after: timestamp("updatedAfter", updated_after.as_ref())?,
        updated_before: timestamp("updatedBefore", updated_before.as_ref())?,
        ..Filter::default()
    };
    check_span(&filter, order.by).map_err(|rule| rule_error(&rule, &[]))?;
    check_time_ranges(&filter)?;
    Ok(filter)
}

/// The `Query` fields of Scenario's own lists.
#[derive(Default)]
pub struct ScenarioLists;

/// The `Query` fields of Scenario's own lists.
#[Object]
impl ScenarioLists {
    /// Scenario's own list (`GET /assets`) with its own filters, over all Scenario sources or those
    /// named. An argument that breaks a rule of Scenario is an error, before any upstream call.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn scenario_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Scenario sources to list, by name. Null: all. An empty list: an error.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Scenario's own filters.")] filter: Option<ScenarioAssetFilter>,
        #[graphql(
            desc = "How Scenario sorts the list.",
            default_with = "Some(ScenarioAssetOrder::NEWEST)"
        )]
        order_by: Option<ScenarioAssetOrder>,
        #[graphql(
            desc = "Whether `url` points to the original file, without Scenario's transformation.",
            default
        )]
        original_assets: bool,
        #[graphql(desc = "Returns up to `first` assets after `after`. 0 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 0 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(ScenarioAssetOrder::NEWEST).into();
        let query = filter.unwrap_or_default().query(order, original_assets);
        let list = ProviderList {
            name: "scenarioAssets",
            provider: Provider::Scenario,
            listing: ListKind::Own,
            sources,
            order,
        };
        Some(
            list.resolve(context, query, [first, last], [after, before])
                .await,
        )
    }

    /// The public Scenario assets of all organisations, read with Scenario's public token. Only
    /// this Scenario list filters by tags upstream. Every Scenario source returns the same assets:
    /// with several configured, name one in `sources`.
    #[expect(clippy::too_many_arguments, reason = "the graph's own")]
    async fn scenario_public_assets(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Scenario sources to list, by name. Null: all. An empty list: an error.")]
        sources: Option<Vec<String>>,
        #[graphql(desc = "Scenario's own filters.")] filter: Option<ScenarioPublicAssetFilter>,
        #[graphql(
            desc = "How Scenario sorts the list.",
            default_with = "Some(ScenarioAssetOrder::NEWEST)"
        )]
        order_by: Option<ScenarioAssetOrder>,
        #[graphql(
            desc = "Whether `url` points to the original file, without Scenario's transformation.",
            default
        )]
        original_assets: bool,
        #[graphql(desc = "Returns up to `first` assets after `after`. 0 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 0 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let order = order_by.unwrap_or(ScenarioAssetOrder::NEWEST).into();
        let query = filter.unwrap_or_default().query(order, original_assets);
        let list = ProviderList {
            name: "scenarioPublicAssets",
            provider: Provider::Scenario,
            listing: ListKind::Public,
            sources,
            order,
        };
        Some(
            list.resolve(context, query, [first, last], [after, before])
                .await,
        )
    }
}
