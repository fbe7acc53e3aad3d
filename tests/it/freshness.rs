//! How long an answer is served, and how: while fresh, during a refresh, and while its source
//! fails.

use std::{sync::Arc, time::Duration};

use asset_gateway::{
    config::Freshness,
    sandbox::{Fault, Options},
};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    harness::{TestGateway, asset_id, error, world, world_with},
    writes::payload,
};

const MINUTE: Duration = Duration::from_secs(60);
/// So short that it has passed by the next request.
const AN_INSTANT: Duration = Duration::from_nanos(1);

async fn world_of(freshness: Freshness) -> TestGateway {
    world_with(Options::default(), |config| {
        config.cache.freshness = freshness;
    })
    .await
}

fn page() -> &'static str {
    "{ assets(first: 3, filter: {sources: [\"piktid\"]}) { nodes { id note } \
     sourceResults { status isComplete fetchedAt error { code retryAfterSeconds } } } }"
}

fn unavailable(status: u16) -> Fault {
    Fault::Answer {
        status,
        content_type: "text/plain",
        body: String::new(),
    }
}

fn only(answer: &Value) -> &Value {
    &answer["assets"]["sourceResults"][0]
}

#[tokio::test]
async fn a_stale_page_is_served_while_one_call_refreshes_it() {
    let world = world_of(Freshness {
        page_fresh: AN_INSTANT,
        page_stale: MINUTE,
        entity_fresh: AN_INSTANT,
        entity_stale: MINUTE,
        ..Freshness::default()
    })
    .await;
    let first = world.data(page()).await;
    let id = first["assets"]["nodes"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let asset_query = format!("{{ asset(id: \"{id}\") {{ note }} }}");
    for query in [page(), &asset_query] {
        world.data(query).await;
        for asset in world.sandbox.store.piktid().iter_mut() {
            asset.styling_note = None;
        }
        let gate = Arc::new(Semaphore::new(0));
        world
            .sandbox
            .piktid
            .faults
            .add("GET /assets", Fault::Hold(Arc::clone(&gate)));
        world.forget_calls();
        // The source does not answer, and no query waits for it.
        for _ in 0..10 {
            let data = world.data(query).await;
            let status = data.pointer("/assets/sourceResults/0/status");
            assert!(status.is_none_or(|status| status == "OK"), "{data:#}");
        }
        assert_eq!(world.calls(), [0, 1, 0], "one refresh at a time");
        for asset in world.sandbox.store.piktid().iter_mut() {
            asset.styling_note = Some("new".to_owned());
        }
        gate.add_permits(1_000);
        // The refreshed answer is served as soon as it arrives.
        loop {
            let data = world.data(query).await;
            let note = data
                .pointer("/asset/note")
                .or(data.pointer("/assets/nodes/0/note"));
            if note.is_some_and(|note| note == "new") {
                break;
            }
        }
        world.sandbox.piktid.faults.clear();
    }
}

#[tokio::test]
async fn a_stale_answer_replaces_a_failed_one_and_is_marked() {
    let world = world_of(Freshness {
        page_fresh: AN_INSTANT,
        page_stale: Duration::ZERO,
        entity_fresh: AN_INSTANT,
        entity_stale: Duration::ZERO,
        if_error: MINUTE,
        ..Freshness::default()
    })
    .await;
    let whole = world.data(page()).await;
    let id = whole["assets"]["nodes"][0]["id"].as_str().expect("an id");
    let asset_query = format!("{{ asset(id: \"{id}\") {{ id }} }}");
    world.data(&asset_query).await;
    assert_eq!(only(&whole)["status"], "OK");
    let faults = &world.sandbox.piktid.faults;
    // A stale answer does not hide a permanent error.
    faults.clear();
    faults.add("GET /assets", unavailable(401));
    let answer = world.ask(page()).await;
    assert_eq!(error(&answer).0, "UNAUTHENTICATED");
    faults.clear();
    assert_eq!(only(&world.data(page()).await)["status"], "OK");
    for fault in [unavailable(503), Fault::Reset, unavailable(429)] {
        faults.clear();
        faults.add("GET /assets", fault);
        let data = world.data(page()).await;
        assert_eq!(data["assets"]["nodes"], whole["assets"]["nodes"]);
        let source = only(&data);
        assert_eq!(source["status"], "STALE", "{source}");
        assert_eq!(source["isComplete"], true);
        assert!(source["error"]["code"].is_string());
        assert!(source["fetchedAt"].is_string());
        assert_eq!(world.data(&asset_query).await["asset"]["id"], id);
    }
}

#[tokio::test]
async fn nothing_older_than_a_write_is_served_while_the_source_fails() {
    let world = world().await;
    let id = {
        let store = world.sandbox.store.piktid();
        let asset = store.iter().find(|a| a.created_by == "ada");
        asset_id("piktid", &asset.expect("one").id)
    };
    world.data(page()).await;
    let input = serde_json::json!({ "assetId": id, "note": "new" });
    payload(&world, "setAssetNote", input, "asset { id }").await;
    world
        .sandbox
        .piktid
        .faults
        .add("GET /assets", unavailable(503));
    let answer = world.ask(page()).await;
    assert_eq!(error(&answer).0, "UPSTREAM_UNAVAILABLE", "{answer:#}");
}

#[tokio::test]
async fn no_store_answers_are_not_cached() {
    let world = world().await;
    let id = world.sandbox.store.piktid()[0].id.clone();
    let piktid = format!("{{ asset(id: \"{}\") {{ id }} }}", asset_id("piktid", &id));
    let id = world.sandbox.store.comfy()[0].id.clone();
    let comfy = format!("{{ asset(id: \"{}\") {{ id }} }}", asset_id("comfy", &id));
    let id = world
        .sandbox
        .store
        .scenario()
        .iter()
        .find(|a| a.owner_id == "proj_sandbox")
        .map(|a| a.id.clone());
    let scenario = asset_id("scenario", &id.expect("one"));
    let scenario = format!("{{ asset(id: \"{scenario}\") {{ id }} }}");
    let queries = [page().to_owned(), piktid, comfy, scenario];
    let sandbox = &world.sandbox;
    for emulator in [&sandbox.scenario, &sandbox.piktid, &sandbox.comfy] {
        emulator
            .faults
            .add("", Fault::Header("cache-control", "private, no-store"));
    }
    for query in &queries {
        world.forget_calls();
        for _ in 0..3 {
            world.data(query).await;
        }
        assert_eq!(world.calls().iter().sum::<usize>(), 3, "{query}");
    }
    for emulator in [&sandbox.scenario, &sandbox.piktid, &sandbox.comfy] {
        emulator.faults.clear();
    }
    for query in &queries {
        world.forget_calls();
        for _ in 0..3 {
            world.data(query).await;
        }
        assert!(world.calls().iter().sum::<usize>() <= 1, "{query}");
    }
}

#[tokio::test]
async fn each_source_has_its_own_freshness() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            if source.common.name.as_str() == "piktid" {
                source.common.freshness.page_fresh = Some(Duration::ZERO);
            }
        }
    })
    .await;
    for _ in 0..3 {
        world.data("{ assets(first: 5) { nodes { id } } }").await;
    }
    assert_eq!(world.calls(), [1, 3, 1]);
}

#[tokio::test]
async fn a_missing_asset_is_cached() {
    let world = world().await;
    let query = format!(
        "{{ asset(id: \"{}\") {{ id }} }}",
        asset_id("piktid", "nobody")
    );
    for _ in 0..5 {
        assert_eq!(world.data(&query).await["asset"], Value::Null);
    }
    assert_eq!(world.calls(), [0, 1, 0]);
}

#[tokio::test]
async fn a_stale_answer_replaces_the_wait_for_a_hanging_source() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness = Freshness {
            page_fresh: AN_INSTANT,
            page_stale: Duration::ZERO,
            entity_fresh: AN_INSTANT,
            entity_stale: Duration::ZERO,
            ..Freshness::default()
        };
        for source in &mut config.sources {
            source.common.patience = Duration::from_millis(300);
        }
    })
    .await;
    let whole = world.data(page()).await;
    let id = whole["assets"]["nodes"][0]["id"].as_str().expect("an id");
    let asset_query = format!("{{ asset(id: \"{id}\") {{ id }} }}");
    world.data(&asset_query).await;
    let gate = Arc::new(Semaphore::new(0));
    world
        .sandbox
        .piktid
        .faults
        .add("GET /assets", Fault::Hold(Arc::clone(&gate)));
    assert_eq!(world.data(&asset_query).await["asset"]["id"], id);
    let data = world.data(page()).await;
    assert_eq!(only(&data)["status"], "STALE");
    assert_eq!(only(&data)["error"]["code"], "UPSTREAM_TIMEOUT");
    gate.close();
}

#[tokio::test]
async fn a_no_store_answer_removes_the_older_entry() {
    let world = world_of(Freshness {
        page_fresh: AN_INSTANT,
        page_stale: Duration::ZERO,
        ..Freshness::default()
    })
    .await;
    world.data(page()).await;
    let faults = &world.sandbox.piktid.faults;
    faults.add("GET /assets", Fault::Header("cache-control", "no-store"));
    world.data(page()).await;
    faults.clear();
    faults.add("GET /assets", unavailable(503));
    let answer = world.ask(page()).await;
    assert_eq!(error(&answer).0, "UPSTREAM_UNAVAILABLE", "{answer:#}");
}
