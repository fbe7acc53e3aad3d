//! The gateway makes as few upstream calls as the contracts allow; the upstream counts them.

use asset_gateway::sandbox::Fault;
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::harness::{asset_id, texts, world};

#[tokio::test]
async fn a_list_is_one_call_a_source() {
    let world = world().await;
    world
        .data("{ assets(first: 20) { nodes { id name } } }")
        .await;
    assert_eq!(world.calls(), [1, 1, 1]);
}

#[tokio::test]
async fn previews_parents_and_roots_of_a_page_are_one_batch_at_scenario() {
    let world = world().await;
    let data = world
        .data(
            "{ assets(first: 20, filter: { sources: [\"scenario\"] }) {
            nodes { preview { name } parent { name } root { name } } } }",
        )
        .await;
    let related = data["assets"]["nodes"].as_array().map_or(0, |nodes| {
        nodes
            .iter()
            .filter(|n| n["preview"]["name"].is_string() || n["parent"]["name"].is_string())
            .count()
    });
    assert!(related >= 5, "the page must have relatives: {data:#}");
    let recorder = &world.sandbox.scenario.recorder;
    assert_eq!(recorder.count("GET /v1/assets"), 1);
    assert!(recorder.count("POST /v1/assets/get-bulk") <= 1);
    assert_eq!(
        recorder.calls().len(),
        recorder.count("GET /v1/assets") + recorder.count("POST /v1/assets/get-bulk")
    );
}

#[tokio::test]
async fn comfy_previews_outside_the_page_cost_one_read_each() {
    let world = world().await;
    // Five rows share a preview far down the list; the other previews are rows of the page.
    let far = world.sandbox.store.comfy()[150].id.clone();
    for row in world.sandbox.store.comfy().iter_mut().take(5) {
        row.preview_id = Some(far.clone());
    }
    world
        .data(
            "{ assets(first: 20, filter: { providers: [COMFY] }) { nodes { preview { name } } } }",
        )
        .await;
    let recorder = &world.sandbox.comfy.recorder;
    assert_eq!(recorder.count(&format!("GET /api/assets/{far}")), 1);
    let lists = recorder
        .calls()
        .iter()
        .filter(|c| c.path == "/api/assets")
        .count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn the_same_asset_ten_times_is_one_read() {
    let world = world().await;
    let upstream = world.sandbox.store.scenario()[0].id.clone();
    let id = asset_id("scenario", &upstream);
    let fields: String = (0..10)
        .map(|n| format!("a{n}: asset(id: \"{id}\") {{ name }} "))
        .collect();
    world.data(&format!("{{ {fields} }}")).await;
    assert_eq!(world.calls(), [1, 0, 0]);
}

#[tokio::test]
async fn ids_of_one_scenario_source_go_out_in_one_batch() {
    let world = world().await;
    let ids: Vec<String> = world
        .sandbox
        .store
        .scenario()
        .iter()
        .filter(|a| a.owner_id == "proj_sandbox")
        .take(100)
        .map(|a| asset_id("scenario", &a.id))
        .collect();
    let answer = world
        .ask_with(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": ids }),
        )
        .await;
    assert_eq!(
        texts(&answer["data"]["nodes"], "/id"),
        ids,
        "in the order asked for"
    );
    assert_eq!(world.sandbox.scenario.recorder.calls().len(), 1);
}

#[tokio::test]
async fn a_list_makes_reads_by_id_free() {
    let world = world().await;
    let data = world.data("{ assets(first: 50) { nodes { id } } }").await;
    let ids = texts(&data["assets"]["nodes"], "/id");
    world.forget_calls();
    world
        .ask_with(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": ids }),
        )
        .await;
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn a_hundred_identical_queries_cost_what_one_costs() {
    let query = "{ assets(first: 20) { nodes { name preview { name } parent { name } } } }";
    let one = world().await;
    one.data(query).await;
    let many = world().await;
    // All queries must be waiting before the first answer arrives.
    let gate = Arc::new(Semaphore::new(0));
    many.sandbox
        .scenario
        .faults
        .add("GET /v1/assets", Fault::Hold(Arc::clone(&gate)));
    let answers = join_all((0..100).map(|_| many.data(query)));
    let open = async {
        while many.calls() != [1, 1, 1] {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1_000);
    };
    let (answers, ()) = futures_util::future::join(answers, open).await;
    assert!(answers.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(many.calls(), one.calls());
}

#[tokio::test]
async fn at_most_sixteen_calls_are_in_flight_at_a_source() {
    let world = world().await;
    let ids: Vec<String> = world
        .sandbox
        .store
        .comfy()
        .iter()
        .take(60)
        .map(|a| asset_id("comfy", &a.id))
        .collect();
    let gate = Arc::new(Semaphore::new(0));
    world
        .sandbox
        .comfy
        .faults
        .add("GET /api/assets/", Fault::Hold(Arc::clone(&gate)));
    let asking = world.ask_with(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        json!({ "ids": ids }),
    );
    let watching = async {
        let recorder = &world.sandbox.comfy.recorder;
        while recorder.calls().len() < 16 {
            tokio::task::yield_now().await;
        }
        // Gives a seventeenth call every chance to arrive.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(recorder.calls().len(), 16);
        gate.add_permits(1_000);
    };
    let (answer, ()) = futures_util::future::join(asking, watching).await;
    assert_eq!(texts(&answer["data"]["nodes"], "/id"), ids);
}

#[tokio::test]
async fn a_client_that_disconnects_does_not_affect_other_waiters() {
    let world = world().await;
    let gate = Arc::new(Semaphore::new(0));
    world
        .sandbox
        .piktid
        .faults
        .add("GET /assets", Fault::Hold(Arc::clone(&gate)));
    let query = |sources: &str| {
        format!("{{ assets(first: 5, filter: {{ sources: {sources} }}) {{ nodes {{ name }} }} }}")
    };
    let (alone, both) = (query("[\"piktid\"]"), query("[\"piktid\", \"comfy\"]"));
    let mut first = Box::pin(world.data(&alone));
    // The first client starts the call.
    while world.calls() != [0, 1, 0] {
        tokio::select! {
            _ = &mut first => panic!("it cannot be answered yet"),
            () = tokio::task::yield_now() => {}
        }
    }
    // The second client joins it: its call to the other source shows that it has started.
    let mut second = Box::pin(world.data(&both));
    while world.calls() != [0, 1, 1] {
        tokio::select! {
            _ = &mut second => panic!("it cannot be answered yet"),
            () = tokio::task::yield_now() => {}
        }
    }
    // The first client disconnects.
    drop(first);
    let open = async { gate.add_permits(100) };
    let (answer, ()) = futures_util::future::join(second, open).await;
    assert_eq!(answer["assets"]["nodes"].as_array().map(Vec::len), Some(5));
    assert_eq!(world.calls(), [0, 1, 1]);
}

#[tokio::test]
async fn a_call_without_waiters_is_cancelled() {
    let world = world().await;
    let gate = Arc::new(Semaphore::new(0));
    let faults = &world.sandbox.piktid.faults;
    let dropped = Arc::new(tokio::sync::Notify::new());
    faults.add(
        "GET /assets",
        Fault::Watch(Arc::clone(&gate), Arc::clone(&dropped)),
    );
    for query in [
        "{ assets(first: 5, filter: { sources: [\"piktid\"] }) { nodes { name } } }".to_owned(),
        {
            let id = world.sandbox.store.piktid()[0].id.clone();
            format!(
                "{{ asset(id: \"{}\") {{ name }} }}",
                asset_id("piktid", &id)
            )
        },
    ] {
        world.forget_calls();
        let mut only = Box::pin(world.data(&query));
        while world.calls() != [0, 1, 0] {
            tokio::select! {
                _ = &mut only => panic!("it cannot be answered yet"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(only);
        // The upstream sees the caller disconnect.
        tokio::time::timeout(std::time::Duration::from_secs(20), dropped.notified())
            .await
            .expect("the call is broken off");
    }
}

#[tokio::test]
async fn a_hanging_read_does_not_block_other_reads() {
    let world = world().await;
    let (slow, quick) = {
        let store = world.sandbox.store.piktid();
        (store[0].id.clone(), store[1].id.clone())
    };
    let gate = Arc::new(Semaphore::new(0));
    world.sandbox.piktid.faults.add(
        &format!("GET /assets/{slow}"),
        Fault::Hold(Arc::clone(&gate)),
    );
    let both = world.ask_with(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        json!({ "ids": [asset_id("piktid", &slow), asset_id("piktid", &quick)] }),
    );
    // Joins the first operation's read of the quick asset, or finds it in the cache.
    let quick_query = format!(
        "{{ asset(id: \"{}\") {{ id }} }}",
        asset_id("piktid", &quick)
    );
    let second_reader = async {
        while world.calls() != [0, 2, 0] {
            tokio::task::yield_now().await;
        }
        let data = world.data(&quick_query).await;
        assert!(data["asset"]["id"].is_string());
        assert_eq!(world.calls(), [0, 2, 0]);
        gate.add_permits(1);
    };
    let (answer, ()) = futures_util::future::join(both, second_reader).await;
    assert_eq!(texts(&answer["data"]["nodes"], "/id").len(), 2);
}
