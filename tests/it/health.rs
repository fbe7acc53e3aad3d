//! The gateway stops calling a source that fails, and reports its health.

use std::{sync::Arc, time::Duration};

use asset_gateway::sandbox::{Fault, Options};
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{TestGateway, asset_id, world_with};

async fn world() -> TestGateway {
    world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = Duration::ZERO;
    })
    .await
}

const HEALTH: &str = "{ assetSources { name health { status calls failures lastError { code message retryAfterSeconds } retryAfterSeconds } } }";

async fn health(world: &TestGateway) -> Value {
    let data = world.data(HEALTH).await;
    let sources = data["assetSources"].as_array().cloned().unwrap_or_default();
    let piktid = sources.iter().find(|source| source["name"] == "piktid");
    for other in sources.iter().filter(|source| source["name"] != "piktid") {
        assert_eq!(other["health"]["status"], "UP", "{other}");
    }
    piktid.expect("piktid")["health"].clone()
}

const PAGE: &str = "{ assets(first: 3) { nodes { id } \
     sourceResults { source { name } status execution { calls } error { code message retryAfterSeconds } } } }";

#[tokio::test]
async fn a_failing_source_is_not_called_until_it_recovers() {
    let world = world().await;
    let piktid = &world.sandbox.piktid;
    assert_eq!(health(&world).await["status"], "UP");
    piktid.faults.add(
        "GET /assets",
        Fault::Answer {
            status: 500,
            content_type: "text/plain",
            body: String::new(),
        },
    );
    let mut queries = 0;
    while health(&world).await["status"] != "DOWN" {
        world.data(PAGE).await;
        queries += 1;
        assert!(queries < 20, "{}", health(&world).await);
    }
    let down = health(&world).await;
    let last = json!({
        "code": "UPSTREAM_UNAVAILABLE",
        "message": "the source is unavailable: it answered 500",
        "retryAfterSeconds": null,
    });
    assert_eq!(down["lastError"], last);
    let wait = down["retryAfterSeconds"].as_u64().expect("a time");
    assert!((1..=6).contains(&wait), "{down}");
    world.forget_calls();
    for _ in 0..100 {
        let data = world.data(PAGE).await;
        let sources = data["assets"]["sourceResults"].as_array().expect("sources");
        for source in sources {
            if source["source"]["name"] == "piktid" {
                assert_eq!(source["status"], "FAILED");
                assert_eq!(source["error"]["code"], "UPSTREAM_UNAVAILABLE");
                assert!(source["error"]["retryAfterSeconds"].is_u64(), "{source}");
                assert_eq!(source["execution"]["calls"], 0, "no call was made");
            } else {
                assert_eq!(source["status"], "OK", "{source}");
            }
        }
    }
    let [scenario, calls, comfy] = world.calls();
    assert_eq!((scenario, comfy), (100, 100));
    // At most one probe, with its retries.
    assert!(calls <= 4, "{calls} calls of 100 reached it");
    let ready = world.get(&world.url("/ready")).await;
    assert_eq!(ready.status(), 200, "the others answer");
    let text = ready.text().await.expect("a body");
    let ready: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(ready["health"]["piktid"], "DOWN");
    assert_eq!(ready["health"]["comfy"], "UP");
    piktid.faults.clear();
    let recovering = async {
        while health(&world).await["status"] != "UP" {
            world.data(PAGE).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), recovering)
        .await
        .expect("it is asked again");
    let data = world.data(PAGE).await;
    for source in data["assets"]["sourceResults"].as_array().expect("sources") {
        assert_eq!(source["status"], "OK");
    }
}

#[tokio::test]
async fn calls_beyond_the_queue_are_refused_at_once() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            source.common.in_flight = 1;
            source.common.attempt = Duration::from_secs(60);
        }
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    let piktid = &world.sandbox.piktid;
    piktid
        .faults
        .add("GET /assets/", Fault::Hold(Arc::clone(&gate)));
    let mut asking: FuturesUnordered<_> = (0..300)
        .map(|number| {
            let id = asset_id("piktid", &format!("none-{number}"));
            let world = &world;
            async move {
                world
                    .ask(&format!("{{ asset(id: \"{id}\") {{ id }} }}"))
                    .await
            }
        })
        .collect();
    // One call in progress, 256 waiting: the gateway refuses the rest at once.
    for _ in 0..300 - 257 {
        let answer = asking.next().await.expect("an answer");
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "UPSTREAM_UNAVAILABLE", "{answer}");
        assert_eq!(extensions["retryAfterSeconds"], json!(1));
    }
    assert_eq!(piktid.recorder.count("GET /assets/"), 1, "one at a time");
    gate.add_permits(1_000);
    let rest: Vec<Value> = asking.collect().await;
    assert_eq!(rest.len(), 257);
    assert!(rest.iter().all(|answer| answer["data"]["asset"].is_null()));
}

#[tokio::test]
async fn a_retry_honours_retry_after_within_its_deadline() {
    let world = world().await;
    let piktid = &world.sandbox.piktid;
    let query = "{ assets(first: 3, filter: {sources: [\"piktid\"]}) { nodes { id } \
                 sourceResults { status } } }";
    for (header, calls, status) in [
        // A date in the past: no wait.
        ("Sun, 06 Nov 1994 08:49:37 GMT", 2, "OK"),
        ("1", 2, "OK"),
        // Longer than the gateway waits.
        ("3600", 1, "FAILED"),
    ] {
        world.forget_calls();
        piktid.faults.clear();
        piktid.faults.push(asset_gateway::sandbox::Rule {
            beginning: "GET /assets".to_owned(),
            times: Some(1),
            fault: Fault::Unavailable(header),
        });
        let answer = world.ask(query).await;
        let outcome = if answer["data"]["assets"].is_null() {
            &json!("FAILED")
        } else {
            &answer["data"]["assets"]["sourceResults"][0]["status"]
        };
        assert_eq!(outcome, status, "{header}: {answer:#}");
        assert_eq!(piktid.recorder.count("GET /assets"), calls, "{header}");
    }
}

#[tokio::test]
async fn timed_out_calls_take_a_hanging_source_down() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = Duration::ZERO;
        for source in &mut config.sources {
            source.common.patience = Duration::from_millis(100);
            source.common.attempt = Duration::from_millis(200);
        }
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    let piktid = &world.sandbox.piktid;
    piktid
        .faults
        .add("GET /assets", Fault::Hold(Arc::clone(&gate)));
    let noticing = async {
        while health(&world).await["status"] != "DOWN" {
            let data = world.data(PAGE).await;
            assert!(data["assets"]["nodes"][0]["id"].is_string());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), noticing)
        .await
        .expect("its calls fail");
    gate.close();
}

#[tokio::test]
async fn ready_asks_the_sources_once_for_all_callers() {
    let world = world_with(Options::default(), crate::harness::without_caches).await;
    let url = world.url("/ready");
    for outcome in [200, 503] {
        world.forget_calls();
        let requests = (0..50).map(|_| world.get(&url));
        for response in futures_util::future::join_all(requests).await {
            assert_eq!(response.status(), outcome);
        }
        let calls = world.calls();
        assert!(calls.iter().all(|calls| *calls <= 3), "{calls:?}");
        let all = [
            &world.sandbox.scenario,
            &world.sandbox.piktid,
            &world.sandbox.comfy,
        ];
        for upstream in all {
            upstream.faults.add(
                "",
                Fault::Answer {
                    status: 500,
                    content_type: "text/plain",
                    body: String::new(),
                },
            );
        }
        let noticed = async {
            while outcome == 200 && world.get(&url).await.status() == 200 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), noticed)
            .await
            .expect("the sources are asked again");
    }
}
