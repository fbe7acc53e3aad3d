//! The circuit breaker: failed calls take a source down. Waiters, disconnecting clients, single
//! files, single assets and writes do not.

use std::{sync::Arc, time::Duration};

use asset_gateway::sandbox::{Fault, Options, Rule};
use futures_util::{SinkExt, future::join_all};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{
        TestGateway, asset_id, begin, open_socket, texts, until, without_caches, world, world_with,
    },
    writes::own_assets,
};

const SOON: Duration = Duration::from_secs(20);

/// A gateway without caches, so that each query calls its source.
async fn uncached() -> TestGateway {
    world_with(Options::default(), without_caches).await
}

async fn health(world: &TestGateway, source: &str) -> Value {
    let data = world
        .data("{ assetSources { name health { status calls failures lastError { code } retryAfterSeconds } } }")
        .await;
    let sources = data["assetSources"].as_array().cloned().unwrap_or_default();
    let found = sources.into_iter().find(|found| found["name"] == source);
    found.expect("the source")["health"].clone()
}

fn list(source: &str, first: usize) -> String {
    format!(
        "{{ assets(first: {first}, filter: {{sources: [\"{source}\"]}}) {{ nodes {{ id }} \
         sourceResults {{ status error {{ code message retryAfterSeconds }} }} }} }}"
    )
}

/// Asserts that the source's list answers with status `OK`.
async fn assert_list_ok(world: &TestGateway, source: &str) {
    let data = world.data(&list(source, 3)).await;
    assert_eq!(
        data["assets"]["sourceResults"][0]["status"], "OK",
        "{data:#}"
    );
}

fn status_fault(status: u16) -> Fault {
    Fault::Answer {
        status,
        content_type: "text/plain",
        body: String::new(),
    }
}

#[tokio::test]
async fn timed_out_waiters_are_no_source_failure() {
    let world = world_with(Options::default(), |config| {
        without_caches(config);
        for source in &mut config.sources {
            source.common.patience = Duration::from_millis(200);
        }
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    let faults = &world.sandbox.piktid.faults;
    faults.add("GET /assets", Fault::Hold(Arc::clone(&gate)));
    let query = list("piktid", 3);
    // Each waiter gets UPSTREAM_TIMEOUT; the call continues.
    let answers = join_all((0..10).map(|_| world.ask(&query))).await;
    for answer in &answers {
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!(code, "UPSTREAM_TIMEOUT", "{answer:#}");
    }
    gate.add_permits(1_000);
    faults.clear();
    assert_list_ok(&world, "piktid").await;
    let health = health(&world, "piktid").await;
    assert_eq!(health["status"], "UP", "{health}");
    assert_eq!(health["failures"], 0, "{health}");
}

#[tokio::test]
async fn disconnecting_clients_are_no_source_failure() {
    let world = uncached().await;
    let gate = Arc::new(Semaphore::new(0));
    let faults = &world.sandbox.piktid.faults;
    faults.add("GET /assets", Fault::Hold(Arc::clone(&gate)));
    for number in 0..12 {
        let mut socket = open_socket(world.address, "graphql-transport-ws", None)
            .await
            .expect("a socket");
        begin(&mut socket, &json!({})).await.expect("acknowledged");
        let query = list("piktid", 5 + number);
        let ask = json!({ "id": "1", "type": "subscribe", "payload": { "query": query } });
        let called = world.calls()[1];
        socket
            .send(Message::text(ask.to_string()))
            .await
            .expect("sent");
        while world.calls()[1] == called {
            tokio::task::yield_now().await;
        }
        drop(socket);
    }
    gate.close();
    faults.clear();
    assert_list_ok(&world, "piktid").await;
    assert_eq!(health(&world, "piktid").await["status"], "UP");
}

#[tokio::test]
async fn a_failing_file_pauses_only_itself() {
    let world = uncached().await;
    let data = world
        .data("{ comfyAssets(first: 50) { nodes { kind url thumbnailUrl } } }")
        .await;
    let nodes = data["comfyAssets"]["nodes"].as_array().expect("assets");
    let pictures: Vec<&Value> = nodes
        .iter()
        .filter(|node| node["kind"] == "IMAGE")
        .collect();
    let bad = pictures[0]["thumbnailUrl"].as_str().expect("a thumbnail");
    let good = pictures[1]["thumbnailUrl"].as_str().expect("a thumbnail");
    let faults = &world.sandbox.comfy.faults;
    faults.push(Rule {
        beginning: "GET /api/view".to_owned(),
        times: Some(40),
        fault: Fault::Reset,
    });
    world.forget_calls();
    for _ in 0..40 {
        assert_eq!(world.get(bad).await.status(), 502);
        assert_list_ok(&world, "comfy").await;
    }
    let tried = world.sandbox.comfy.recorder.count("GET /api/view");
    assert!((3..=10).contains(&tried), "{tried} calls for one file");
    assert_eq!(health(&world, "comfy").await["status"], "UP");
    faults.clear();
    assert_eq!(world.get(good).await.status(), 200, "another file");
    until(async || world.get(bad).await.status() == 200).await;
}

#[tokio::test]
async fn failing_assets_and_failing_writes_take_no_list_down() {
    let world = uncached().await;
    let [_, piktid, comfy] = own_assets(&world);
    for (source, id) in [("piktid", &piktid), ("comfy", &comfy)] {
        let faults = match source {
            "piktid" => &world.sandbox.piktid.faults,
            _ => &world.sandbox.comfy.faults,
        };
        let root = if source == "comfy" {
            "/api/assets"
        } else {
            "/assets"
        };
        faults.add(&format!("GET {root}/{id}"), status_fault(500));
        faults.add("PUT", status_fault(500));
        faults.add("PATCH", status_fault(500));
        faults.add("POST", status_fault(500));
        let id = asset_id(source, id);
        for _ in 0..15 {
            let answer = world
                .ask(&format!("{{ asset(id: \"{id}\") {{ name }} }}"))
                .await;
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!(code, "UPSTREAM_UNAVAILABLE", "{answer:#}");
            assert_list_ok(&world, source).await;
        }
        // Many writes at once; the source refuses each of them.
        let data = world.data(&list(source, 20)).await;
        let change = format!(
            "mutation {{ addAssetTags(input: {{assetIds: {}, tags: [\"model\"]}}) \
             {{ errors {{ code }} }} }}",
            json!(texts(&data["assets"]["nodes"], "/id"))
        );
        let answer = world.ask(&change).await;
        let failed = texts(&answer["data"]["addAssetTags"]["errors"], "/code");
        assert!(failed.len() > 10, "{answer:#}");
        assert_list_ok(&world, source).await;
        let health = health(&world, source).await;
        assert_ne!(health["status"], "DOWN", "{health}");
        faults.clear();
    }
}

#[tokio::test]
async fn waiting_queries_fail_at_once_when_the_source_goes_down() {
    let world = world_with(Options::default(), |config| {
        without_caches(config);
        for source in &mut config.sources {
            source.common.patience = Duration::from_secs(600);
            source.common.attempt = Duration::from_secs(600);
        }
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    let faults = &world.sandbox.piktid.faults;
    faults.push(Rule {
        beginning: "GET /assets".to_owned(),
        times: Some(2),
        fault: Fault::Hold(Arc::clone(&gate)),
    });
    let [_, piktid, _] = own_assets(&world);
    let id = asset_id("piktid", &piktid);
    // Two calls hang; other queries join them.
    let page = list("piktid", 7);
    let asset_query = format!("{{ asset(id: \"{id}\") {{ name }} }}");
    let hanging = async {
        let pages = (0..3).map(|_| world.ask(&page));
        let ones = (0..3).map(|_| world.ask(&asset_query));
        join_all(pages.chain(ones)).await
    };
    let failing = async {
        while world.calls()[1] < 2 {
            tokio::task::yield_now().await;
        }
        faults.add("GET /assets", status_fault(500));
        while health(&world, "piktid").await["status"] != "DOWN" {
            world.ask(&list("piktid", 9)).await;
        }
        // A hanging call can still be joined by its key, but no query waits for it.
        world.ask(&page).await
    };
    let (answers, joined) = timeout(SOON, async { tokio::join!(hanging, failing) })
        .await
        .expect("at once, not when the calls end");
    for answer in answers.iter().chain([&joined]) {
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "UPSTREAM_UNAVAILABLE", "{answer:#}");
        assert!(extensions["retryAfterSeconds"].is_u64(), "{answer:#}");
    }
    gate.close();
}

#[tokio::test]
async fn a_fractional_retry_after_is_waited_for() {
    let world = world().await;
    let faults = &world.sandbox.piktid.faults;
    faults.push(Rule {
        beginning: "GET /assets".to_owned(),
        times: Some(1),
        fault: Fault::Unavailable("0.5"),
    });
    let began = tokio::time::Instant::now();
    assert_list_ok(&world, "piktid").await;
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert_eq!(world.sandbox.piktid.recorder.count("GET /assets"), 2);
}

#[tokio::test]
async fn reads_are_shared_while_a_write_is_in_progress() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            source.common.patience = Duration::from_millis(500);
            source.common.attempt = Duration::from_secs(60);
        }
    })
    .await;
    let [_, piktid, _] = own_assets(&world);
    let id = asset_id("piktid", &piktid);
    let gate = Arc::new(Semaphore::new(0));
    let piktid = &world.sandbox.piktid;
    piktid.faults.add("PATCH", Fault::Hold(Arc::clone(&gate)));
    let change = format!(
        "mutation {{ setAssetNote(input: {{assetId: \"{id}\", note: \"x\"}}) {{ errors {{ code }} }} }}"
    );
    let writing = world.ask(&change);
    let reading = async {
        while piktid.recorder.count("PATCH") == 0 {
            tokio::task::yield_now().await;
        }
        let held = Arc::new(Semaphore::new(0));
        let counted = piktid.recorder.count("GET /assets");
        piktid
            .faults
            .add("GET /assets", Fault::Hold(Arc::clone(&held)));
        // Different texts: 50 cache keys for responses, but one page.
        let queries: Vec<String> = (0..50)
            .map(|number| format!("{} # {number}", list("piktid", 3)))
            .collect();
        for answer in join_all(queries.iter().map(|query| world.ask(query))).await {
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_eq!(code, "UPSTREAM_TIMEOUT", "they waited: {answer:#}");
        }
        let calls = piktid.recorder.count("GET /assets") - counted;
        assert_eq!(calls, 1, "of 50 equal queries");
        held.close();
        piktid.faults.clear();
        gate.close();
    };
    timeout(SOON, async { tokio::join!(writing, reading) })
        .await
        .expect("answered");
}
