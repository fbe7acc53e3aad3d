//! The fixtures of the benchmarks: sources in memory, their assets, and a timer.

use std::{hint::black_box, sync::Arc, time::Duration};

use asset_gateway::{
    asset::{Asset, Provider, SourceName},
    cache::AssetCache,
    config::{CacheConfig, Freshness, FreshnessOverrides},
    providers::{fuzz_entry, kind_of},
    source::{
        Capabilities, CredentialScope, DetailLevel, Direction, ListCall, ListKind, ListPlan,
        ListRequest, ListSelection, NoCall, Order, Page, Paging, Parameters, Position,
        RequestContext, Row, SortBy, Source, SourceError, SourceInfo, TieOrder,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use criterion::Bencher;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

/// Number of assets in a provider's page.
pub const LARGE_PAGE: usize = 100;
/// A duration longer than any run.
pub const AN_HOUR: Duration = Duration::from_secs(3_600);
/// Creation time of the newest asset, in milliseconds.
const NEWEST: i64 = 1_767_225_600_000;

pub fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

/// Times asynchronous work, without entering the runtime, which happens once per sample.
pub fn measure<F: Future>(b: &mut Bencher<'_>, runtime: &Runtime, mut work: impl FnMut() -> F) {
    b.iter_custom(|times| {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..times {
                black_box(work().await);
            }
            began.elapsed()
        })
    });
}

pub fn context() -> Arc<RequestContext> {
    Arc::new(RequestContext::new(AN_HOUR, u32::MAX))
}

/// Creates a cache of this size that keeps pages and assets fresh for these times.
pub fn asset_cache(
    size_bytes: u64,
    page_fresh: Duration,
    entity_fresh: Duration,
) -> Arc<AssetCache> {
    let freshness = Freshness {
        page_fresh,
        entity_fresh,
        ..Freshness::default()
    };
    AssetCache::new(CacheConfig {
        size_bytes,
        freshness,
        ..CacheConfig::default()
    })
}

pub fn request(offset: usize, length: usize, parameters: Parameters) -> ListRequest {
    ListRequest {
        listing: ListKind::Own,
        order: Order::NEWEST,
        after: None,
        before: None,
        position: Position::Offset(offset as u64),
        length: length as u32, // 100 at most
        parameters,
    }
}

/// The paging of Scenario's list.
pub const WINDOW: Paging = Paging::Window {
    cap: 100,
    resolution: Duration::from_millis(1),
};
/// The paging of Comfy's list.
pub const INDEX: Paging = Paging::Index {
    cap: 500,
    reach: 500,
    ties: TieOrder::ById,
};

/// A source that responds at once, newest first.
pub struct InMemory {
    pub profile: SourceInfo,
    pub paging: Paging,
    /// Newest first.
    pub assets: Vec<Arc<Asset>>,
    pub can_prime_cache: bool,
}

impl InMemory {
    pub fn new(name: &str, assets: Vec<Arc<Asset>>) -> Self {
        let profile = SourceInfo {
            name: SourceName::parse(name).expect("a name"),
            former_names: Vec::new(),
            provider: Provider::Piktid,
            scope: CredentialScope::none(),
            patience: AN_HOUR,
            in_flight: 16,
            freshness: FreshnessOverrides::default(),
            passthrough: false,
            authenticated: true,
            capabilities: Capabilities {
                tag_vocabulary: None,
                max_tags: None,
                has_exact_count: true,
                delete_effect: asset_gateway::source::DeleteEffect::Permanent,
                delete_description: "",
                max_upload_bytes: None,
                max_batch_size: 1,
            },
        };
        Self {
            profile,
            paging: INDEX,
            assets,
            can_prime_cache: true,
        }
    }

    fn read(&self, request: &ListRequest) -> Page {
        assert_eq!(request.order.direction, Direction::Descending);
        let begin = match &request.position {
            // Skip the assets that are not before the bound.
            Position::Start => request.before.map_or(0, |bound| {
                self.assets.partition_point(|item| item.created_at >= bound)
            }),
            Position::Token(token) => token.parse().expect("a token of this source"),
            Position::Offset(offset) => usize::try_from(*offset).expect("an offset of this source"),
        };
        let length = request.length.min(self.paging.cap()) as usize;
        let rows = self.assets.get(begin..).unwrap_or_default();
        let rows = &rows[..length.min(rows.len())];
        let end = begin + rows.len();
        let (by_time, last) = (self.paging == WINDOW, end >= self.assets.len());
        Page {
            rows: rows.iter().cloned().map(Row::Asset).collect(),
            next: (by_time && !last).then(|| end.to_string().into()),
            offset: begin as u64,
            last,
            total: (!by_time).then_some(self.assets.len() as u64),
            is_total_exact: !by_time,
            fetched_at: Timestamp::UNIX_EPOCH,
            can_prime_cache: self.can_prime_cache,
            no_store: false,
        }
    }
}

#[async_trait]
impl Source for InMemory {
    fn profile(&self) -> &SourceInfo {
        &self.profile
    }

    fn plan(&self, _: ListSelection<'_>, _: SortBy) -> Result<ListPlan, NoCall> {
        Ok(ListPlan {
            call: ListCall::new(ListKind::Own, Parameters::default()),
            paging: self.paging,
        })
    }

    async fn list(&self, request: &ListRequest, _: &RequestContext) -> Result<Page, SourceError> {
        Ok(self.read(request))
    }

    async fn get(
        &self,
        _: &str,
        _: DetailLevel,
        _: &RequestContext,
    ) -> Result<Arc<Asset>, SourceError> {
        Err(SourceError::NotFound)
    }

    /// Returns the first asset for every id.
    fn get_many<'a>(
        &'a self,
        ids: &'a [Arc<str>],
        _: DetailLevel,
        _: &'a RequestContext,
    ) -> BoxStream<'a, (Arc<str>, Result<Arc<Asset>, SourceError>)> {
        let results = ids
            .iter()
            .map(move |id| (id.clone(), Ok(Arc::clone(&self.assets[0]))));
        stream::iter(results).boxed()
    }
}

// === Assets as their providers send them ===

/// Decodes assets as the gateway does.
pub fn assets(provider: Provider, numbers: impl IntoIterator<Item = usize>) -> Vec<Arc<Asset>> {
    let numbers: Vec<usize> = numbers.into_iter().collect();
    let kind = kind_of(provider).expect("a registered provider");
    let pages = numbers.chunks(LARGE_PAGE).map(|numbers| {
        let body = body(provider, numbers.iter().copied());
        fuzz_entry::rows(kind, body).expect("a list")
    });
    let asset = |row: Row| match row {
        Row::Asset(asset) => asset,
        row => panic!("not an asset: {row:?}"),
    };
    pages.flatten().map(asset).collect()
}

/// Returns the body of a list response with these assets.
pub fn body(provider: Provider, numbers: impl Iterator<Item = usize>) -> Bytes {
    let assets: Vec<Value> = numbers.map(|number| asset(provider, number)).collect();
    let list = match provider {
        Provider::Scenario => json!({ "assets": assets, "nextPaginationToken": "eyJpZCI6ImEifQ" }),
        Provider::Piktid => json!({
            "pagination": {
                "page": 1, "per_page": LARGE_PAGE, "total": 9_000, "pages": 90,
                "has_next": true, "has_prev": false,
            },
            "assets": assets,
        }),
        Provider::Comfy => json!({ "assets": assets, "total": 9_000, "has_more": true }),
    };
    list.to_string().into()
}

/// Returns one asset as JSON (docs/providers.md).
pub fn asset(provider: Provider, number: usize) -> Value {
    let (id, url, time) = (id(provider, number), url(provider, number), time(number));
    let (name, time) = (format!("asset_{number:08}.png"), time.to_string());
    match provider {
        Provider::Scenario => json!({
            "id": id, "createdAt": time, "updatedAt": time, "kind": "image",
            "mimeType": "image/png", "privacy": "private", "status": "success",
            "tags": ["castle", "night"], "url": url, "authorId": "user_1", "ownerId": "proj_1",
            "source": "generation", "collectionIds": ["collection_1"], "editCapabilities": ["UPSCALE"],
            "metadata": {
                "kind": "image", "type": "inference-txt2img", "name": name, "modelId": "flux.1-dev",
                "prompt": "a castle on a hill at night, lit from within, painted in gouache",
                "seed": "3141592653", "width": 1024, "height": 1024, "guidance": 3.5,
                "numInferenceSteps": 28, "inferenceId": "inf_1", "thumbnail": { "assetId": id, "url": url },
            },
            "properties": { "size": 1_234_567, "width": 1024, "height": 1024, "format": "png" },
        }),
        Provider::Piktid => json!({
            "id": id, "created_at": time, "filename": name, "url": url, "created_by": "ada",
            "tags": ["model", "product"], "visibility": "private", "thumbnail_big": url,
            "thumbnail_small": url, "styling_note": "worn open", "dimensions": [1024, 1536],
            "detected": {
                "has_person": true, "has_clothing": true, "person_attributes": ["adult"],
                "clothing_items": ["coat", "scarf"], "categories": ["outerwear"],
            },
        }),
        Provider::Comfy => json!({
            "id": id, "name": name, "asset_hash": format!("blake3:{number:064x}"),
            "size": 1_234_567, "mime_type": "image/png", "tags": ["output", "favourite"],
            "preview_id": id, "preview_url": format!("/api/assets/{id}/content"),
            "created_at": time, "updated_at": time, "last_access_time": time, "is_immutable": false,
            "user_metadata": { "user_description": "the second try" },
            "metadata": { "kind": "image", "width": 1024, "height": 1024 },
        }),
    }
}

/// Returns an id as long as the provider's ids.
pub fn id(provider: Provider, number: usize) -> String {
    match provider {
        Provider::Scenario => format!("asset_{number:022}"),
        Provider::Piktid | Provider::Comfy => format!("3c90c3cc-0d44-4b50-8888-{number:012x}"),
    }
}

pub fn url(provider: Provider, number: usize) -> String {
    format!(
        "https://files.example.com/{}/{}.png",
        provider.word(),
        id(provider, number)
    )
}

/// Returns a time one millisecond before that of the previous number: each order is certain.
pub fn time(number: usize) -> Timestamp {
    Timestamp::from_millisecond(NEWEST - number as i64).expect("in range")
}
