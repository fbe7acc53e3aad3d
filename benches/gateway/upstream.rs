//! The sources: the lists and reads by id of three providers, as bytes made before anybody asks.
//!
//! Each has [`LISTED`] assets in its list, newest first, and as many more that show them, which
//! are found by id alone. Comfy has [`MANY`] of those, made when they are asked for. `GET /calls` tells how often each was asked since that was asked last.

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

/// Assets in each provider's list.
pub const LISTED: usize = 20;

/// Comfy's assets, with those that are found by id alone.
pub const MANY: usize = 50_000;

/// What a tag begins with that Comfy's list is asked for without, where each of its assets is to be
/// another than the last time.
pub const CHANGED: &str = "changed";

/// Where an asset of Comfy's has a number that may change: sixteen digits.
const CHANGES: &str = "blake3:";

/// What every provider's asset has, in one form or another.
pub struct Row {
    pub id: String,
    pub preview_id: String,
    pub name: String,
    pub size: u64,
    pub tags: Vec<String>,
    pub created_at: String,
}

/// A provider's assets: the list, then those that show them and are shown by them.
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
        // Of those in the list newest first, and no two of them at once.
        created_at: format!(
            "2026-01-01T00:{:02}:{:02}.000Z",
            59 - number % 60,
            provider as usize
        ),
    }
}

/// An asset's id at its provider.
pub fn id(provider: Provider, number: usize) -> String {
    match provider {
        Provider::Scenario => format!("asset_{number:024x}"),
        Provider::Piktid => format!("00000000-0000-4000-9000-{number:012x}"),
        Provider::Comfy => format!("00000000-0000-4000-8000-{number:012x}"),
    }
}

/// The id that the gateway gives an asset of its source `comfy`.
pub fn global_id(id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("a:comfy:{id}"))
}

/// All three; each answer comes after so many milliseconds.
pub fn router(delay: &str) -> Router {
    let delay = delay.parse().expect("milliseconds");
    let world = Arc::new(World {
        delay: Duration::from_millis(delay),
        providers: Provider::ALL.map(AssetCache::new),
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
            let own = world.asked(provider).await;
            let changes = query.is_some_and(|query| query.contains(CHANGED));
            json_answer(if changes {
                own.changed()
            } else {
                own.list.clone()
            })
        };
        let one = move |State(world): State<Arc<World>>, Path(id): Path<String>| async move {
            match world.asked(provider).await.assets.get(&id) {
                Some((_, answer)) => json_answer(answer.clone()),
                None => match one_of_many(&id) {
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
            .route(&format!("{base}/{{id}}"), get(one));
    }
    router.with_state(world)
}

/// Which of [`MANY`] an id means.
fn one_of_many(id: &str) -> Option<usize> {
    let (_, digits) = id.rsplit_once('-')?;
    let number = usize::from_str_radix(digits, 16).ok()?;
    (number < MANY).then_some(number)
}

/// The sources together.
struct World {
    delay: Duration,
    /// In the order of [`Provider::ALL`].
    providers: [AssetCache; 3],
}

/// One source.
struct AssetCache {
    provider: Provider,
    calls: AtomicU64,
    list: Bytes,
    /// Where in it [`CHANGES`] ends.
    changes: Vec<usize>,
    /// Each asset by its id: as a row, and as the answer to who asks for it.
    assets: HashMap<String, (String, Bytes)>,
}

impl World {
    /// A provider's own, once its time has passed; counted.
    async fn asked(&self, provider: Provider) -> &AssetCache {
        let own = self.providers.iter().find(|own| own.provider == provider);
        let own = own.expect("all providers are there");
        own.calls.fetch_add(1, Ordering::Relaxed);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        own
    }
}

impl AssetCache {
    /// The list, each of its assets another than ever before.
    fn changed(&self) -> Bytes {
        static TIMES: AtomicU64 = AtomicU64::new(1);
        let number = format!("{:016x}", TIMES.fetch_add(1, Ordering::Relaxed));
        let mut list = self.list.to_vec();
        for begin in &self.changes {
            list[*begin..*begin + number.len()].copy_from_slice(number.as_bytes());
        }
        list.into()
    }

    fn new(provider: Provider) -> Self {
        let rows = rows(provider);
        let all: Vec<Value> = rows.iter().map(|row| asset(provider, row)).collect();
        let listed = &all[..LISTED];
        let list = match provider {
            Provider::Scenario => json!({ "assets": listed }),
            Provider::Piktid => json!({
                "assets": listed,
                "pagination": { "page": 1, "total": LISTED, "total_pages": 1, "has_next": false, "has_prev": false },
            }),
            Provider::Comfy => json!({ "assets": listed, "total": LISTED, "has_more": false }),
        };
        let assets = rows.into_iter().zip(all).map(|(row, asset)| {
            let text = asset.to_string();
            let answer = match provider {
                Provider::Scenario => format!("{{\"asset\":{text}}}"),
                Provider::Piktid | Provider::Comfy => text.clone(),
            };
            (row.id, (text, answer.into()))
        });
        let list = list.to_string();
        let changes = list.match_indices(CHANGES);
        Self {
            provider,
            calls: AtomicU64::new(0),
            changes: changes.map(|(begin, text)| begin + text.len()).collect(),
            list: list.into(),
            assets: assets.collect(),
        }
    }
}

/// An asset as its provider sends it.
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

/// `POST /assets/get-bulk`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    asset_ids: Vec<String>,
}

async fn bulk(State(world): State<Arc<World>>, Json(wanted): Json<Wanted>) -> Response {
    let own = world.asked(Provider::Scenario).await;
    let ids = wanted.asset_ids.iter();
    let found: Vec<&str> = ids.filter_map(|id| Some(&*own.assets.get(id)?.0)).collect();
    json_answer(format!("{{\"assets\":[{}]}}", found.join(",")).into())
}

async fn calls(State(world): State<Arc<World>>) -> Json<HashMap<&'static str, u64>> {
    let each = world.providers.iter();
    Json(
        each.map(|own| (own.provider.word(), own.calls.swap(0, Ordering::Relaxed)))
            .collect(),
    )
}

fn json_answer(bytes: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], bytes).into_response()
}
