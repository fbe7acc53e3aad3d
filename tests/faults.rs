//! The fault matrix: every fault at every provider in every operation, over the wire, through a
//! proxy in front of the sandbox. The expected result of a cell follows from the fault and the
//! operation. `target/tmp/fault-matrix.md` has one row per cell.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/harness.rs"]
mod harness;
#[path = "support/proxy.rs"]
mod proxy;

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use asset_gateway::{
    asset::SourceName,
    config::Config,
    sandbox::{ComfyAsset, Options, PiktidAsset, Sandbox, ScenarioAsset, Seed},
    server::{self, Gateway},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use futures_util::{StreamExt, stream};
use harness::ask_at;
use proxy::{CallFilter, Misbehaviour, Proxy};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refused,
    NoSuchHost,
    NoTls,
    At(Misbehaviour),
}

const JSON: &str = "content-type: application/json\r\n";
/// Comfy Cloud's refusal of an account without a plan.
const PLAN: &str = r#"{"error":{"type":"CLOUD_SUBSCRIPTION_REQUIRED","message":"no plan"}}"#;
const WRONG: &str = r#"{"assets": 7, "asset": [], "pagination": 1, "total": "x", "id": 5, "hits": {}, "upload_url": 3, "upload": 1, "deleted_count": "x", "failed_ids": 2}"#;

/// Every fault, by name.
const FAULTS: [(&str, Fault); 22] = [
    ("connection refused", Fault::Refused),
    ("DNS failure", Fault::NoSuchHost),
    ("TLS failure", Fault::NoTls),
    ("accept and hang", Fault::At(Misbehaviour::Hang)),
    ("reset before headers", Fault::At(Misbehaviour::ResetBefore)),
    ("reset during headers", Fault::At(Misbehaviour::ResetDuring)),
    ("reset after headers", Fault::At(Misbehaviour::ResetAfter)),
    ("slow drip", Fault::At(Misbehaviour::Drip)),
    ("500", Fault::At(Misbehaviour::Says(500, JSON, "{}"))),
    (
        "502 HTML",
        Fault::At(Misbehaviour::Says(
            502,
            "content-type: text/html\r\n",
            "<html>bad gateway</html>",
        )),
    ),
    ("503", Fault::At(Misbehaviour::Says(503, "", ""))),
    (
        "503 Retry-After",
        Fault::At(Misbehaviour::Says(503, "retry-after: 1\r\n", "")),
    ),
    ("429", Fault::At(Misbehaviour::Says(429, "", ""))),
    (
        "429 of a plan",
        Fault::At(Misbehaviour::Says(429, JSON, PLAN)),
    ),
    (
        "429 Retry-After",
        Fault::At(Misbehaviour::Says(429, "retry-after: 1\r\n", "")),
    ),
    (
        "429 Retry-After too long",
        Fault::At(Misbehaviour::Says(429, "retry-after: 600\r\n", "")),
    ),
    (
        "401 mid-life",
        Fault::At(Misbehaviour::Says(401, JSON, "{}")),
    ),
    (
        "204 where a body is due",
        Fault::At(Misbehaviour::Says(204, "", "")),
    ),
    (
        "truncated JSON",
        Fault::At(Misbehaviour::Says(200, JSON, "{\"assets\": [{\"id\": \"a")),
    ),
    (
        "wrong types",
        Fault::At(Misbehaviour::Says(200, JSON, WRONG)),
    ),
    ("64 MiB body", Fault::At(Misbehaviour::Endless)),
    (
        "redirect loop",
        Fault::At(Misbehaviour::Says(302, "location: /\r\n", "")),
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    List,
    Get,
    Batch,
    Tags,
    Note,
    Upload,
    Delete,
    BulkDelete,
}

const OPERATIONS: [(&str, Operation); 8] = [
    ("list", Operation::List),
    ("get", Operation::Get),
    ("batch", Operation::Batch),
    ("tags", Operation::Tags),
    ("note", Operation::Note),
    ("upload", Operation::Upload),
    ("delete", Operation::Delete),
    ("bulk delete", Operation::BulkDelete),
];

const PROVIDERS: [&str; 3] = ["scenario", "piktid", "comfy"];

/// The expected result of a cell.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// This error code, after this number of calls.
    Code(&'static str, std::ops::RangeInclusive<usize>),
    /// The cell cannot exist, for this reason.
    Cannot(&'static str),
}

impl Operation {
    const fn is_read(self) -> bool {
        matches!(self, Self::List | Self::Get | Self::Batch)
    }

    const fn is_delete(self) -> bool {
        matches!(self, Self::Delete | Self::BulkDelete)
    }

    /// The number of assets at the faulty source that the operation names.
    const fn assets(self) -> usize {
        match self {
            Self::Batch | Self::BulkDelete => 2,
            _ => 1,
        }
    }
}

/// The rules of docs/reliability.md and docs/errors.md.
#[expect(
    clippy::match_same_arms,
    reason = "a rule a line, in the order of the faults"
)]
fn expected(fault: Fault, provider: &str, operation: Operation) -> Expected {
    use Expected::{Cannot, Code};
    // Calls without retries: one for each asset where there is no batch.
    let has_batch = match operation {
        Operation::Batch => provider == "scenario",
        Operation::BulkDelete => provider != "comfy",
        _ => true,
    };
    let once = if has_batch { 1 } else { operation.assets() };
    let thrice = once * 3;
    // These changes are idempotent. After an unknown outcome, the gateway reads the asset, and
    // sends the change again if it did not arrive.
    let settles = matches!(
        operation,
        Operation::Tags | Operation::Note | Operation::Delete | Operation::BulkDelete
    );
    let unknown = if settles { once * 2 } else { once };
    let says = match fault {
        // No request reaches the proxy.
        Fault::Refused | Fault::NoSuchHost | Fault::NoTls => {
            return Code("UPSTREAM_UNAVAILABLE", 0..=0);
        }
        Fault::At(how) => how,
    };
    let is_read = operation.is_read();
    match says {
        Misbehaviour::Hang | Misbehaviour::Drip if is_read => {
            Code("UPSTREAM_TIMEOUT", thrice..=thrice)
        }
        Misbehaviour::ResetBefore | Misbehaviour::ResetDuring | Misbehaviour::ResetAfter
            if is_read =>
        {
            Code("UPSTREAM_UNAVAILABLE", thrice..=thrice)
        }
        // PiktID's call for an upload address has no visible effect, but it is not a read.
        Misbehaviour::Hang
        | Misbehaviour::Drip
        | Misbehaviour::ResetBefore
        | Misbehaviour::ResetDuring
        | Misbehaviour::ResetAfter => Code("UNKNOWN_OUTCOME", unknown..=unknown),
        Misbehaviour::Says(429, _, body) if provider == "comfy" && body == PLAN => {
            Code("PAYMENT_REQUIRED", once..=once)
        }
        Misbehaviour::Says(429, header, _) if header.contains("600") => {
            Code("RATE_LIMITED", once..=once)
        }
        Misbehaviour::Says(429, ..) if is_read => Code("RATE_LIMITED", thrice..=thrice),
        // The gateway never sends a file twice.
        Misbehaviour::Says(429, ..) if operation == Operation::Upload && provider != "piktid" => {
            Code("RATE_LIMITED", 1..=1)
        }
        // The gateway waits a second before each retry, as long as there is time.
        Misbehaviour::Says(429, ..) => Code("RATE_LIMITED", once * 2..=once * 7),
        Misbehaviour::Says(500..=599, ..) if is_read => {
            Code("UPSTREAM_UNAVAILABLE", thrice..=thrice)
        }
        Misbehaviour::Says(500..=599, ..)
            if operation == Operation::Upload && provider != "piktid" =>
        {
            Code("UNKNOWN_OUTCOME", 1..=1)
        }
        Misbehaviour::Says(500..=599, ..) => Code("UPSTREAM_UNAVAILABLE", once..=once),
        Misbehaviour::Says(401, ..) => Code("UNAUTHENTICATED", once..=once),
        Misbehaviour::Says(302, ..) => Code("UPSTREAM_PROTOCOL", once..=once),
        Misbehaviour::Endless if is_read => Code("UPSTREAM_PROTOCOL", once..=once),
        Misbehaviour::Endless => Code("UNKNOWN_OUTCOME", unknown..=unknown),
        Misbehaviour::Says(200..=299, ..) if is_read => Code("UPSTREAM_PROTOCOL", once..=once),
        Misbehaviour::Says(204, ..) if operation.is_delete() && provider == "comfy" => {
            Cannot("a delete's answer at Comfy has no body: its 2xx is all it says")
        }
        // The answer holds no upload address; the file was not sent.
        Misbehaviour::Says(200..=299, ..)
            if operation == Operation::Upload && provider == "piktid" =>
        {
            Code("UPSTREAM_PROTOCOL", 1..=1)
        }
        // The answer reports success, but the asset read back contradicts it.
        Misbehaviour::Says(200..=299, ..) => Code("UNKNOWN_OUTCOME", once..=once),
        Misbehaviour::Says(..) => unreachable!("no such status in the table"),
    }
}

/// Matches the calls of the operation that the fault applies to.
fn faulty_calls(provider: &'static str, operation: Operation) -> CallFilter {
    let assets = match provider {
        "scenario" => "/v1/assets",
        "piktid" => "/assets",
        _ => "/api/assets",
    };
    Arc::new(move |method, path| {
        let one = path
            .strip_prefix(assets)
            .and_then(|rest| rest.strip_prefix('/'));
        let (id, part) = match one.map(|one| one.split_once('/').unwrap_or((one, ""))) {
            Some((id, part)) => (Some(id), part),
            None => (None, ""),
        };
        let is_list = path == assets;
        match operation {
            Operation::List => method == "GET" && is_list,
            Operation::Get | Operation::Batch => {
                (method == "GET" && id.is_some()) || id == Some("get-bulk")
            }
            Operation::Tags => method != "GET" && part == "tags",
            Operation::Note => match provider {
                "piktid" => part == "note",
                _ => method == "PUT" && id.is_some() && part.is_empty(),
            },
            Operation::Upload => match provider {
                "piktid" => path == "/upload",
                _ => method == "POST" && is_list,
            },
            Operation::Delete | Operation::BulkDelete => {
                method == "DELETE" || id == Some("bulk-delete")
            }
        }
    })
}

/// Stores three assets at each source.
fn fill(sandbox: &Sandbox) {
    for number in 0..3_i64 {
        let created = 1_767_225_600_000 + number * 60_000;
        let id = |source: usize| format!("{source:08x}-0000-4000-8000-{number:012x}");
        sandbox.store.scenario().push(ScenarioAsset {
            id: id(0),
            created,
            updated: created,
            owner_id: "proj_sandbox".to_owned(),
            kind: "image".to_owned(),
            asset_type: "uploaded".to_owned(),
            source: "uploaded".to_owned(),
            privacy: "private".to_owned(),
            status: "success".to_owned(),
            ..ScenarioAsset::default()
        });
        sandbox.store.piktid().push(PiktidAsset {
            id: id(1),
            filename: "a.png".to_owned(),
            created: created * 1_000,
            created_by: "ada".to_owned(),
            visibility: "private".to_owned(),
            ..PiktidAsset::default()
        });
        sandbox.store.comfy().push(ComfyAsset {
            id: id(2),
            name: "a.png".to_owned(),
            created: created * 1_000,
            updated: created * 1_000,
            tags: vec!["input".to_owned()],
            ..ComfyAsset::default()
        });
    }
}

fn id(provider: &str, number: usize) -> String {
    let source = PROVIDERS
        .iter()
        .position(|name| *name == provider)
        .expect("a provider");
    let text = format!("a:{provider}:{source:08x}-0000-4000-8000-{number:012x}");
    URL_SAFE_NO_PAD.encode(text)
}

/// The faulty source's error code, whether each other source is whole, and the answer.
struct Outcome {
    code: String,
    others: Vec<(&'static str, bool)>,
    answer: Value,
}

/// Sends the operation to all three sources in one request.
async fn ask(gateway: SocketAddr, provider: &str, operation: Operation) -> Outcome {
    // Mutation fields run in sequence. The faulty one comes last, so that its waits do not use up
    // the others' time.
    let mut order = PROVIDERS;
    order.sort_by_key(|own| *own == provider);
    let each = |field: &dyn Fn(&str) -> String| order.map(field).join(" ");
    let pixel = STANDARD.encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0");
    let query = match operation {
        Operation::List => "{ assets(first: 3) { nodes { source { name } } \
                             sourceResults { source { name } status error { code } } } }"
            .to_owned(),
        Operation::Get => {
            format!(
                "{{ {} }}",
                each(&|p| format!("{p}: asset(id: \"{}\") {{ id }}", id(p, 0)))
            )
        }
        Operation::Batch => format!(
            "{{ {} }}",
            each(&|p| format!(
                "{p}: nodes(ids: [\"{}\", \"{}\"]) {{ id }}",
                id(p, 0),
                id(p, 1)
            ))
        ),
        Operation::Tags => format!(
            "mutation {{ {} }}",
            each(&|p| format!(
                "{p}: addAssetTags(input: {{assetIds: [\"{}\"], tags: [\"model\"]}}) \
                 {{ assets {{ id }} errors {{ code message }} }}",
                id(p, 0)
            ))
        ),
        Operation::Note => format!(
            "mutation {{ {} }}",
            each(&|p| format!(
                "{p}: setAssetNote(input: {{assetId: \"{}\", note: \"x\"}}) \
                 {{ asset {{ id }} errors {{ code message }} }}",
                id(p, 0)
            ))
        ),
        Operation::Upload => format!(
            "mutation {{ {} }}",
            each(&|p| format!(
                "{p}: uploadAsset(input: {{source: \"{p}\", base64: \"{pixel}\"}}) \
                 {{ asset {{ id }} errors {{ code message }} }}"
            ))
        ),
        Operation::Delete => format!(
            "mutation {{ {} }}",
            each(&|p| format!(
                "{p}: deleteAsset(input: {{assetId: \"{}\"}}) {{ deletedId errors {{ code message }} }}",
                id(p, 0)
            ))
        ),
        Operation::BulkDelete => {
            let ids: Vec<String> = PROVIDERS
                .iter()
                .flat_map(|p| [id(p, 0), id(p, 1)])
                .collect();
            format!(
                "mutation {{ bulkDeleteAssets(input: {{assetIds: {}}}) \
                 {{ deletedIds notTriedIds errors {{ code message assetId }} }} }}",
                json!(ids)
            )
        }
    };
    let answer = ask_at(gateway, &query).await;
    let data = &answer["data"];
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("none").to_owned();
    let (code, is_whole): (String, Box<dyn Fn(&str) -> bool>) = match operation {
        Operation::List => {
            let sources = data["assets"]["sourceResults"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let result_of = move |name: &str| {
                let found = sources.iter().find(|s| s["source"]["name"] == name);
                found.cloned().unwrap_or_default()
            };
            (
                text(result_of(provider).pointer("/error/code")),
                Box::new(move |name| result_of(name)["status"] == "OK"),
            )
        }
        Operation::Get | Operation::Batch => {
            let errors = answer["errors"].as_array().cloned().unwrap_or_default();
            let own = errors.iter().find(|error| error["path"][0] == provider);
            let data = data.clone();
            (
                text(own.and_then(|error| error.pointer("/extensions/code"))),
                Box::new(move |name| match operation {
                    Operation::Get => data[name]["id"].is_string(),
                    _ => data[name][1]["id"].is_string(),
                }),
            )
        }
        Operation::BulkDelete => {
            let report = data["bulkDeleteAssets"].clone();
            let own = [id(provider, 0), id(provider, 1)];
            let errors = report["errors"].as_array().cloned().unwrap_or_default();
            let codes: Vec<String> = own
                .iter()
                .map(|id| {
                    text(
                        errors
                            .iter()
                            .find(|e| e["assetId"] == *id)
                            .and_then(|e| e.get("code")),
                    )
                })
                .collect();
            let same = codes[0] == codes[1];
            (
                if same {
                    codes[0].clone()
                } else {
                    codes.join(" and ")
                },
                Box::new(move |name| {
                    let deleted = report["deletedIds"].as_array().cloned().unwrap_or_default();
                    [0, 1]
                        .iter()
                        .all(|n| deleted.contains(&json!(id(name, *n))))
                }),
            )
        }
        Operation::Tags | Operation::Note | Operation::Upload | Operation::Delete => {
            let data = data.clone();
            (
                text(data[provider].pointer("/errors/0/code")),
                Box::new(move |name| data[name]["errors"] == json!([])),
            )
        }
    };
    let others = PROVIDERS.into_iter().filter(|own| *own != provider);
    Outcome {
        code,
        others: others.map(|name| (name, is_whole(name))).collect(),
        answer,
    }
}

/// A cell's row; `held` is `None` where the cell cannot exist.
struct Row {
    text: String,
    held: Option<bool>,
    answer: Value,
}

async fn cell(
    name: &str,
    fault: Fault,
    provider: &'static str,
    what: &str,
    operation: Operation,
) -> Row {
    let (code, calls) = match expected(fault, provider, operation) {
        Expected::Code(code, calls) => (code, calls),
        Expected::Cannot(why) => {
            return Row {
                text: format!("| {name} | {provider} | {what} | cannot exist: {why} | | |"),
                held: None,
                answer: Value::Null,
            };
        }
    };
    let options = Options {
        seed: Seed::Empty,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    fill(&sandbox);
    let emulator = match provider {
        "scenario" => &sandbox.scenario,
        "piktid" => &sandbox.piktid,
        _ => &sandbox.comfy,
    };
    let how = match fault {
        Fault::At(how) => how,
        _ => Misbehaviour::Hang,
    };
    let proxy = Proxy::start(emulator.address, faulty_calls(provider, operation), how).await;
    let environment = sandbox.variables().into_iter().collect();
    let mut config = Config::load(None, &environment).expect("a configuration");
    // A shorter deadline for faults that the gateway waits out.
    let waits = matches!(
        fault,
        Fault::At(Misbehaviour::Hang | Misbehaviour::Drip | Misbehaviour::Says(429, ..))
    );
    config.limits.mutation_deadline = Duration::from_secs(if waits { 8 } else { 60 });
    // Bound but not listening: connections fail, and no other process can take the port.
    let unused_port = TcpSocket::new_v4().expect("a socket");
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    unused_port.bind(anywhere).expect("a free port");
    for source in &mut config.sources {
        // Enough patience for a busy machine.
        source.common.patience = Duration::from_secs(20);
        if source.common.name != SourceName::parse(provider).expect("a name") {
            continue;
        }
        // A short timeout for faults without an answer.
        if matches!(fault, Fault::At(Misbehaviour::Hang | Misbehaviour::Drip)) {
            source.common.attempt = Duration::from_millis(500);
        }
        let origin = match fault {
            Fault::Refused => format!("http://{}", unused_port.local_addr().expect("an address")),
            Fault::NoSuchHost => "http://no-such-host.invalid".to_owned(),
            Fault::NoTls => format!("https://{}", proxy.address),
            Fault::At(_) => format!("http://{}", proxy.address),
        };
        let path = source.common.url.path().trim_end_matches('/').to_owned();
        source.common.url = format!("{origin}{path}").parse().expect("an address");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let gateway = Gateway::new(config, address).expect("a gateway");
    let serving =
        tokio::spawn(
            async move { server::serve(listener, &gateway, std::future::pending()).await },
        );
    let outcome = ask(address, provider, operation).await;
    serving.abort();
    let hits = proxy.hits.load(Ordering::SeqCst);
    let whole = outcome.others.iter().all(|(_, whole)| *whole);
    let held = outcome.code == code && calls.contains(&hits) && whole;
    let shown = if calls.start() == calls.end() {
        calls.start().to_string()
    } else {
        format!("{} to {}", calls.start(), calls.end())
    };
    let others = if whole {
        "others whole"
    } else {
        "OTHERS TOUCHED"
    };
    Row {
        text: format!(
            "| {name} | {provider} | {what} | {code}, {shown} calls, others whole | {}, {hits} calls, \
             {others} | {} |",
            outcome.code,
            if held { "yes" } else { "NO" }
        ),
        held: Some(held),
        answer: outcome.answer,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_provider_in_every_operation() {
    let mut cells = Vec::new();
    for (name, fault) in FAULTS {
        for provider in PROVIDERS {
            for (what, operation) in OPERATIONS {
                cells.push(cell(name, fault, provider, what, operation));
            }
        }
    }
    let count = cells.len();
    assert_eq!(count, FAULTS.len() * PROVIDERS.len() * OPERATIONS.len());
    let rows: Vec<Row> = stream::iter(cells).buffered(16).collect().await;
    let mut table =
        "| fault | provider | operation | expected | seen | held |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for row in &rows {
        writeln!(table, "{}", row.text).expect("a text grows");
    }
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/fault-matrix.md");
    std::fs::write(path, &table).expect("cargo's folder for tests can be written");
    let ran = rows.iter().filter(|row| row.held.is_some()).count();
    let held = rows.iter().filter(|row| row.held == Some(true)).count();
    println!(
        "{count} cells: {ran} ran, {held} held, {} cannot exist",
        count - ran
    );
    let failed: Vec<String> = rows
        .iter()
        .filter(|row| row.held == Some(false))
        .map(|row| format!("{}\n{}", row.text, row.answer))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
