//! Cached responses as ready bytes: except for the time, they equal fresh ones.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use asset_gateway::sandbox::{Fault, Options};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    cache_modes,
    harness::{
        ask_at, asset_id, config, gateway, texts, without_caches, world, world_of, world_with,
    },
    writes::{own_assets, payload},
};

const LIST: &str = "{ assets(first: 5) { nodes { id name note tags } } }";

/// Removes the fields that change with each call, or with the hour, and are not about the assets.
fn settled(answer: &Value) -> Value {
    match answer {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| {
                !matches!(
                    name.as_str(),
                    "fetchedAt" | "requestId" | "url" | "execution"
                )
            })
            .map(|(name, value)| (name.clone(), settled(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(values) => values.iter().map(settled).collect(),
        value => value.clone(),
    }
}

#[tokio::test]
async fn equal_queries_get_equal_bytes_and_separate_request_ids() {
    let world = world().await;
    let body = json!({ "query": LIST }).to_string();
    let mut responses = Vec::new();
    for _ in 0..3 {
        let answer = world.post(&body).await;
        let id = answer.headers()["x-request-id"].clone();
        responses.push((id, answer.text().await.expect("a body")));
    }
    assert_eq!(responses[0].1, responses[1].1);
    assert_eq!(responses[1].1, responses[2].1);
    assert!(responses[0].0 != responses[1].0 && responses[1].0 != responses[2].0);
}

#[tokio::test]
async fn a_finished_write_is_in_the_next_answer() {
    let world = world().await;
    let ids = own_assets(&world);
    for (id, note) in [(&ids[0], "one"), (&ids[2], "two"), (&ids[0], "three")] {
        let read = format!("{{ asset(id: \"{id}\") {{ note }} }}");
        // Caches the answer, and reads it from the cache.
        world.data(&read).await;
        world.data(&read).await;
        payload(
            &world,
            "setAssetNote",
            json!({ "assetId": id, "note": note }),
            "asset { id }",
        )
        .await;
        assert_eq!(world.data(&read).await["asset"]["note"], note);
    }
}

#[tokio::test]
async fn a_page_reports_its_calls_to_the_first_query_only() {
    let world = world().await;
    let query = "{ comfyAssets(first: 2) { sourceResults { execution { calls rowsRead } } } }";
    let calls = async || {
        let data = world.data(query).await;
        data["comfyAssets"]["sourceResults"][0]["execution"]["calls"].clone()
    };
    assert_eq!(calls().await, 1);
    let later = i32::from(cache_modes::are_off());
    assert_eq!(calls().await, later);
    assert_eq!(calls().await, later);
}

#[tokio::test]
async fn failed_and_partial_answers_are_not_cached() {
    let world = world().await;
    let faults = &world.sandbox.comfy.faults;
    faults.add("GET /api/assets", Fault::Reset);
    let query = "{ comfyAssets(first: 2) { nodes { id } } }";
    let failed = world.ask(query).await;
    assert!(failed["errors"].is_array(), "{failed}");
    let parts = "{ assets(first: 2) { nodes { id } sourceResults { status } } }";
    let partial = world.data(parts).await;
    let has_failed = |page: &Value| {
        texts(&page["assets"]["sourceResults"], "/status").contains(&"FAILED".to_owned())
    };
    assert!(has_failed(&partial), "{partial}");
    faults.clear();
    assert_eq!(world.ask(query).await.get("errors"), None);
    assert!(!has_failed(&world.data(parts).await));
}

#[tokio::test]
async fn concurrent_equal_queries_share_a_call_with_separate_request_ids() {
    let world = world().await;
    let faults = &world.sandbox.comfy.faults;
    let gate = Arc::new(Semaphore::new(0));
    faults.add("GET /api/assets", Fault::Hold(Arc::clone(&gate)));
    let body = json!({ "query": "{ comfyAssets(first: 3) { nodes { id name } } }" }).to_string();
    let opening = async {
        while world.calls()[2] == 0 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
    };
    let asking = join_all((0..20).map(|_| world.post(&body)));
    let (answers, ()) = tokio::join!(asking, opening);
    let mut ids = Vec::new();
    let mut bodies = Vec::new();
    for answer in answers {
        ids.push(answer.headers()["x-request-id"].clone());
        bodies.push(answer.text().await.expect("a body"));
    }
    assert_eq!(world.calls(), [0, 0, 1]);
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    ids.sort_by_key(|id| id.as_bytes().to_vec());
    ids.dedup();
    assert_eq!(ids.len(), 20);

    // The same for failures; each error names the request that it answers.
    faults.clear();
    faults.add("GET /api/assets", Fault::Reset);
    let failing = json!({ "query": "{ comfyAssets(first: 4) { nodes { id name } } }" }).to_string();
    for answer in join_all((0..5).map(|_| world.post(&failing))).await {
        let id = answer.headers()["x-request-id"].clone();
        let text = answer.text().await.expect("a body");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let named = &answer["errors"][0]["extensions"]["requestId"];
        assert_eq!(named, id.to_str().expect("letters"), "{answer}");
    }
}

#[tokio::test]
async fn cached_answers_respect_each_callers_permissions() {
    let world = world_of(&crate::access::keys()).await;
    let query = "{ piktidAssets(first: 3) { nodes { viewerCanTag viewerCanDelete } } }";
    let ask = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        world.with(&headers, query).await.2
    };
    let mut answers = Vec::new();
    for _ in 0..2 {
        for key in ["key-of-reader", "key-of-writer", "key-of-cleaner"] {
            answers.push(settled(&ask(key).await));
        }
    }
    assert_eq!(answers[..3], answers[3..], "the second round as the first");
    assert_ne!(answers[0], answers[1], "who may write and who may not");
    assert!(
        answers[2]["errors"].is_array(),
        "who may not read: {}",
        answers[2]
    );
}

#[tokio::test]
async fn an_answer_expires_with_its_shortest_lived_part() {
    if cache_modes::are_off() {
        return; // this test is about the caches
    }
    let world = world_with(Options::default(), |config| {
        // The page stays fresh; the entity expires at once.
        let freshness = &mut config.cache.freshness;
        freshness.page_fresh = Duration::from_secs(600);
        freshness.entity_fresh = Duration::from_millis(1);
        freshness.entity_stale = Duration::ZERO;
    })
    .await;
    let id = asset_id("comfy", &world.sandbox.store.comfy()[0].id);
    let read =
        format!("{{ asset(id: \"{id}\") {{ name }} comfyAssets(first: 1) {{ nodes {{ id }} }} }}");
    world.data(&read).await;
    world.forget_calls();
    while world.calls()[2] == 0 {
        world.data(&read).await;
    }
    let calls = world.sandbox.comfy.recorder.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.path.contains(&world.sandbox.store.comfy()[0].id))
    );
}

/// Readers query all the time while assets change. After each write, the cached answer must equal
/// the answer of a gateway without caches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_differs_with_and_without_caches_while_writes_happen() {
    let world = Arc::new(world().await);
    let mut bare = config(&world.sandbox);
    without_caches(&mut bare);
    let (bare, _task) = gateway(bare).await;
    let ids = own_assets(&world);
    let listed = serde_json::to_string(&ids).expect("JSON");
    let fields = "id name note tags kind status viewerCanTag details { __typename }";
    let questions: Arc<[String]> = [
        format!("{{ assets(first: 10) {{ nodes {{ {fields} }} pageInfo {{ endCursor hasNextPage }} totalCount }} }}"),
        format!("{{ assets(last: 7) {{ edges {{ cursor node {{ {fields} }} }} sourceResults {{ status totalCount }} }} }}"),
        format!("{{ nodes(ids: {listed}) {{ ... on Asset {{ {fields} preview {{ id name }} }} }} }}"),
        format!("{{ piktidAssets(first: 100) {{ nodes {{ {fields} }} }} }}"),
        format!("{{ comfyAssets(first: 30) {{ nodes {{ {fields} preview {{ note tags }} }} totalCount }} }}"),
        format!("{{ a: asset(id: \"{}\") {{ {fields} }} b: asset(id: \"{}\") {{ note }} }}", ids[0], ids[1]),
    ]
    .into();
    let stop = Arc::new(AtomicBool::new(false));
    let readers = (0..4).map(|number| {
        let (world, questions, stop) = (
            Arc::clone(&world),
            Arc::clone(&questions),
            Arc::clone(&stop),
        );
        tokio::spawn(async move {
            for question in questions.iter().cycle().skip(number) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                world.ask(question).await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for round in 0..12 {
        let id = &ids[round % 3];
        let tag = if round % 2 == 0 { "model" } else { "product" };
        match round % 4 {
            0 | 3 => {
                let input = json!({ "assetIds": [id], "tags": [tag] });
                payload(&world, "setAssetTags", input, "assets { id }").await
            }
            _ => {
                let input = json!({ "assetId": id, "note": format!("round {round}") });
                payload(&world, "setAssetNote", input, "asset { id }").await
            }
        };
        for question in questions.iter() {
            let (cached, new) = (world.ask(question).await, ask_at(bare, question).await);
            assert_eq!(settled(&cached), settled(&new), "round {round}: {question}");
        }
    }
    let gone = payload(
        &world,
        "deleteAsset",
        json!({ "assetId": ids[2] }),
        "deletedId",
    )
    .await;
    assert_eq!(gone["deletedId"], ids[2]);
    for question in questions.iter() {
        let (cached, new) = (world.ask(question).await, ask_at(bare, question).await);
        assert_eq!(
            settled(&cached),
            settled(&new),
            "after a delete: {question}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("it reads on");
    }
}
