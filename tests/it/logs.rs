//! The log names the author of each write, and each error by its request id. It holds no
//! credential, no signature and no address of a source.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
};

use futures_util::{SinkExt, StreamExt};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{begin, client, open_socket},
    support::{Front, Tenant, toml},
};

/// The binary as users start it, with its standard error.
struct Process {
    child: Child,
    address: SocketAddr,
    log: Option<JoinHandle<String>>,
}

impl Process {
    fn start(toml: &str) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), toml).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_asset-gateway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(file.path())
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut errors = child.stderr.take().expect("its log");
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).expect("text");
            text
        });
        let lines = BufReader::new(child.stdout.take().expect("piped stdout")).lines();
        let mut lines = lines.map_while(Result::ok);
        let marker = "The graph is at http://";
        let line = lines
            .find(|line| line.contains(marker))
            .expect("it prints its address");
        let rest = line.split(marker).nth(1).expect("an address");
        let address = rest
            .split('/')
            .next()
            .expect("an address")
            .parse()
            .expect("an address");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            log: Some(log),
        }
    }

    /// Stops the process and returns its log, line by line.
    fn log(&mut self) -> Vec<Value> {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("kill runs").success());
        self.child.wait().expect("it ends");
        let text = self.log.take().expect("once").join().expect("no panic");
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        text.lines().map(read).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The texts of all answers, and the request ids of all failures.
#[derive(Default)]
struct Recorded {
    texts: Vec<String>,
    ids: Vec<String>,
}

impl Recorded {
    async fn record(&mut self, response: reqwest::Response) -> Value {
        if !response.status().is_success() {
            let id = response.headers()["x-request-id"].to_str().expect("text");
            self.ids.push(format!("{id} of {}", response.url()));
        }
        let text = response.text().await.expect("text");
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        for error in answer["errors"].as_array().into_iter().flatten() {
            let id = error["extensions"]["requestId"].as_str();
            self.ids
                .push(id.unwrap_or_else(|| panic!("no id in {text}")).to_owned());
        }
        self.texts.push(text);
        answer
    }
}

const KEY: &str = "agw_key-of-anna-that-nobody-may-see";

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_each_author_and_holds_no_secret() {
    let tenants = Arc::new([
        Tenant::start("anna's").await,
        Tenant::start("bert's!").await,
    ]);
    let fronts = [
        Front::start(&tenants, 0).await,
        Front::start(&tenants, 1).await,
        Front::start(&tenants, 2).await,
    ];
    let hash = blake3::hash(KEY.as_bytes());
    let access = format!(
        "[log]\nfilter = \"trace\"\nformat = \"json\"\n[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"anna\"\n\
         hash = \"blake3:{hash}\"\nscopes = [\"assets:read\", \"assets:write\", \"assets:delete\"]\n"
    );
    // One source has a wrong credential of the gateway's own.
    let held = "wrong-token-of-the-gateway-itself";
    let toml = toml(&fronts, &access).replacen(
        &format!("url = \"{}\"\npassthrough = true", fronts[1].url()),
        &format!("url = \"{}\"\ntoken = \"{held}\"", fronts[1].url()),
        1,
    );
    let toml = format!(
        "{toml}[sources.piktid-too]\nprovider = \"piktid\"\nurl = \"{}\"\npassthrough = true\n\
        [sources.nowhere]\nprovider = \"comfy\"\nurl = \"http://127.0.0.1:9\"\n",
        fronts[1].url()
    );
    let mut process = Process::start(&toml);
    let (client, mut recorded) = (client(), Recorded::default());
    let [scenario, piktid, comfy] = &tenants[0].credentials;
    let own = [
        ("authorization", format!("Bearer {KEY}")),
        ("x-asset-source-scenario", scenario.1.clone()),
        ("x-asset-source-piktid-too", piktid.1.clone()),
        ("x-asset-source-comfy", comfy.1.clone()),
    ];
    let url = format!("http://{}/graphql", process.address);
    let post = |headers: &[(&str, String)], query: &str, variables: Value| {
        let mut request = client.post(&url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request
            .body(json!({ "query": query, "variables": variables }).to_string())
            .send()
    };
    let ask = async |recorded: &mut Recorded, query: &str| {
        let response = post(&own, query, json!({})).await.expect("an answer");
        recorded.record(response).await
    };
    let list = "{ assets(first: 20, filter: {sources: [\"scenario\", \"piktid-too\", \"comfy\"]}) { nodes { id name url thumbnailUrl raw source { name } } sourceResults { status } } }";
    let answer = ask(&mut recorded, list).await;
    let nodes = answer["data"]["assets"]["nodes"]
        .as_array()
        .cloned()
        .expect("assets");
    assert_eq!(nodes.len(), 20, "{answer}");
    let signed: Vec<String> = nodes
        .iter()
        .filter_map(|node| {
            node["url"]
                .as_str()?
                .split_once('?')
                .map(|(_, query)| query.to_owned())
        })
        .collect();
    assert!(!signed.is_empty(), "some addresses are signed");
    // Queries that fail.
    for query in [
        "{ assets(first: 1, filter: {sources: [\"piktid\"]}) { nodes { id } } }",
        "{ assets(first: 1, filter: {sources: [\"nowhere\"]}) { nodes { id } } }",
        "{ assets(first: 3) { nodes { id } sourceResults { status error { code message } } } }",
        "{ asset(id: \"nonsense\") { id } }",
        "{ nope }",
        "{",
        "{ assets(first: 100) { nodes { children(first: 100) { nodes { id } } } } }",
    ] {
        ask(&mut recorded, query).await;
    }
    for headers in [
        vec![],
        vec![("authorization", "Bearer agw_guess-that-is-wrong".to_owned())],
        vec![
            own[0].clone(),
            (
                "x-asset-source-comfy",
                "a, secret-list-of, credentials".to_owned(),
            ),
        ],
        vec![
            own[0].clone(),
            ("x-asset-source-nobody", "secret-of-nobody".to_owned()),
        ],
        vec![
            own[0].clone(),
            ("x-asset-source-comfy", "secret-that-is-refused".to_owned()),
        ],
    ] {
        let response = post(&headers, list, json!({})).await.expect("an answer");
        recorded.record(response).await;
    }
    for path in [
        "/nope",
        "/media/AAAA",
        "/explorer/nope.js",
        "/graphql?query=%7B__typename%7D&key=secret-in-a-query",
    ] {
        let response = client
            .get(format!("http://{}{path}", process.address))
            .send()
            .await;
        recorded.record(response.expect("an answer")).await;
    }
    let strange = client
        .post(&url)
        .header("host", "evil.example")
        .send()
        .await;
    recorded.record(strange.expect("an answer")).await;
    // Writes, of which one fails.
    let id = nodes
        .iter()
        .find(|node| node["source"]["name"] == "comfy")
        .expect("one of comfy")["id"]
        .clone();
    let first = ask(&mut recorded, &format!("mutation {{ setAssetNote(input: {{assetId: {id}, note: \"a secret note\"}}) {{ errors {{ code }} }} }}")).await;
    assert_eq!(first["data"]["setAssetNote"]["errors"], json!([]));
    ask(&mut recorded, &format!("mutation {{ bulkDeleteAssets(input: {{assetIds: [{id}], idempotencyKey: \"secret-of-a-key\"}}) {{ deletedIds }} }}")).await;
    ask(&mut recorded, &format!("mutation {{ deleteAsset(input: {{assetId: {id}}}) {{ deletedId errors {{ code message }} }} }}")).await;
    let input = json!({ "source": "piktid-too", "file": null, "name": "a.png" });
    let query = "mutation($i: UploadAssetInput!) { uploadAsset(input: $i) { asset { id } errors { code message } } }";
    let png = [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".as_slice(),
        &[0; 200],
    ]
    .concat();
    let form = Form::new()
        .text(
            "operations",
            json!({ "query": query, "variables": { "i": input } }).to_string(),
        )
        .text("map", "{\"0\":[\"variables.i.file\"]}")
        .part("0", Part::bytes(png).file_name("a.png"));
    let mut request = client.post(&url).header("graphql-require-preflight", "1");
    for (name, value) in &own {
        request = request.header(*name, value);
    }
    let uploaded = recorded
        .record(request.multipart(form).send().await.expect("an answer"))
        .await;
    assert_eq!(
        uploaded["data"]["uploadAsset"]["errors"],
        json!([]),
        "{uploaded}"
    );
    // A socket with the credentials in its first message.
    let opened = open_socket(process.address, "graphql-transport-ws", None).await;
    let mut socket = opened.expect("a socket");
    let payload: serde_json::Map<_, _> = own
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    begin(&mut socket, &Value::Object(payload)).await;
    let message = json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ asset(id: \"nonsense\") { id } }" } });
    // The socket is closed if the gateway refused the credentials.
    let _ = socket.send(Message::text(message.to_string())).await;
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        if text.contains("requestId") {
            let id = text
                .split("\"requestId\":\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            recorded.ids.push(id.expect("an id").to_owned());
            break;
        }
    }
    drop(socket);

    let lines = process.log();
    let log: Vec<String> = lines.iter().map(Value::to_string).collect();
    let log = log.join("\n");
    let pair = scenario.1.trim_start_matches("Basic ");
    let credentials = &tenants[0].sandbox.credentials;
    let secrets = [
        KEY,
        held,
        pair,
        &credentials.scenario_secret,
        &credentials.piktid_token,
        &credentials.comfy_key,
        "agw_guess",
        "secret",
    ];
    for secret in secrets.into_iter().chain(signed.iter().map(String::as_str)) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
        if secret != "secret" && !signed.iter().any(|own| own == secret) {
            assert!(
                !recorded.texts.iter().any(|text| text.contains(secret)),
                "{secret} is in an answer"
            );
        }
    }
    // Only the configuration may hold the addresses of the sources.
    let own_lines = lines.iter().filter(|line| {
        let target = line["target"].as_str().unwrap_or_default();
        target.starts_with("asset_gateway") || target == "audit"
    });
    for line in own_lines {
        for front in &fronts {
            let address = front.address.to_string();
            assert!(!line.to_string().contains(&address), "{line}");
        }
    }
    for text in recorded
        .texts
        .iter()
        .filter(|text| text.contains("\"errors\""))
    {
        for inside in [
            &*fronts[0].address.to_string(),
            &*fronts[1].address.to_string(),
            "127.0.0.1:9",
            "stack",
            "panicked",
            ".rs:",
        ] {
            assert!(!text.contains(inside), "{inside} in {text}");
        }
    }
    assert!(recorded.ids.len() > 15, "{:?}", recorded.ids);
    for recorded in &recorded.ids {
        let id = recorded.split(' ').next().unwrap_or_default();
        assert!(log.contains(id), "{recorded} is not in the log");
    }
    let audit: Vec<&Value> = lines
        .iter()
        .filter(|line| line["target"] == "audit")
        .collect();
    let audit_rows: Vec<[&str; 4]> = audit
        .iter()
        .map(|line| {
            ["who", "what", "source", "outcome"]
                .map(|field| line[field].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        audit_rows,
        [
            ["key:anna", "note", "comfy", "done"],
            ["key:anna", "delete", "comfy", "done"],
            ["key:anna", "delete", "comfy", "failed"],
            ["key:anna", "upload", "piktid-too", "done"],
        ]
    );
    for line in audit {
        assert!(
            line["ids"].as_str().is_some_and(|ids| ids.len() > 10),
            "{line}"
        );
        let spans = line.to_string();
        assert!(spans.contains("\"request.id\""), "{line}");
    }
}
