//! The gateway reports a source that fails, while the others answer.

use std::{sync::Arc, time::Duration};

use asset_gateway::sandbox::{Fault, Options, Sandbox};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{asset_id, error, texts, world, world_with};

const LIST: &str =
    "{ assets(first: 20) { nodes { source { name } } pageInfo { hasNextPage endCursor }
    isComplete sourceResults { source { name } status isComplete execution { calls } error { code message retryAfterSeconds } } } }";

fn page(status: u16, content_type: &'static str, body: &str) -> Fault {
    Fault::Answer {
        status,
        content_type,
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn each_failure_of_a_source_has_its_code_and_leaves_the_others_whole() {
    for (fault, code) in [
        (
            page(
                200,
                "text/html",
                "<html><h1>Welcome</h1>http://10.0.0.7/secret</html>",
            ),
            "UPSTREAM_PROTOCOL",
        ),
        (
            page(200, "application/json", "{\"pagination\": {\"total\": 3"),
            "UPSTREAM_PROTOCOL",
        ),
        (
            page(
                200,
                "application/json",
                "{\"error\": {\"code\": \"X\", \"message\": \"not today\"}}",
            ),
            "UPSTREAM_PROTOCOL",
        ),
        (page(200, "application/json", ""), "UPSTREAM_PROTOCOL"),
        // Another page size than requested: no position in such a list can be found again.
        (
            page(
                200,
                "application/json",
                "{\"pagination\": {\"total\": 300, \"per_page\": 10}, \"assets\": []}",
            ),
            "UPSTREAM_PROTOCOL",
        ),
        (page(301, "text/plain", ""), "UPSTREAM_PROTOCOL"),
        (page(401, "text/plain", ""), "UNAUTHENTICATED"),
        (page(402, "application/json", "{}"), "PAYMENT_REQUIRED"),
        (page(403, "text/plain", ""), "FORBIDDEN"),
        (
            page(
                422,
                "application/json",
                "{\"error\":\"Invalid request\",\"detail\":[{\"message\":\"no\"}]}",
            ),
            "UPSTREAM_REJECTED",
        ),
        (page(429, "text/plain", ""), "RATE_LIMITED"),
        (
            page(500, "text/html", "<html>stack trace</html>"),
            "UPSTREAM_UNAVAILABLE",
        ),
        (page(503, "text/plain", ""), "UPSTREAM_UNAVAILABLE"),
        (Fault::Reset, "UPSTREAM_UNAVAILABLE"),
    ] {
        let world = world().await;
        world
            .sandbox
            .piktid
            .faults
            .add("GET /assets", fault.clone());
        let data = world.data(LIST).await;
        let results = &data["assets"]["sourceResults"];
        assert_eq!(
            texts(results, "/status"),
            ["OK", "FAILED", "OK"],
            "{fault:?}"
        );
        assert_eq!(results[1]["error"]["code"], code, "{fault:?} {results:#}");
        assert_eq!(results[1]["isComplete"], false, "{fault:?}");
        assert_eq!(data["assets"]["isComplete"], false, "{fault:?}");
        assert_eq!(results[1]["execution"]["calls"], 1, "{fault:?}");
        let nodes = texts(&data["assets"]["nodes"], "/source/name");
        assert_eq!(nodes.len(), 20);
        assert!(!nodes.contains(&"piktid".to_owned()));
        assert_eq!(data["assets"]["pageInfo"]["hasNextPage"], true);
        let text = data.to_string();
        for leak in ["10.0.0.7", "<html>", "stack trace"] {
            assert!(!text.contains(leak), "{leak} in {text}");
        }
        // If it is the only source, its error is the field's error.
        let answer = world
            .ask("{ assets(filter: { sources: [\"piktid\"] }) { nodes { id } } }")
            .await;
        assert_eq!(error(&answer).0, code, "{fault:?}");
        assert_eq!(answer["errors"][0]["extensions"]["source"], "piktid");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable_and_its_address_stays_secret() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            if source.common.name.as_str() == "comfy" {
                // Nothing listens on the discard port.
                source.common.url = "http://127.0.0.1:9".parse().expect("an address");
            }
        }
    })
    .await;
    let data = world.data(LIST).await;
    assert_eq!(
        texts(&data["assets"]["sourceResults"], "/status"),
        ["FAILED", "OK", "OK"]
    );
    assert_eq!(
        data["assets"]["sourceResults"][0]["error"]["code"],
        "UPSTREAM_UNAVAILABLE"
    );
    assert!(!data.to_string().contains("127.0.0.1:9"), "{data:#}");
}

#[tokio::test]
async fn a_dead_source_of_one_root_list_leaves_the_other_list_whole() {
    let world = world().await;
    world
        .sandbox
        .scenario
        .faults
        .add("GET /", page(500, "text/plain", ""));
    let answer = world
        .ask(
            "{ dead: assets(filter: { sources: [\"scenario\"] }) { nodes { id } }
                alive: assets(first: 10, filter: { sources: [\"piktid\"] }) { nodes { id } } }",
        )
        .await;
    assert_eq!(answer["data"]["dead"], Value::Null);
    assert_eq!(
        answer["data"]["alive"]["nodes"].as_array().map(Vec::len),
        Some(10)
    );
    assert_eq!(error(&answer).0, "UPSTREAM_UNAVAILABLE");
    assert_eq!(answer["errors"][0]["path"], json!(["dead"]));
}

#[tokio::test]
async fn when_every_source_fails_the_list_is_an_error_that_names_them() {
    let world = world().await;
    for emulator in [
        &world.sandbox.scenario,
        &world.sandbox.piktid,
        &world.sandbox.comfy,
    ] {
        emulator.faults.add("GET /", page(503, "text/plain", ""));
    }
    let answer = world.ask(LIST).await;
    let (code, message) = error(&answer);
    assert_eq!(code, "UPSTREAM_UNAVAILABLE");
    for name in ["comfy", "piktid", "scenario"] {
        assert!(message.contains(&format!("`{name}`")), "{message}");
    }
}

#[tokio::test]
async fn a_slow_source_does_not_hold_the_page_past_its_patience() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            source.common.patience = Duration::from_millis(300);
        }
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    world
        .sandbox
        .comfy
        .faults
        .add("GET /", Fault::Hold(Arc::clone(&gate)));
    // The gateway answers, although the source has not.
    let data = world.data(LIST).await;
    assert_eq!(
        texts(&data["assets"]["sourceResults"], "/status"),
        ["FAILED", "OK", "OK"]
    );
    assert_eq!(
        data["assets"]["sourceResults"][0]["error"]["code"],
        "UPSTREAM_TIMEOUT"
    );
    gate.add_permits(10);
}

#[tokio::test]
async fn the_same_cursor_gives_the_full_page_once_the_source_is_back() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = Duration::ZERO;
    })
    .await;
    let query = "query($c: String) { assets(first: 20, after: $c) { nodes { id } pageInfo { endCursor } sourceResults { status } } }";
    let first = world.ask_with(query, json!({})).await;
    let cursor = &first["data"]["assets"]["pageInfo"]["endCursor"];
    let whole = world.ask_with(query, json!({ "c": cursor })).await;
    world
        .sandbox
        .comfy
        .faults
        .add("GET /", page(500, "text/plain", ""));
    let partial = world.ask_with(query, json!({ "c": cursor })).await;
    assert_eq!(
        partial["data"]["assets"]["sourceResults"][0]["status"],
        "FAILED"
    );
    world.sandbox.comfy.faults.clear();
    let again = world.ask_with(query, json!({ "c": cursor })).await;
    assert_eq!(
        texts(&again["data"]["assets"]["nodes"], "/id"),
        texts(&whole["data"]["assets"]["nodes"], "/id")
    );
}

#[tokio::test]
async fn an_id_at_a_dead_source_has_its_own_error() {
    let world = world().await;
    world
        .sandbox
        .comfy
        .faults
        .add("GET /", page(500, "text/plain", ""));
    let alive = asset_id("piktid", &world.sandbox.store.piktid()[0].id.clone());
    let dead = asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    let answer = world
        .ask_with(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": [dead, alive] }),
        )
        .await;
    assert_eq!(answer["data"]["nodes"][0], Value::Null);
    assert_eq!(answer["data"]["nodes"][1]["id"], json!(alive));
    assert_eq!(answer["errors"][0]["extensions"]["source"], "comfy");
    assert_eq!(answer["errors"][0]["extensions"]["provider"], "COMFY");
}

#[tokio::test]
async fn comfys_refusals_have_its_reason() {
    for (status, body, code, reason) in [
        (429, "{}", "RATE_LIMITED", "429"),
        (
            429,
            r#"{"error":{"type":"TOO_MANY","message":"slow down"}}"#,
            "RATE_LIMITED",
            "429",
        ),
        (
            429,
            r#"{"error":{"type":"CLOUD_SUBSCRIPTION_REQUIRED","message":"Renew the plan."}}"#,
            "PAYMENT_REQUIRED",
            "(429): Renew the plan.",
        ),
        (
            402,
            r#"{"error":{"type":"CREDITS","message":"Buy credits."}}"#,
            "PAYMENT_REQUIRED",
            "(402): Buy credits.",
        ),
        (402, "", "PAYMENT_REQUIRED", "out of credits"),
        (
            401,
            r#"{"code":"x","message":"The key was revoked."}"#,
            "UNAUTHENTICATED",
            "(401: The key was revoked.)",
        ),
        (
            403,
            r#"{"code":"sso_required","message":"Sign in with SSO."}"#,
            "FORBIDDEN",
            "(403: Sign in with SSO.)",
        ),
        (403, "<html>", "FORBIDDEN", "(403)"),
    ] {
        let world = world().await;
        let faults = &world.sandbox.comfy.faults;
        faults.add("GET /", page(status, "application/json", body));
        let data = world.data(LIST).await;
        let error = &data["assets"]["sourceResults"][0]["error"];
        assert_eq!(error["code"], code, "{body}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(reason), "{reason} in {message}");
    }
}

#[tokio::test]
async fn ready_while_one_source_answers() {
    let world = world().await;
    world
        .sandbox
        .comfy
        .faults
        .add("GET /", page(500, "text/plain", ""));
    world
        .sandbox
        .piktid
        .faults
        .add("GET /", page(401, "text/plain", ""));
    let response = world.get(&world.url("/ready")).await;
    assert_eq!(response.status(), 200);
    let body: Value =
        serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or_default();
    assert_eq!(
        body["sources"],
        json!({ "comfy": "UPSTREAM_UNAVAILABLE", "piktid": "UNAUTHENTICATED", "scenario": "ok" })
    );
    world
        .sandbox
        .scenario
        .faults
        .add("GET /", page(500, "text/plain", ""));
    // The first gateway caches the page for a moment, so the test asks a second one.
    let second_gateway = crate::harness::gateway(crate::harness::config(&world.sandbox)).await;
    let response = world
        .get(&format!("http://{}/ready", second_gateway.0))
        .await;
    assert_eq!(response.status(), 503);
    assert_eq!(world.get(&world.url("/health")).await.status(), 200);
    second_gateway.1.abort();
}

#[tokio::test]
async fn a_failed_tls_handshake_makes_a_source_unavailable() {
    // A plain HTTP server at an `https` address: the handshake cannot succeed.
    let sandbox = Sandbox::start(Options::default())
        .await
        .expect("the sandbox starts");
    let mut config = crate::harness::config(&sandbox);
    for source in &mut config.sources {
        if source.common.name.as_str() == "scenario" {
            source.common.url = format!("https://{}/v1", sandbox.scenario.address)
                .parse()
                .expect("an address");
        }
    }
    let (address, task) = crate::harness::gateway(config).await;
    let answer = crate::harness::ask_at(address, LIST).await;
    assert_eq!(
        answer["data"]["assets"]["sourceResults"][2]["error"]["code"],
        "UPSTREAM_UNAVAILABLE"
    );
    task.abort();
}

#[tokio::test]
async fn an_answer_past_the_size_limit_is_refused() {
    let world = world().await;
    let endless = format!("{{\"assets\": [\"{}\"]}}", "x".repeat(17 * 1024 * 1024));
    let fault = page(200, "application/json", &endless);
    world.sandbox.piktid.faults.add("GET /assets", fault);
    let data = world.data(LIST).await;
    let results = &data["assets"]["sourceResults"];
    assert_eq!(texts(results, "/status"), ["OK", "FAILED", "OK"]);
    assert_eq!(results[1]["error"]["code"], "UPSTREAM_PROTOCOL");
    let message = results[1]["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("16777216 bytes"), "{message}");
}

#[tokio::test]
async fn a_404_of_the_batch_endpoint_is_no_missing_asset() {
    let world = world().await;
    let fault = page(404, "text/plain", "");
    world
        .sandbox
        .scenario
        .faults
        .add("POST /v1/assets/get-bulk", fault);
    let id = asset_id("scenario", &world.sandbox.store.scenario()[0].id.clone());
    let query = format!("{{ asset(id: \"{id}\") {{ id }} }}");
    assert_eq!(error(&world.ask(&query).await).0, "UPSTREAM_UNAVAILABLE");
    world.sandbox.scenario.faults.clear();
    let data = world.data(&query).await;
    assert_eq!(data["asset"]["id"], json!(id), "not remembered as gone");
}

#[tokio::test]
async fn a_source_that_fails_midway_shortens_the_page_and_loses_nothing() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = Duration::ZERO;
    })
    .await;
    let field = |after: &str| {
        format!(
            "{{ assets(first: 100 {after}, filter: {{sources: [\"piktid\"], nameContains: \"fox\"}}) {{ \
             nodes {{ id }} pageInfo {{ hasNextPage endCursor }} sourceResults {{ status isComplete }} }} }}"
        )
    };
    let whole = texts(&world.data(&field("")).await["assets"]["nodes"], "/id");
    assert_eq!(whole.len(), 10);
    // Fails the second of the two calls that the list needs.
    let faults = Arc::clone(&world.sandbox.piktid.faults);
    let mut calls = 0;
    world.sandbox.piktid.faults.before_each(move || {
        calls += 1;
        if calls == 2 {
            faults.push(asset_gateway::sandbox::Rule {
                beginning: "GET /assets".to_owned(),
                times: Some(1),
                // A status that the gateway does not retry.
                fault: page(403, "text/plain", ""),
            });
        }
    });
    let first = world.data(&field("")).await["assets"].clone();
    assert_eq!(first["sourceResults"][0]["status"], "FAILED");
    assert_eq!(first["sourceResults"][0]["isComplete"], true);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let mut shown = texts(&first["nodes"], "/id");
    assert!(!shown.is_empty() && shown.len() < whole.len());
    let end = first["pageInfo"]["endCursor"].as_str().expect("a cursor");
    let rest = world.data(&field(&format!("after: \"{end}\""))).await;
    shown.extend(texts(&rest["assets"]["nodes"], "/id"));
    assert_eq!(shown, whole);
}

#[tokio::test]
async fn a_credential_that_a_source_repeats_is_redacted() {
    let world = world().await;
    let token = world.sandbox.credentials.piktid_token.clone();
    let body = json!({ "message": format!("bad key {token} (Bearer {token})") }).to_string();
    for status in [400, 422] {
        world.sandbox.piktid.faults.clear();
        let fault = page(status, "application/json", &body);
        world.sandbox.piktid.faults.add("GET /assets", fault);
        let answer = world
            .ask("{ piktidAssets(first: 1) { nodes { id } } }")
            .await;
        let (code, message) = error(&answer);
        assert_eq!(code, "UPSTREAM_REJECTED");
        assert!(message.contains("bad key …"), "{message}");
        assert!(!answer.to_string().contains(&token), "{answer}");
    }
    // An error in an answer that claims success.
    world.sandbox.piktid.faults.clear();
    let fault = page(200, "application/json", &body);
    world.sandbox.piktid.faults.add("GET /assets", fault);
    let answer = world
        .ask("{ piktidAssets(first: 1) { nodes { id } } }")
        .await;
    let (code, message) = error(&answer);
    assert_eq!(code, "UPSTREAM_PROTOCOL");
    assert!(message.contains("bad key …"), "{message}");
    assert!(!answer.to_string().contains(&token), "{answer}");
}
