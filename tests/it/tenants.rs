//! Callers with their own credentials: each sees only their own account, even when reads are
//! cached, coalesced, stale or failing.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use asset_gateway::config::{Config, Environment};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use proptest::{
    prelude::*,
    test_runner::{Config as ProptestConfig, TestCaseError, TestRunner},
};
use reqwest::{
    header::{HeaderMap, HeaderName, HeaderValue},
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    harness::{client, error, gateway, json_of},
    support::{Front, SOURCES, Tenant, toml},
};

/// A gateway over two accounts at each provider, and one without caches.
struct TestGateway {
    tenants: Arc<[Tenant; 2]>,
    fronts: [Front; 3],
    cached: SocketAddr,
    /// The gateway without caches; no call fails at its separate fronts.
    uncached: SocketAddr,
    client: reqwest::Client,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Stale at once and kept for long: nearly every answer is stale, with a refresh in progress.
const ALWAYS_STALE: &str = "[cache]\npage_fresh_seconds = 0.001\npage_stale_seconds = 600\n\
                   entity_fresh_seconds = 0.001\nentity_stale_seconds = 600\nif_error_seconds = 600\n";
/// Read again each time, but kept for failures of a source.
const FOR_ERRORS: &str = "[cache]\npage_fresh_seconds = 0.001\npage_stale_seconds = 0\n\
                          entity_fresh_seconds = 0.001\nentity_stale_seconds = 0\n\
                          if_error_seconds = 600\n";
const NO_CACHE: &str = "[cache]\npage_fresh_seconds = 0\npage_stale_seconds = 0\n\
                    entity_fresh_seconds = 0\nentity_stale_seconds = 0\nmissing_fresh_seconds = 0\n\
                    if_error_seconds = 0\n";

async fn fronts(tenants: &Arc<[Tenant; 2]>) -> [Front; 3] {
    [
        Front::start(tenants, 0).await,
        Front::start(tenants, 1).await,
        Front::start(tenants, 2).await,
    ]
}

async fn started(toml: &str) -> (SocketAddr, JoinHandle<()>) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), toml).expect("written");
    let config =
        Config::load(Some(file.path().to_owned()), &Environment::default()).expect("it holds");
    gateway(config).await
}

impl TestGateway {
    async fn start(cache: &str) -> Self {
        let tenants = Arc::new([
            Tenant::start("anna's").await,
            Tenant::start("bert's!").await,
        ]);
        let (cached_fronts, others) = (fronts(&tenants).await, fronts(&tenants).await);
        let (cached, task) = started(&toml(&cached_fronts, cache)).await;
        let (uncached, other) = started(&toml(&others, NO_CACHE)).await;
        // Keeps the uncached gateway's fronts alive until the process ends.
        std::mem::forget(others);
        Self {
            tenants,
            fronts: cached_fronts,
            cached,
            uncached,
            client: client(),
            tasks: [task, other],
        }
    }

    async fn send(&self, at: SocketAddr, headers: &[(String, String)], body: &Value) -> Value {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name).expect("a name");
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let request = self
            .client
            .post(format!("http://{at}/graphql"))
            .headers(map);
        let request = request.header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await;
        json_of(response.expect("an answer")).await
    }

    async fn ask(&self, tenant: usize, query: &str) -> Value {
        let headers = self.tenants[tenant].headers();
        self.send(self.cached, &headers, &json!({ "query": query }))
            .await
    }
}

const NODE: &str = "id name tags note";

#[tokio::test]
async fn each_caller_sees_their_own_account_by_the_same_ids() {
    let world = TestGateway::start("").await;
    let list =
        format!("{{ assets(first: 30) {{ nodes {{ {NODE} }} sourceResults {{ status }} }} }}");
    for _ in 0..2 {
        let [anna, bert] = [world.ask(0, &list).await, world.ask(1, &list).await];
        for (answer, mark) in [(&anna, "anna's "), (&bert, "bert's! ")] {
            let nodes = answer["data"]["assets"]["nodes"]
                .as_array()
                .expect("assets");
            assert_eq!(nodes.len(), 30);
            for node in nodes {
                let name = node["name"].as_str().unwrap_or_default();
                assert!(name.starts_with(mark), "{node}");
            }
        }
    }
    for front in &world.fronts {
        assert_eq!(front.strange(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_missing_credential_fails_only_its_source() {
    let world = TestGateway::start("").await;
    let list = "{ assets(first: 5) { nodes { id } sourceResults { source { name credentialHeader } status error { code message } } } }";
    let mut headers = world.tenants[0].headers();
    headers.remove(1);
    let before = world.fronts[1].calls();
    let body = json!({ "query": list });
    let answer = world.send(world.cached, &headers, &body).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    let results = answer["data"]["assets"]["sourceResults"]
        .as_array()
        .expect("results");
    for result in results {
        let name = result["source"]["name"].as_str().expect("a name");
        assert_eq!(
            result["source"]["credentialHeader"],
            format!("x-asset-source-{name}")
        );
        let code = &result["error"]["code"];
        if name == "piktid" {
            assert_eq!(
                (&result["status"], code),
                (&json!("FAILED"), &json!("UNAUTHENTICATED"))
            );
            let message = result["error"]["message"].as_str().expect("a message");
            assert!(message.contains("x-asset-source-piktid"), "{message}");
        } else {
            assert_eq!(result["status"], "OK", "{result}");
        }
    }
    assert_eq!(
        world.fronts[1].calls(),
        before,
        "nobody was asked without a credential"
    );
    // Without any credential, and with one that the source refuses.
    let answer = world.send(world.cached, &[], &body).await;
    assert_eq!(error(&answer).0, "UNAUTHENTICATED");
    headers.push((
        "x-asset-source-piktid".to_owned(),
        "Bearer wrong".to_owned(),
    ));
    let answer = world.send(world.cached, &headers, &body).await;
    let refused = answer["data"]["assets"]["sourceResults"]
        .as_array()
        .expect("results");
    let refused = refused
        .iter()
        .find(|entry| entry["source"]["name"] == "piktid")
        .expect("piktid");
    assert_eq!(refused["error"]["code"], "UNAUTHENTICATED");
    assert!(!answer.to_string().contains("wrong"), "{answer}");
    // Reads by id, and writes.
    let id = URL_SAFE_NO_PAD.encode("a:piktid:x");
    for query in [
        format!("{{ asset(id: \"{id}\") {{ id }} }}"),
        format!("mutation {{ setAssetNote(input: {{assetId: \"{id}\", note: \"x\"}}) {{ errors {{ code }} }} }}"),
        format!("mutation {{ deleteAsset(input: {{assetId: \"{id}\"}}) {{ errors {{ code }} }} }}"),
        "mutation { uploadAsset(input: {source: \"piktid\", base64: \"iVBORw0KGgoAAAANSUhEUg==\"}) { errors { code } } }".to_owned(),
    ] {
        let answer = world.send(world.cached, &[], &json!({ "query": query })).await;
        assert!(answer.to_string().contains("UNAUTHENTICATED"), "{answer}");
    }
}

#[tokio::test]
async fn a_malformed_credential_is_refused() {
    let world = TestGateway::start("").await;
    let body = json!({ "query": "{ __typename }" });
    let piktid_header = |value: &str| ("x-asset-source-piktid".to_owned(), value.to_owned());
    for headers in [
        vec![piktid_header("Bearer a"), piktid_header("Bearer b")],
        vec![piktid_header("Bearer a, Bearer b")],
        vec![piktid_header("")],
        vec![piktid_header("Bearer \u{e9}")],
        vec![piktid_header(&"x".repeat(9_000))],
        vec![("x-asset-source-nobody".to_owned(), "Bearer a".to_owned())],
        vec![("x-asset-source-".to_owned(), "Bearer a".to_owned())],
        vec![(
            "x-asset-source-a/../b".replace('/', "_"),
            "Bearer a".to_owned(),
        )],
    ] {
        let answer = world.send(world.cached, &headers, &body).await;
        assert_eq!(error(&answer).0, "BAD_USER_INPUT", "{headers:?}");
        assert!(!answer.to_string().contains("Bearer a"), "{answer}");
    }
}

/// An account with single sign-on takes no keys, and may have several workspaces.
#[tokio::test]
async fn comfy_takes_a_token_and_a_workspace() {
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let (recorder, listener) = (
        Arc::clone(&seen),
        tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port"),
    );
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = async move |headers: HeaderMap| {
        recorder.lock().expect("no panic").push(headers);
        axum::Json(json!({ "assets": [], "total": 0, "has_more": false }))
    };
    let server = axum::Router::new().fallback(answer);
    let task = tokio::spawn(async move { axum::serve(listener, server).await });
    let (own, own_task) = started(&format!(
        "[sources.comfy]\nurl = \"{url}\"\ntoken = \"t-1\"\nworkspace = \"w-1\"\n"
    ))
    .await;
    let (callers, callers_task) = started(&format!(
        "[sources.comfy]\nurl = \"{url}\"\npassthrough = true\nworkspace = \"w-1\"\n"
    ))
    .await;
    let body = json!({ "query": "{ assets(first: 1) { nodes { id } isComplete } }" });
    let sent = |header: &str| {
        let seen = seen.lock().expect("no panic");
        let value = seen.last().and_then(|headers| headers.get(header));
        value.map(|value| value.to_str().expect("ASCII").to_owned())
    };
    let post = async |at: SocketAddr, credential: Option<&str>| {
        let mut request = client().post(format!("http://{at}/graphql"));
        request = request.header("content-type", "application/json");
        request = request.body(body.to_string());
        if let Some(credential) = credential {
            request = request.header("x-asset-source-comfy", credential);
        }
        let answer = json_of(request.send().await.expect("an answer")).await;
        assert_eq!(answer["data"]["assets"]["isComplete"], true, "{answer}");
    };
    for (at, credential, authorization, key) in [
        (own, None, Some("Bearer t-1"), None),
        (callers, Some("Bearer t-2"), Some("Bearer t-2"), None),
        (callers, Some("comfyui-3"), None, Some("comfyui-3")),
    ] {
        post(at, credential).await;
        assert_eq!(sent("authorization").as_deref(), authorization);
        assert_eq!(sent("x-api-key").as_deref(), key);
        assert_eq!(sent("x-comfy-workspace-id").as_deref(), Some("w-1"));
    }
    [own_task, callers_task].iter().for_each(JoinHandle::abort);
    task.abort();
}

#[tokio::test]
async fn equal_reads_share_a_call_within_one_caller_only() {
    let world = TestGateway::start("").await;
    let world = Arc::new(world);
    let gate = world.fronts[1].hold();
    let before = world.fronts[1].calls();
    let asking: Vec<_> = (0..12)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let query = "{ piktidAssets(first: 10) { nodes { name } } }";
                (number % 2, world.ask(number % 2, query).await)
            })
        })
        .collect();
    // Waits until each tenant has caused a call, then releases both calls.
    let both = async {
        while world.fronts[1].calls() < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("each of the two costs a call");
    gate.add_permits(100);
    for handle in asking {
        let (tenant, answer) = handle.await.expect("no panic");
        let mark = ["anna's ", "bert's! "][tenant];
        let nodes = answer["data"]["piktidAssets"]["nodes"]
            .as_array()
            .expect("assets");
        assert_eq!(nodes.len(), 10);
        for node in nodes {
            assert!(
                node["name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(mark)),
                "{node}"
            );
        }
    }
    assert_eq!(
        world.fronts[1].calls(),
        before + 2,
        "one call for each of the two"
    );
}

#[tokio::test]
async fn stale_answers_are_served_to_their_own_caller_only() {
    if crate::cache_modes::are_off() {
        return; // this test is about the caches
    }
    let world = TestGateway::start(ALWAYS_STALE).await;
    let list =
        "{ comfyAssets(first: 5) { nodes { name } sourceResults { status error { code } } } }";
    let first = world.ask(0, list).await;
    assert_eq!(
        first["data"]["comfyAssets"]["sourceResults"][0]["status"],
        "OK"
    );
    world.fronts[2].fail(1_000);
    let again = world.ask(0, list).await;
    assert_eq!(
        again["data"]["comfyAssets"]["nodes"],
        first["data"]["comfyAssets"]["nodes"]
    );
    let other_tenant = world.ask(1, list).await;
    assert_eq!(error(&other_tenant).0, "UPSTREAM_UNAVAILABLE");
    assert_eq!(other_tenant["data"]["comfyAssets"], Value::Null);
}

#[tokio::test]
async fn idempotency_keys_are_separate_for_each_caller() {
    let world = TestGateway::start("").await;
    let upload = async |tenant: usize| {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".to_vec();
        png.extend([tenant as u8; 100]);
        let query = "mutation($i: UploadAssetInput!) { uploadAsset(input: $i) { asset { id name } errors { code message } } }";
        let input = json!({ "source": "piktid", "idempotencyKey": "k", "file": null });
        let form = Form::new()
            .text(
                "operations",
                json!({ "query": query, "variables": { "i": input } }).to_string(),
            )
            .text("map", "{\"0\":[\"variables.i.file\"]}")
            .part("0", Part::bytes(png).file_name("a.png"));
        let mut request = world
            .client
            .post(format!("http://{}/graphql", world.cached));
        for (name, value) in world.tenants[tenant].headers() {
            request = request.header(name, value);
        }
        let request = request
            .header("graphql-require-preflight", "1")
            .multipart(form);
        let text = request
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("text");
        serde_json::from_str::<Value>(&text).expect("JSON")["data"]["uploadAsset"].clone()
    };
    let (anna, bert) = (upload(0).await, upload(1).await);
    assert_eq!(anna["errors"], json!([]), "{anna}");
    assert_eq!(bert["errors"], json!([]), "{bert}");
    assert_ne!(anna["asset"]["id"], bert["asset"]["id"]);
    assert_eq!(
        upload(0).await["asset"]["id"],
        anna["asset"]["id"],
        "told again"
    );
    // The same for bulk deletes.
    let delete = async |tenant: usize, id: &str| {
        let query = format!(
            "mutation {{ bulkDeleteAssets(input: {{assetIds: [\"{id}\"], idempotencyKey: \"d\"}}) {{ deletedIds errors {{ code }} }} }}"
        );
        world.ask(tenant, &query).await["data"]["bulkDeleteAssets"].clone()
    };
    let (own, others) = (&anna["asset"]["id"], &bert["asset"]["id"]);
    let own = own.as_str().expect("an id");
    assert_eq!(delete(0, own).await["deletedIds"], json!([own]));
    let read_query = format!("{{ asset(id: {others}) {{ id }} }}");
    assert_eq!(
        world.ask(1, &read_query).await["data"]["asset"]["id"],
        *others
    );
    let repeated = delete(1, own).await;
    assert_ne!(
        repeated["deletedIds"],
        json!([own]),
        "it is not told what another deleted"
    );
}

// === Random interleavings ===

/// An action of a caller.
#[derive(Debug, Clone)]
enum Act {
    /// A query of one shape, varied by a number.
    Read { shape: usize, number: usize },
    /// Sets the note of one of the caller's assets.
    Note {
        source: usize,
        number: usize,
        text: u8,
    },
    Tag {
        source: usize,
        number: usize,
        add: bool,
    },
}

#[derive(Debug, Clone)]
struct Step {
    /// Concurrent actions, each with its tenant.
    acts: Vec<(usize, Act)>,
    /// The source that fails, and the number of its failing calls.
    fail: Option<(usize, usize)>,
}

const SHAPES: usize = 17;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..SHAPES, 0..4_usize).prop_map(|(shape, number)| Act::Read { shape, number }),
        1 => (0..3_usize, 0..6_usize, 0..3_u8)
            .prop_map(|(source, number, text)| Act::Note { source, number, text }),
        1 => (0..3_usize, 0..6_usize, any::<bool>())
            .prop_map(|(source, number, add)| Act::Tag { source, number, add }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fail = prop_oneof![3 => Just(None), 1 => (0..3_usize, 3..16_usize).prop_map(Some)];
    let acts = prop::collection::vec((0..2_usize, act()), 1..6);
    let step = (acts, fail).prop_map(|(acts, fail)| Step { acts, fail });
    prop::collection::vec(step, 2..7)
}

/// Ids that both accounts have, by source.
fn shared(world: &TestGateway) -> [Vec<String>; 3] {
    let ids_of = |tenant: &Tenant, source: usize| -> Vec<String> {
        let store = &tenant.sandbox.store;
        match source {
            0 => store
                .scenario()
                .iter()
                .filter(|own| own.deleted.is_none() && own.owner_id == "proj_sandbox")
                .map(|own| own.id.clone())
                .collect(),
            1 => store
                .piktid()
                .iter()
                .filter(|own| own.visibility == "private")
                .map(|own| own.id.clone())
                .collect(),
            _ => store
                .comfy()
                .iter()
                .filter(|own| !own.is_immutable && !own.is_public)
                .map(|own| own.id.clone())
                .collect(),
        }
    };
    [0, 1, 2].map(|source| {
        let others = ids_of(&world.tenants[1], source);
        let own = ids_of(&world.tenants[0], source).into_iter();
        own.filter(|id| others.contains(id)).take(6).collect()
    })
}

fn global(ids: &[Vec<String>; 3], source: usize, number: usize) -> String {
    let upstream_id = &ids[source][number % ids[source].len()];
    URL_SAFE_NO_PAD.encode(format!("a:{}:{upstream_id}", SOURCES[source]))
}

/// The query of a shape.
fn query(ids: &[Vec<String>; 3], shape: usize, number: usize) -> String {
    let size = [1, 3, 20, 50][number];
    let source = number % 3;
    let id = global(ids, source, number);
    let id_list = [0, 1, 2]
        .map(|source| format!("\"{}\"", global(ids, source, number)))
        .join(",");
    let page_fields = "sourceResults { status totalCount } pageInfo { hasNextPage endCursor }";
    match shape {
        0 => {
            format!("{{ assets(first: {size}) {{ nodes {{ {NODE} }} totalCount {page_fields} }} }}")
        }
        1 => {
            format!(
                "{{ assets(last: {size}) {{ edges {{ cursor node {{ {NODE} }} }} {page_fields} }} }}"
            )
        }
        2 => format!(
            "{{ assets(first: {size}, filter: {{tagsAny: [\"favourite\", \"person\"]}}) {{ nodes {{ {NODE} }} {page_fields} }} }}"
        ),
        3 => format!(
            "{{ assets(first: {size}, filter: {{nameContains: \"s\"}}) {{ nodes {{ {NODE} }} {page_fields} }} }}"
        ),
        4 => format!("{{ scenarioAssets(first: {size}) {{ nodes {{ {NODE} }} {page_fields} }} }}"),
        5 => {
            format!(
                "{{ piktidAssets(first: {size}) {{ nodes {{ {NODE} }} totalCount {page_fields} }} }}"
            )
        }
        6 => format!(
            "{{ comfyAssets(first: {size}) {{ nodes {{ {NODE} }} totalCount {page_fields} }} }}"
        ),
        7 => format!("{{ asset(id: \"{id}\") {{ {NODE} }} }}"),
        8 => format!("{{ node(id: \"{id}\") {{ ... on Asset {{ {NODE} }} }} }}"),
        9 => format!("{{ nodes(ids: [{id_list}]) {{ ... on Asset {{ {NODE} }} }} }}"),
        10 => format!(
            "{{ assets(first: {size}) {{ nodes {{ {NODE} preview {{ {NODE} }} parent {{ {NODE} }} }} {page_fields} }} }}"
        ),
        11 => format!(
            "{{ asset(id: \"{}\") {{ {NODE} children(first: 5) {{ nodes {{ {NODE} }} {page_fields} }} }} }}",
            global(ids, 0, number)
        ),
        12 => format!(
            "{{ _entities(representations: [{{__typename: \"Asset\", id: \"{id}\"}}]) {{ ... on Asset {{ {NODE} }} }} }}"
        ),
        13 => format!(
            "{{ assets(first: {size}, filter: {{search: \"harbour\"}}) {{ nodes {{ {NODE} }} {page_fields} }} }}"
        ),
        14 => format!(
            "{{ assets(first: {size}, filter: {{sources: [\"scenario\", \"comfy\"]}}, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{ nodes {{ {NODE} }} {page_fields} }} }}"
        ),
        15 => format!(
            "{{ comfyAssets(first: {size}, orderBy: {{field: NAME, direction: ASC}}) {{ nodes {{ {NODE} }} {page_fields} }} }}"
        ),
        _ => format!(
            "{{ asset(id: \"{}\") {{ {NODE} details {{ ... on ScenarioDetails {{ embedding }} }} }} }}",
            global(ids, 0, number)
        ),
    }
}

fn mutation(ids: &[Vec<String>; 3], act: &Act) -> Option<String> {
    Some(match act {
        Act::Read { .. } => return None,
        Act::Note {
            source,
            number,
            text,
        } => {
            let id = global(ids, *source, *number);
            format!(
                "mutation {{ setAssetNote(input: {{assetId: \"{id}\", note: \"note {text}\"}}) {{ asset {{ {NODE} }} errors {{ code }} }} }}"
            )
        }
        Act::Tag {
            source,
            number,
            add,
        } => {
            let id = global(ids, *source, *number);
            let field = if *add {
                "addAssetTags"
            } else {
                "removeAssetTags"
            };
            format!(
                "mutation {{ {field}(input: {{assetIds: [\"{id}\"], tags: [\"person\"]}}) {{ assets {{ {NODE} }} errors {{ code }} }} }}"
            )
        }
    })
}

/// Collects every asset of an answer, with the fields of `NODE`.
fn assets(answer: &Value, found: &mut Vec<Value>) {
    match answer {
        Value::Object(fields) => {
            if fields.contains_key("tags") {
                let shown = ["id", "name", "tags", "note"]
                    .map(|name| (name.to_owned(), fields[name].clone()));
                found.push(Value::Object(shown.into_iter().collect()));
            }
            fields.values().for_each(|value| assets(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| assets(item, found)),
        _ => {}
    }
}

/// Whether no part of an answer failed.
fn is_whole(answer: &Value) -> bool {
    answer.get("errors").is_none() && !answer.to_string().contains("FAILED")
}

/// The data, with `STALE` as `OK`: statuses say how an answer was made, not its content.
fn content(answer: &Value) -> Value {
    let mut text = answer["data"].to_string();
    text = text.replace("\"STALE\"", "\"OK\"");
    serde_json::from_str(&text).expect("JSON")
}

async fn walk(
    world: &TestGateway,
    ids: &[Vec<String>; 3],
    steps: &[Step],
    seen: &mut Seen,
) -> Result<(), TestCaseError> {
    for step in steps {
        let writes: Vec<_> = step
            .acts
            .iter()
            .filter_map(|(tenant, act)| Some((*tenant, mutation(ids, act)?)))
            .collect();
        let reads: Vec<_> = step
            .acts
            .iter()
            .filter_map(|(tenant, act)| match act {
                Act::Read { shape, number } => Some((*tenant, query(ids, *shape, *number))),
                _ => None,
            })
            .collect();
        let expected = async || {
            let mut collected = Vec::new();
            for (tenant, query) in &reads {
                let headers = world.tenants[*tenant].headers();
                collected.push(
                    world
                        .send(world.uncached, &headers, &json!({ "query": query }))
                        .await,
                );
            }
            collected
        };
        let before = expected().await;
        if let Some((source, times)) = step.fail {
            world.fronts[source].fail(times);
        }
        let (answers, written) = tokio::join!(
            join_all(
                reads
                    .iter()
                    .map(|(tenant, query)| world.ask(*tenant, query))
            ),
            // In sequence: concurrent changes of one asset have no single correct order.
            async {
                let mut collected = Vec::new();
                for (tenant, query) in &writes {
                    collected.push((*tenant, world.ask(*tenant, query).await));
                }
                collected
            }
        );
        for front in &world.fronts {
            front.fail(0);
        }
        let after = expected().await;
        for ((((tenant, query), answer), before), after) in
            reads.iter().zip(&answers).zip(&before).zip(&after)
        {
            let is_valid = !before.to_string().contains("GRAPHQL_VALIDATION_FAILED");
            prop_assert!(is_valid, "{}: {}", query, before);
            // Reads may or may not show a write of the same step.
            let (mut shown, mut right) = (Vec::new(), Vec::new());
            assets(answer, &mut shown);
            assets(before, &mut right);
            assets(after, &mut right);
            seen.stale += usize::from(answer.to_string().contains("STALE"));
            seen.failed += usize::from(!is_whole(answer));
            if writes.is_empty() && is_whole(answer) {
                prop_assert_eq!(
                    content(answer),
                    content(before),
                    "{} asked {}",
                    tenant,
                    query
                );
                seen.whole += 1;
            }
            let mark = ["anna's ", "bert's! "][*tenant];
            for asset in &shown {
                let name = asset["name"].as_str().unwrap_or_default();
                prop_assert!(
                    name.starts_with(mark),
                    "{} was shown {} by {}",
                    tenant,
                    asset,
                    query
                );
                // A page with a failed source reaches further into the other sources.
                if is_whole(answer) && step.fail.is_none() && writes.is_empty() {
                    prop_assert!(
                        right.contains(asset),
                        "{} was shown {} by {}",
                        tenant,
                        asset,
                        query
                    );
                }
            }
        }
        for (tenant, answer) in &written {
            let mut shown = Vec::new();
            assets(answer, &mut shown);
            for asset in shown {
                let mark = ["anna's ", "bert's! "][*tenant];
                prop_assert!(
                    asset["name"]
                        .as_str()
                        .is_some_and(|name| name.starts_with(mark)),
                    "{}",
                    asset
                );
            }
        }
        // No caller may get an answer older than a finished write.
        let now = join_all(
            reads
                .iter()
                .map(|(tenant, query)| world.ask(*tenant, query)),
        )
        .await;
        for (((tenant, query), answer), after) in reads.iter().zip(&now).zip(&after) {
            if is_whole(answer) {
                prop_assert_eq!(
                    content(answer),
                    content(after),
                    "{} asked {} again",
                    tenant,
                    query
                );
                seen.whole += 1;
            }
        }
    }
    Ok(())
}

/// Numbers of answers, to show that the walks tested something.
#[derive(Debug, Default)]
struct Seen {
    whole: usize,
    failed: usize,
    stale: usize,
}

/// Runs random walks over one world and returns the numbers of answers.
fn walks(cache: &str) -> Seen {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (world, ids) = runtime.block_on(async {
        let world = TestGateway::start(cache).await;
        let ids = shared(&world);
        (world, ids)
    });
    let seen = std::cell::RefCell::new(Seen::default());
    // By chance, most answers may fail: a run with too few whole answers continues.
    for _ in 0..5 {
        // A runner cannot run again after its cases.
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 16,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let run = runner.run(&steps(), |steps| {
            runtime.block_on(walk(&world, &ids, &steps, &mut seen.borrow_mut()))
        });
        if let Err(failure) = run {
            panic!("{failure}");
        }
        if seen.borrow().whole > 50 {
            break;
        }
    }
    runtime.block_on(async move { drop(world) });
    let seen = seen.into_inner();
    assert!(seen.whole > 50, "{seen:?}");
    seen
}

#[test]
fn two_tenants_never_see_each_others_assets_while_stale_ones_are_served() {
    walks(ALWAYS_STALE);
}

#[test]
fn two_tenants_never_see_each_others_assets_while_sources_fail() {
    let seen = walks(FOR_ERRORS);
    assert!(seen.stale + seen.failed > 0, "something failed: {seen:?}");
}
