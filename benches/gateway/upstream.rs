//! The emulated sources: lists and reads by id of three providers, as prepared bytes.
//!
//! Each source lists [`LISTED`] assets, newest first, and serves as many previews by id alone.
//! Comfy generates further assets by id. `GET /calls` returns and resets the number of calls.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use asset_gateway::asset::Provider;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

/// Number of assets in each provider's list.
pub const LISTED: usize = 20;

/// Number of Comfy's assets, including those that only reads by id return.
pub const COMFY_ASSETS: usize = 50_000;

/// Prefix of the tag that a list query excludes to get changed assets: each asset of Comfy's list
/// then differs from the previous response.
pub const CHANGED_TAG_PREFIX: &str = "changed";

/// Precedes the number that changes in a Comfy asset: sixteen digits.
const HASH_PREFIX: &str = "blake3:";

/// The fields that every provider's asset has, in one form or another.
pub struct Row {
    pub id: String,
    pub preview_id: String,
    pub name: String,
    pub size: u64,
    pub tags: Vec<String>,
    pub created_at: String,
}

/// Returns a provider's assets: the listed ones, then the others; each is a preview of another.
pub fn rows(provider: Provider) -> Vec<Row> {
    let listed = 0..2 * LISTED;
    listed.map(|number| row(provider, number)).collect()
}

fn row(provider: Provider, number: usize) -> Row {
    Row {
        id: id(provider, number),
        preview_id: id(provider, (number + LISTED) % (2 * LISTED)),
        name: format!("asset_{number:05}.png"),
        size: 1_000_000 + number as u64,
        tags: vec!["output".to_owned(), format!("t{number}")],
        // The listed assets are newest first, and no two of them have the same time.
        created_at: format!(
            "2026-01-01T00:{:02}:{:02}.000Z",
            59 - number % 60,
            provider as usize
        ),
    }
}

/// Returns an asset's id at its provider.
pub fn id(provider: Provider, number: usize) -> String {
    match provider {
        Provider::Scenario => format!("asset_{number:024x}"),
        Provider::Piktid => format!("00000000-0000-4000-9000-{number:012x}"),
        Provider::Comfy => format!("00000000-0000-4000-8000-{number:012x}"),
    }
}

/// Returns the gateway's id for an asset of its source `comfy`.
pub fn global_id(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("a:comfy:{id}"))
}

/// Returns the routes of all sources; each response takes `delay` milliseconds.
pub fn router(delay: &str) -> Router {
    let delay = delay.parse().expect("milliseconds");
    let world = Arc::new(World {
        delay: Duration::from_millis(delay),
        providers: Provider::ALL.map(SourceStub::new),
    });
    let mut router = Router::new()
        .route("/calls", get(calls))
        .route("/scenario/v1/assets/get-bulk", post(bulk));
    for provider in Provider::ALL {
        let base = match provider {
            Provider::Scenario => "/scenario/v1/assets",
            Provider::Piktid => "/piktid/assets",
            Provider::Comfy => "/comfy/api/assets",
        };
        let list = move |State(world): State<Arc<World>>, RawQuery(query): RawQuery| async move {
            let stub = world.record_call(provider).await;
            let is_changed = query.is_some_and(|query| query.contains(CHANGED_TAG_PREFIX));
            json_answer(if is_changed {
                stub.changed()
            } else {
                stub.list.clone()
            })
        };
        let by_id = move |State(world): State<Arc<World>>, Path(id): Path<String>| async move {
            match world.record_call(provider).await.assets.get(&id) {
                Some((_, answer)) => json_answer(answer.clone()),
                None => match comfy_number(&id) {
                    Some(number) if provider == Provider::Comfy => {
                        let row = row(provider, number);
                        json_answer(asset(provider, &row).to_string().into())
                    }
                    _ => StatusCode::NOT_FOUND.into_response(),
                },
            }
        };
        router = router
            .route(base, get(list))
            .route(&format!("{base}/{{id}}"), get(by_id));
    }
    router.with_state(world)
}

/// Returns the number of the Comfy asset with this id.
fn comfy_number(id: &str) -> Option<usize> {
    let (_, digits) = id.rsplit_once('-')?;
    let number = usize::from_str_radix(digits, 16).ok()?;
    (number < COMFY_ASSETS).then_some(number)
}

/// The state of all sources.
struct World {
    delay: Duration,
    /// In the order of [`Provider::ALL`].
    providers: [SourceStub; 3],
}

/// The prepared responses and the call count of one source.
struct SourceStub {
    provider: Provider,
    calls: AtomicU64,
    list: Bytes,
    /// Offsets in `list` where the changing numbers begin.
    changes: Vec<usize>,
    /// Each asset by its id: as a row, and as the response to a read by id.
    assets: HashMap<String, (String, Bytes)>,
}

impl World {
    /// Counts a call, waits for the delay, and returns the provider's source.
    async fn record_call(&self, provider: Provider) -> &SourceStub {
        let stub = self.providers.iter().find(|stub| stub.provider == provider);
        let stub = stub.expect("a source for each provider");
        stub.calls.fetch_add(1, Ordering::Relaxed);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        stub
    }
}

impl SourceStub {
    /// Returns the list with every asset changed.
    fn changed(&self) -> Bytes {
        static TIMES: AtomicU64 = AtomicU64::new(1);
        let number = format!("{:016x}", TIMES.fetch_add(1, Ordering::Relaxed));
        let mut list = self.list.to_vec();
        for offset in &self.changes {
            list[*offset..*offset + number.len()].copy_from_slice(number.as_bytes());
        }
        list.into()
    }

    fn new(provider: Provider) -> Self {
        let rows = rows(provider);
        let values: Vec<Value> = rows.iter().map(|row| asset(provider, row)).collect();
        let listed = &values[..LISTED];
        let list = match provider {
            Provider::Scenario => json!({ "assets": listed }),
            Provider::Piktid => json!({
                "assets": listed,
                "pagination": { "page": 1, "total": LISTED, "total_pages": 1, "has_next": false, "has_prev": false },
            }),
            Provider::Comfy => json!({ "assets": listed, "total": LISTED, "has_more": false }),
        };
        let assets = rows.into_iter().zip(values).map(|(row, asset)| {
            let text = asset.to_string();
            let answer = match provider {
                Provider::Scenario => format!("{{\"asset\":{text}}}"),
                Provider::Piktid | Provider::Comfy => text.clone(),
            };
            (row.id, (text, answer.into()))
        });
        let list = list.to_string();
        let changes = list.match_indices(HASH_PREFIX);
        Self {
            provider,
            calls: AtomicU64::new(0),
            changes: changes.map(|(begin, text)| begin + text.len()).collect(),
            list: list.into(),
            assets: assets.collect(),
        }
    }
}

/// Returns an asset as its provider sends it.
fn asset(provider: Provider, row: &Row) -> Value {
    let Row {
        id,
        preview_id,
        name,
        size,
        tags,
        created_at,
    } = row;
    let url = format!("https://files.example.com/{id}.png");
    match provider {
        Provider::Scenario => json!({
            "id": id, "createdAt": created_at, "updatedAt": created_at, "kind": "image",
            "mimeType": "image/png", "privacy": "private", "status": "success", "tags": tags,
            "url": url, "authorId": "user_1", "ownerId": "project_1", "source": "generation",
            "metadata": { "kind": "image", "type": "inference-txt2img", "name": name },
            "properties": { "size": size, "width": 1024, "height": 1024 },
            "preview": { "assetId": preview_id, "url": url },
            "collectionIds": [], "editCapabilities": [],
        }),
        Provider::Piktid => json!({
            "id": id, "created_at": created_at, "filename": name, "url": url,
            "created_by": "ada", "tags": ["product"], "visibility": "private",
            "thumbnail_big": url, "thumbnail_small": url,
        }),
        Provider::Comfy => json!({
            "id": id, "name": name, "asset_hash": format!("blake3:{size:064x}"), "size": size,
            "mime_type": "image/png", "tags": tags, "preview_id": preview_id,
            "preview_url": format!("/api/assets/{preview_id}/content"),
            "created_at": created_at, "updated_at": created_at, "user_metadata": {},
        }),
    }
}

/// The body of `POST /assets/get-bulk`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkRequest {
    asset_ids: Vec<String>,
}

async fn bulk(State(world): State<Arc<World>>, Json(request): Json<BulkRequest>) -> Response {
    let api = world.record_call(Provider::Scenario).await;
    let ids = request.asset_ids.iter();
    let found: Vec<&str> = ids.filter_map(|id| Some(&*api.assets.get(id)?.0)).collect();
    json_answer(format!("{{\"assets\":[{}]}}", found.join(",")).into())
}

async fn calls(State(world): State<Arc<World>>) -> Json<HashMap<&'static str, u64>> {
    let list = world.providers.iter();
    Json(
        list.map(|stub| (stub.provider.word(), stub.calls.swap(0, Ordering::Relaxed)))
            .collect(),
    )
}

fn json_answer(bytes: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], bytes).into_response()
}
