//! Runs minutes of mixed traffic with random faults, asserts invariants, and measures two ratios.
//! By hand: `cargo bench --bench soak` (`SOAK_SECONDS=600` for longer).
#![allow(clippy::print_stdout, reason = "the bench prints a report")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/harness.rs"]
mod harness;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use asset_gateway::{
    asset::{Provider, SourceName},
    config::Config,
    providers::scenario::config::{PublicEndpoint, ScenarioCredential, ScenarioSettings},
    sandbox::{Emulator, Fault, Options, Rule, Sandbox},
    server::{self, Gateway},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use futures_util::future::join_all;
use harness::ask_at;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, time::Instant};

/// Number of concurrent clients.
const WORKERS: u64 = 16;
/// The circuit breaker's pause (README), and a margin.
const INTERVAL: Duration = Duration::from_secs(6);
/// All error codes (`AssetErrorCode` and the transport's).
const CODES: [&str; 24] = [
    "BAD_USER_INPUT",
    "BAD_CURSOR",
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "CONFLICT",
    "IN_USE",
    "IMMUTABLE",
    "UNSUPPORTED_BY_SOURCE",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "RATE_LIMITED",
    "PAYMENT_REQUIRED",
    "UPSTREAM_TIMEOUT",
    "UPSTREAM_UNAVAILABLE",
    "UPSTREAM_REJECTED",
    "UPSTREAM_PROTOCOL",
    "UNKNOWN_OUTCOME",
    "LIMIT_EXCEEDED",
    "INTERNAL",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "PERSISTED_QUERY_NOT_FOUND",
    "NONE",
];

/// A pseudo-random generator; the same seed gives the same numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct World {
    sandbox: Sandbox,
    address: SocketAddr,
}

impl World {
    async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        let environment = sandbox.variables().into_iter().collect();
        let mut config = Config::load(None, &environment).expect("a configuration");
        configure(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let gateway = Gateway::new(config, address).expect("a gateway");
        tokio::spawn(
            async move { server::serve(listener, &gateway, std::future::pending()).await },
        );
        Self { sandbox, address }
    }

    fn emulators(&self) -> [&Emulator; 3] {
        [
            &self.sandbox.scenario,
            &self.sandbox.piktid,
            &self.sandbox.comfy,
        ]
    }

    async fn ask(&self, query: &str) -> Value {
        ask_at(self.address, query).await
    }
}

/// Collects the codes in a response: those of errors, payloads and sources.
fn codes(response: &Value, found: &mut Vec<String>) {
    match response {
        Value::Object(fields) => {
            if fields.contains_key("message") && !fields.contains_key("code") {
                let code = response.pointer("/extensions/code").and_then(Value::as_str);
                found.push(code.unwrap_or("an error without a code").to_owned());
            }
            if let Some(Value::String(code)) = fields.get("code") {
                found.push(code.clone());
            }
            fields.values().for_each(|value| codes(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| codes(value, found)),
        _ => {}
    }
}

fn inject_fault(dice: &mut Dice, emulator: &Emulator) {
    emulator.faults.clear();
    let answer = |status, content_type, body: &str| Fault::Answer {
        status,
        content_type,
        body: body.to_owned(),
    };
    let fault = match dice.roll(12) {
        0 => Fault::Reset,
        1 => Fault::Lose,
        2 => answer(500, "text/plain", ""),
        3 => answer(502, "text/html", "<html>"),
        4 => Fault::Unavailable("1"),
        5 => answer(429, "text/plain", ""),
        6 => answer(200, "application/json", "{\"assets\": [{"),
        7 => answer(200, "application/json", "[]"),
        // Holds calls until half a second has passed.
        8 => {
            let gate = Arc::new(Semaphore::new(0));
            let delayed_gate = Arc::clone(&gate);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                delayed_gate.add_permits(10_000);
            });
            Fault::Hold(gate)
        }
        _ => return,
    };
    let times = 1 + dice.roll(40) as usize;
    emulator.faults.push(Rule {
        beginning: String::new(),
        times: Some(times),
        fault,
    });
}

/// Returns a private asset's id under the source that reads with the public token.
fn foreign_scope_id(world: &World, dice: &mut Dice) -> String {
    let store = world.sandbox.store.scenario();
    let private_ids: Vec<&str> = store
        .iter()
        .filter(|asset| asset.privacy == "private")
        .map(|asset| &*asset.id)
        .collect();
    let id = private_ids[dice.roll(private_ids.len() as u64) as usize];
    URL_SAFE_NO_PAD.encode(format!("a:everybody:{id}"))
}

async fn random_operation(world: &World, dice: &mut Dice, ids: &[String]) -> Vec<Value> {
    let id = |dice: &mut Dice| ids[dice.roll(ids.len() as u64) as usize].clone();
    let asset_id = id(dice);
    let page_fields = "nodes { id name tags } pageInfo { hasNextPage endCursor } \
                sourceResults { status error { code message } }";
    match dice.roll(8) {
        0 | 1 => {
            let first = world.ask(&format!("{{ assets(first: 30) {{ {page_fields} }} }}")).await;
            let cursor = first.pointer("/data/assets/pageInfo/endCursor").and_then(Value::as_str);
            let next = match cursor {
                Some(cursor) => {
                    let query = format!("{{ assets(first: 30, after: \"{cursor}\") {{ {page_fields} }} }}");
                    Some(world.ask(&query).await)
                }
                None => None,
            };
            std::iter::once(first).chain(next).collect()
        }
        2 => vec![world.ask(&format!("{{ assets(last: 10, filter: {{search: \"fox\"}}) {{ {page_fields} }} }}")).await],
        3 => {
            let other_scope = foreign_scope_id(world, dice);
            let query = format!(
                "{{ own: asset(id: \"{asset_id}\") {{ id note }} other: asset(id: \"{other_scope}\") {{ id }} }}"
            );
            let answer = world.ask(&query).await;
            let (same_scope, other_scope) = (&answer["data"]["own"], &answer["data"]["other"]);
            assert!(same_scope.is_null() || same_scope["id"] == asset_id, "wrong asset: {answer}");
            assert!(other_scope.is_null(), "asset of another scope: {answer}");
            vec![answer]
        }
        4 => {
            let sample_ids: Vec<String> = (0..8).map(|_| id(dice)).collect();
            vec![world.ask(&format!("{{ nodes(ids: {}) {{ id }} }}", json!(sample_ids))).await]
        }
        5 => vec![world.ask(&format!(
            "mutation {{ addAssetTags(input: {{assetIds: [\"{asset_id}\"], tags: [\"model\"]}}) {{ errors {{ code message }} }} }}"
        )).await],
        6 => vec![world.ask(&format!(
            "mutation {{ setAssetNote(input: {{assetId: \"{asset_id}\", note: \"{}\"}}) {{ errors {{ code message }} }} }}",
            dice.roll(1_000)
        )).await],
        _ => {
            let source = ["scenario", "piktid", "comfy"][dice.roll(3) as usize];
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".to_vec();
            bytes.extend(dice.roll(1 << 30).to_le_bytes());
            let created = world.ask(&format!(
                "mutation {{ uploadAsset(input: {{source: \"{source}\", base64: \"{}\"}}) \
                 {{ asset {{ id }} errors {{ code message }} }} }}",
                STANDARD.encode(&bytes)
            )).await;
            let id = created.pointer("/data/uploadAsset/asset/id").and_then(Value::as_str);
            let deleted = match id {
                Some(id) => {
                    let query = format!("mutation {{ deleteAsset(input: {{assetId: \"{id}\"}}) {{ errors {{ code message }} }} }}");
                    Some(world.ask(&query).await)
                }
                None => None,
            };
            std::iter::once(created).chain(deleted).collect()
        }
    }
}

/// Returns the memory in use in MiB, and the number of open descriptors.
fn resource_usage() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.split_whitespace().next());
    let kib: u64 = kib.and_then(|text| text.parse().ok()).unwrap_or(0);
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    (kib / 1024, descriptors)
}

async fn soak(seconds: u64) {
    let panics = Arc::new(AtomicUsize::new(0));
    let panic_count = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |panic| {
        panic_count.fetch_add(1, Ordering::SeqCst);
        println!("PANIC: {panic}");
    }));
    let world = Arc::new(
        World::start(|config| {
            // A second source for the same upstream, with another credential.
            let mut sources = config.sources.iter();
            let scenario = sources.find(|source| source.common.provider == Provider::Scenario);
            let mut public_source = scenario.expect("a Scenario source").clone();
            public_source.common.name = SourceName::parse("everybody").expect("a name");
            public_source.settings = Arc::new(ScenarioSettings {
                credential: ScenarioCredential::Public,
                project_id: None,
                public_endpoint: PublicEndpoint::Assets,
            });
            config.sources.push(public_source);
            for source in &mut config.sources {
                source.common.attempt = Duration::from_secs(2);
            }
            config.limits.mutation_deadline = Duration::from_secs(8);
        })
        .await,
    );
    let list = world.ask("{ assets(first: 100) { nodes { id } } }").await;
    let ids = list["data"]["assets"]["nodes"]
        .as_array()
        .expect("assets")
        .iter();
    let ids: Arc<Vec<String>> = Arc::new(
        ids.filter_map(|n| n["id"].as_str().map(str::to_owned))
            .collect(),
    );
    let is_over = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicU64::new(0));
    let workers = (0..WORKERS).map(|number| {
        let (world, ids) = (Arc::clone(&world), Arc::clone(&ids));
        let (is_over, answers) = (Arc::clone(&is_over), Arc::clone(&answers));
        tokio::spawn(async move {
            let mut dice = Dice(number + 1);
            while !is_over.load(Ordering::SeqCst) {
                for answer in random_operation(&world, &mut dice, &ids).await {
                    let mut found = Vec::new();
                    codes(&answer, &mut found);
                    for code in found {
                        assert!(CODES.contains(&&*code), "{code} in {answer}");
                        assert_ne!(code, "INTERNAL", "{answer}");
                    }
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut dice = Dice(99);
    let began = Instant::now();
    let mut early = None;
    while began.elapsed() < Duration::from_secs(seconds) {
        for emulator in world.emulators() {
            inject_fault(&mut dice, emulator);
            // A growing record would look like a leak.
            emulator.recorder.clear();
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        if early.is_none() && began.elapsed() > Duration::from_secs(seconds / 3) {
            early = Some(resource_usage());
        }
    }
    let (early, late) = (early.unwrap_or_else(resource_usage), resource_usage());
    for emulator in world.emulators() {
        emulator.faults.clear();
    }
    let recovery_start = Instant::now();
    loop {
        let page = world
            .ask("{ assets(first: 1) { sourceResults { status } } }")
            .await;
        let rows = page
            .pointer("/data/assets/sourceResults")
            .and_then(Value::as_array);
        if rows.is_some_and(|list| list.len() == 4 && list.iter().all(|s| s["status"] == "OK")) {
            break;
        }
        assert!(recovery_start.elapsed() < INTERVAL, "not recovered: {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let recovered = recovery_start.elapsed();
    is_over.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.expect("every response is valid");
    }
    assert_eq!(panics.load(Ordering::SeqCst), 0, "panics");
    println!(
        "soak: {seconds} s, {} answers, errors typed, scopes apart, no panic; memory {} to {} MiB, \
         descriptors {} to {} (since a third of the time); recovered after {:.1} s",
        answers.load(Ordering::SeqCst),
        early.0,
        late.0,
        early.1,
        late.1,
        recovered.as_secs_f64()
    );
    assert!(late.0 < early.0 + 64, "memory grows");
    assert!(late.1 < early.1 + 64, "descriptors grow");
}

/// Measures how much longer than its patience a page takes when one of three sources hangs.
async fn hanging() {
    let patience = Duration::from_millis(500);
    let world = World::start(|config| {
        config.cache.freshness.page_fresh = Duration::ZERO;
        for source in &mut config.sources {
            source.common.patience = patience;
        }
    })
    .await;
    let gate = Arc::new(Semaphore::new(0));
    world
        .sandbox
        .piktid
        .faults
        .add("GET /assets", Fault::Hold(Arc::clone(&gate)));
    let query = "{ assets(first: 20) { nodes { id name } sourceResults { status } } }";
    let mut times = Vec::new();
    for _ in 0..25 {
        let requests = (0..8).map(|_| async {
            let began = Instant::now();
            let answer = world.ask(query).await;
            assert!(
                answer["data"]["assets"]["nodes"][0]["id"].is_string(),
                "{answer}"
            );
            began.elapsed()
        });
        times.extend(join_all(requests).await);
    }
    times.sort();
    let percentile = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "one of three sources hangs, patience {} ms: p50 {:.0} ms, p99 {:.0} ms over {} pages",
        patience.as_millis(),
        percentile(50),
        percentile(99),
        times.len()
    );
    gate.close();
}

/// Compares the calls to a source that always fails with the calls before its failure.
async fn failing() {
    let world = World::start(|config| config.cache.freshness.page_fresh = Duration::ZERO).await;
    let query = "{ assets(first: 20) { nodes { id } } }";
    let calls_per_page = async |seconds: u64| {
        world.sandbox.piktid.recorder.clear();
        let (began, mut pages) = (Instant::now(), 0_usize);
        while began.elapsed() < Duration::from_secs(seconds) {
            world.ask(query).await;
            pages += 1;
        }
        world.sandbox.piktid.recorder.calls().len() as f64 / pages as f64
    };
    let normal = calls_per_page(3).await;
    world.sandbox.piktid.faults.add("GET /assets", Fault::Reset);
    calls_per_page(1).await;
    let open = calls_per_page(12).await;
    println!(
        "a failing source: {:.2} calls per page before, {:.4} with an open circuit: {:.2} %",
        normal,
        open,
        open / normal * 100.0
    );
}

fn main() {
    // `cargo bench` passes its harness's flags, which this bench ignores.
    let seconds = std::env::var("SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        hanging().await;
        failing().await;
        soak(seconds.unwrap_or(120)).await;
    });
}
