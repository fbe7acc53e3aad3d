//! Operations by id: automatic persisted queries, and trusted documents from manifests.

use std::io::Write;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    TestGateway, asset_id, begin, config, error, gateway, json_of, open_socket, world, world_of,
};

const TEXT: &str =
    "query Names($n: Int) { assetSources { name } assets(first: $n) { nodes { id } } }";

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn persisted(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn post(world: &TestGateway, body: Value) -> Value {
    json_of(world.post(&body.to_string()).await).await
}

async fn get(world: &TestGateway, parameters: &[(&str, &str)]) -> Value {
    let mut url = reqwest::Url::parse(&world.url("/graphql")).expect("an address");
    url.query_pairs_mut().extend_pairs(parameters);
    json_of(world.get(url.as_str()).await).await
}

#[tokio::test]
async fn a_query_is_registered_and_requested_by_its_hash() {
    let world = world().await;
    let hash = sha256(TEXT);
    let by_hash = json!({ "extensions": persisted(&hash), "variables": { "n": 1 } });
    let unknown = post(&world, by_hash.clone()).await;
    assert_eq!(
        error(&unknown),
        (
            "PERSISTED_QUERY_NOT_FOUND".to_owned(),
            "PersistedQueryNotFound".to_owned()
        )
    );
    let mut whole = by_hash.clone();
    whole["query"] = TEXT.into();
    let first = post(&world, whole).await;
    assert_eq!(
        first["data"]["assets"]["nodes"].as_array().map(Vec::len),
        Some(1),
        "{first}"
    );
    assert_eq!(post(&world, by_hash).await, first);
    let extensions = persisted(&hash).to_string();
    let got = get(
        &world,
        &[("extensions", &extensions), ("variables", "{\"n\":1}")],
    )
    .await;
    assert_eq!(got, first);
}

#[tokio::test]
async fn documents_of_september_2025_are_found_by_hash_and_by_manifest() {
    const DESCRIBED: &str = "\"What it does\" query Q(\"how many\" $n: Int ! = 1) \
                             { assets(first: $n, filter: {nameContains: \"\\u{68}\"}) { nodes { id } } }";
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    write!(file, "{}", json!({ "described": DESCRIBED })).expect("written");
    let path = file.path().to_str().expect("text").to_owned();
    let world = world_of(&format!("[documents]\nmanifests = [{path:?}]\n")).await;
    let by_text = post(&world, json!({ "query": DESCRIBED })).await;
    assert_eq!(
        by_text["data"]["assets"]["nodes"].as_array().map(Vec::len),
        Some(1)
    );
    let hash = persisted(&sha256(DESCRIBED));
    let registered = post(&world, json!({ "query": DESCRIBED, "extensions": hash })).await;
    let by_hash = post(&world, json!({ "extensions": hash })).await;
    let by_id = post(&world, json!({ "documentId": "described" })).await;
    for answer in [registered, by_hash, by_id] {
        assert_eq!(answer, by_text);
    }
}

#[tokio::test]
async fn a_wrong_hash_is_refused_and_registers_nothing() {
    let world = world().await;
    let hash = sha256("{ __typename }");
    let answer = post(
        &world,
        json!({ "query": TEXT, "extensions": persisted(&hash) }),
    )
    .await;
    assert_eq!(error(&answer).0, "BAD_USER_INPUT");
    for requested in [hash, sha256(TEXT)] {
        let answer = post(&world, json!({ "extensions": persisted(&requested) })).await;
        assert_eq!(error(&answer).0, "PERSISTED_QUERY_NOT_FOUND");
    }
    for wrong in [
        json!({ "persistedQuery": { "version": 2, "sha256Hash": sha256(TEXT) } }),
        json!({ "persistedQuery": { "version": 1 } }),
        json!({ "persistedQuery": 7 }),
    ] {
        let answer = post(&world, json!({ "query": TEXT, "extensions": wrong })).await;
        assert_eq!(error(&answer).0, "BAD_USER_INPUT", "{wrong}");
    }
}

#[tokio::test]
async fn a_persisted_mutation_is_refused_over_get() {
    let world = world().await;
    let text = "mutation { deleteAsset(input: { assetId: \"x\" }) { deletedId } }";
    let extensions = persisted(&sha256(text));
    let registered = post(&world, json!({ "query": text, "extensions": extensions })).await;
    assert!(registered["data"].is_object(), "{registered}");
    let answer = get(&world, &[("extensions", &extensions.to_string())]).await;
    assert!(error(&answer).1.contains("GET is for queries"), "{answer}");
}

/// A gateway with the manifests of the three tools, and with `more` settings.
async fn trusting(more: &str) -> (TestGateway, Vec<tempfile::NamedTempFile>) {
    let manifests = [
        json!({
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [
                { "id": sha256(TEXT), "name": "Names", "type": "query", "body": TEXT }
            ],
        }),
        json!({ "9d5e3c7a": "query Relay { assetSources { id } }" }),
        json!({ "sha1-of-codegen": "query Codegen { assetSources { provider } }" }),
    ];
    let files: Vec<_> = manifests
        .iter()
        .map(|manifest| {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            write!(file, "{manifest}").expect("written");
            file
        })
        .collect();
    let paths: Vec<_> = files
        .iter()
        .map(|file| file.path().display().to_string())
        .collect();
    let world = world_of(&format!("[documents]\nmanifests = {paths:?}\n{more}")).await;
    (world, files)
}

#[tokio::test]
async fn trusted_documents_are_known_by_their_ids() {
    let (world, _files) = trusting("").await;
    for (name, id, field) in [
        ("documentId", "9d5e3c7a", "id"),
        ("id", "9d5e3c7a", "id"),
        ("doc_id", "sha1-of-codegen", "provider"),
        (
            "documentId",
            &sha256("query Relay { assetSources { id } }"),
            "id",
        ),
        ("documentId", &format!("sha256:{}", sha256(TEXT)), "name"),
    ] {
        let answer = post(&world, json!({ name: id })).await;
        assert!(
            answer["data"]["assetSources"][0][field].is_string(),
            "{name} {id}: {answer}"
        );
        assert_eq!(get(&world, &[(name, id)]).await["data"], answer["data"]);
    }
    let answer = post(&world, json!({ "extensions": persisted(&sha256(TEXT)) })).await;
    assert!(answer["data"]["assets"].is_object(), "{answer}");
    // Other documents are still accepted.
    world.data("{ assetSources { name } }").await;
}

#[tokio::test]
async fn trusted_only_refuses_all_other_documents() {
    let (world, _files) = trusting("trusted_only = true\n").await;
    let untrusted = "{ assetSources { name } }";
    for body in [
        json!({ "query": untrusted }),
        json!({ "query": untrusted, "extensions": persisted(&sha256(untrusted)) }),
        json!({ "query": "{ __schema { types { name } } }" }),
    ] {
        assert_eq!(
            error(&post(&world, body.clone()).await).0,
            "FORBIDDEN",
            "{body}"
        );
        let batch = post(&world, json!([body])).await;
        assert_eq!(error(&batch[0]).0, "FORBIDDEN", "{body}");
    }
    assert_eq!(
        error(&get(&world, &[("query", untrusted)]).await).0,
        "FORBIDDEN"
    );
    let unknown = post(
        &world,
        json!({ "extensions": persisted(&sha256(untrusted)) }),
    )
    .await;
    assert_eq!(error(&unknown).0, "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(world.calls(), [0, 0, 0]);
    // A trusted document may come as text too: clients that send both need no rebuild.
    for body in [
        json!({ "documentId": "9d5e3c7a" }),
        json!({ "query": TEXT }),
    ] {
        let answer = post(&world, body).await;
        assert!(answer["data"]["assetSources"].is_array(), "{answer}");
    }
    let opened = open_socket(world.address, "graphql-transport-ws", None).await;
    let mut socket = opened.expect("a socket");
    begin(&mut socket, &Value::Null).await.expect("a message");
    let mut replies = Vec::new();
    for message in [
        json!({ "id": "1", "type": "subscribe", "payload": { "query": untrusted } }),
        json!({ "id": "2", "type": "subscribe", "payload": { "query": "", "extensions": persisted(&sha256(TEXT)) } }),
    ] {
        socket
            .send(Message::text(message.to_string()))
            .await
            .expect("sent");
    }
    while replies.len() < 3 {
        if let Message::Text(text) = socket.next().await.expect("a message").expect("a frame") {
            replies.push(serde_json::from_str::<Value>(&text).expect("JSON"));
        }
    }
    let refused = replies.iter().find(|reply| reply["id"] == "1");
    assert!(
        refused.is_some_and(|reply| reply.to_string().contains("FORBIDDEN")),
        "{replies:?}"
    );
    let answered = replies
        .iter()
        .find(|reply| reply["id"] == "2" && reply["type"] == "next");
    assert!(
        answered.is_some_and(|reply| reply["payload"]["data"]["assetSources"].is_array()),
        "{replies:?}"
    );
}

#[tokio::test]
async fn an_unusable_manifest_stops_the_start() {
    let sandbox =
        asset_gateway::sandbox::Sandbox::start(asset_gateway::sandbox::Options::default())
            .await
            .expect("the sandbox starts");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    write!(file, "[1, 2]").expect("written");
    let path = file.path().display().to_string();
    for (toml, says) in [
        (
            "[documents]\nmanifests = [\"/nowhere.json\"]\n".to_owned(),
            "/nowhere.json, which cannot be read",
        ),
        (
            format!("[documents]\nmanifests = [{path:?}]\n"),
            "is neither Apollo's",
        ),
        (
            "[documents]\ntrusted_only = true\n".to_owned(),
            "would refuse everything",
        ),
    ] {
        let refused = crate::harness::configured(&sandbox, &toml).expect_err("refused");
        assert!(refused.contains(says), "{refused}");
    }
}

/// The answer without its request ids.
fn plain(mut answer: Value) -> Value {
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"]["requestId"] = Value::Null;
    }
    answer
}

#[tokio::test]
async fn texts_of_a_cached_shape_get_their_own_answers() {
    let (used, id) = (world().await, "a:comfy:nobody");
    let bad = asset_id("comfy", "nobody");
    // After these queries, the gateway has cached their shapes.
    for text in [
        "query A($n: Int = 1) { x: comfyAssets(first: $n) { nodes { name } } }",
        "query A($n: Int!) { x: comfyAssets(first: $n) { nodes { name } } }",
        "{ comfyAssets(first: 2) { nodes { name } } asset(id: \"x\") { name } }",
        "{ a: comfyAssets(first: 1) { nodes { name } } b: comfyAssets(first: 2) { nodes { name } } }",
    ] {
        post(&used, json!({ "query": text, "variables": { "n": 1 } })).await;
    }
    for body in [
        json!({ "query": "# new\nquery B($n: Int = 1) {\n  y: comfyAssets(first: $n) { nodes { name } } }", "operationName": "B" }),
        json!({ "query": "query B($n: Int = 1) { y: comfyAssets(first: $n) { nodes { name } } }", "operationName": "A" }),
        json!({ "query": "# new\nquery C($n: Int!) { z: comfyAssets(first: $n) { nodes { name } } }", "variables": { "n": "x" } }),
        json!({ "query": "query C(\n  $n: Int!\n) { z: comfyAssets(first: $n) { nodes { name } } }", "operationName": "C" }),
        // Errors point at the positions in this text.
        json!({ "query": "{ # few\n comfyAssets(first: 0) { nodes { name } }\n\n asset(id: \"y\") { name } }" }),
        json!({ "query": format!("{{ comfyAssets(first: 101) {{ nodes {{ name }} }} asset(id: \"{bad}\") {{ name }} }}") }),
        json!({ "query": format!("{{ comfyAssets(first: 3) {{ nodes {{ name }} }} asset(id: \"{id}\") {{ name }} }}") }),
        // Two fields with one response key and different arguments.
        json!({ "query": "{ a: comfyAssets(first: 1) { nodes { name } } a: comfyAssets(first: 2) { nodes { name } } }" }),
        json!({ "query": "{ a: comfyAssets(first: 2) { nodes { name } } c: comfyAssets(first: 3) { nodes { name } } }" }),
    ] {
        let (new, serving) = gateway(config(&used.sandbox)).await;
        let fresh = used
            .client
            .post(format!("http://{new}/graphql"))
            .header("content-type", "application/json")
            .body(body.to_string());
        let fresh = fresh.send().await.expect("an answer").text().await;
        let fresh = serde_json::from_str(&fresh.expect("a body")).expect("JSON");
        let warm = post(&used, body.clone()).await;
        serving.abort();
        assert_eq!(plain(warm), plain(fresh), "{body}");
    }
}
