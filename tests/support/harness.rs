//! Starts a gateway over a sandbox, and talks to it.

use std::{net::SocketAddr, time::Duration};

use asset_gateway::{
    config::{Config, Freshness, FreshnessOverrides},
    sandbox::{Options, Sandbox},
    server::{self, Gateway},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue};

/// A running gateway; stopped when dropped.
pub struct TestGateway {
    pub address: SocketAddr,
    pub sandbox: Sandbox,
    pub client: reqwest::Client,
    task: JoinHandle<()>,
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The configuration of a gateway over this sandbox.
pub fn config(sandbox: &Sandbox) -> Config {
    let environment = sandbox.variables().into_iter().collect();
    Config::load(None, &environment).expect("the sandbox's variables make a configuration")
}

pub async fn world() -> TestGateway {
    world_with(Options::default(), |_| {}).await
}

/// Starts a sandbox and a gateway; `change` may edit the gateway's configuration.
pub async fn world_with(options: Options, change: impl FnOnce(&mut Config)) -> TestGateway {
    world_from(options, |sandbox| {
        let mut config = config(sandbox);
        change(&mut config);
        config
    })
    .await
}

pub async fn world_from(options: Options, config: impl FnOnce(&Sandbox) -> Config) -> TestGateway {
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    let (address, task) = gateway(config(&sandbox)).await;
    TestGateway {
        address,
        sandbox,
        client: client(),
        task,
    }
}

/// The environment variable that selects the caches of a test run (`cache_modes`).
pub const CACHES: &str = "ASSET_GATEWAY_TEST_CACHES";

/// Applies the cache mode of this test run to a configuration.
fn with_cache_mode(mut config: Config) -> Config {
    match std::env::var(CACHES).as_deref() {
        Ok("off") => without_caches(&mut config),
        Ok("tiny") => config.cache.size_bytes = 64 * 1024,
        _ => {}
    }
    config
}

/// Disables all caches.
pub fn without_caches(config: &mut Config) {
    config.cache.answers = false;
    config.cache.freshness = Freshness {
        page_fresh: Duration::ZERO,
        page_stale: Duration::ZERO,
        entity_fresh: Duration::ZERO,
        entity_stale: Duration::ZERO,
        missing_fresh: Duration::ZERO,
        if_error: Duration::ZERO,
    };
    for source in &mut config.sources {
        source.common.freshness = FreshnessOverrides::default();
    }
}

/// Starts a gateway on a free port.
pub async fn gateway(config: Config) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let config = with_cache_mode(config);
    let gateway = Gateway::new(config, address).expect("the configuration holds");
    let task = tokio::spawn(async move {
        server::serve(listener, &gateway, std::future::pending()).await;
    });
    (address, task)
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}

impl TestGateway {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a query and returns the whole answer.
    pub async fn ask(&self, query: &str) -> Value {
        self.ask_with(query, json!({})).await
    }

    pub async fn ask_with(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        json_of(self.post(&body).await).await
    }

    /// Sends a query that must succeed and returns its data.
    pub async fn data(&self, query: &str) -> Value {
        let answer = self.ask(query).await;
        assert_eq!(answer.get("errors"), None, "{answer:#}");
        answer["data"].clone()
    }

    pub async fn post(&self, body: &str) -> reqwest::Response {
        self.client
            .post(self.url("/graphql"))
            .header("content-type", "application/json")
            .body(body.to_owned())
            .send()
            .await
            .expect("an answer")
    }

    pub async fn get(&self, url: &str) -> reqwest::Response {
        self.client.get(url).send().await.expect("an answer")
    }

    /// Clears the recorded calls.
    pub fn forget_calls(&self) {
        self.sandbox.scenario.recorder.clear();
        self.sandbox.piktid.recorder.clear();
        self.sandbox.comfy.recorder.clear();
    }

    /// The numbers of calls that Scenario, PiktID and Comfy received.
    pub fn calls(&self) -> [usize; 3] {
        [
            self.sandbox.scenario.recorder.calls().len(),
            self.sandbox.piktid.recorder.calls().len(),
            self.sandbox.comfy.recorder.calls().len(),
        ]
    }
}

/// Sends a query to a gateway other than the world's.
pub async fn ask_at(address: SocketAddr, query: &str) -> Value {
    let response = client()
        .post(format!("http://{address}/graphql"))
        .header("content-type", "application/json")
        .body(json!({ "query": query }).to_string())
        .send()
        .await;
    json_of(response.expect("an answer")).await
}

/// Reads a response's body as JSON.
pub async fn json_of(response: reqwest::Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

/// Waits until `condition` holds, asking for it again and again; panics after 60 seconds.
pub async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.expect("the condition holds in time");
}

/// The strings at `pointer` in each element of an array.
pub fn texts(array: &Value, pointer: &str) -> Vec<String> {
    array
        .as_array()
        .unwrap_or_else(|| panic!("not a list: {array}"))
        .iter()
        .map(|value| {
            value
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
                .to_owned()
        })
        .collect()
}

/// The code and message of an answer's only error.
pub fn error(answer: &Value) -> (String, String) {
    let errors = answer["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("no errors in {answer}"));
    assert_eq!(errors.len(), 1, "{answer:#}");
    assert!(
        errors[0]["extensions"]["requestId"].is_string(),
        "{answer:#}"
    );
    (
        errors[0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        errors[0]["message"].as_str().unwrap_or_default().to_owned(),
    )
}

/// The global id of an asset.
pub fn asset_id(source: &str, upstream: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("a:{source}:{upstream}"))
}

/// The configuration of a gateway over this sandbox, with this configuration file.
pub fn configured(sandbox: &Sandbox, toml: &str) -> Result<Config, String> {
    let file = tempfile::Builder::new()
        .suffix(".toml")
        .tempfile()
        .expect("a temporary file");
    std::fs::write(file.path(), toml).expect("written");
    let environment = sandbox.variables().into_iter().collect();
    Config::load(Some(file.path().to_owned()), &environment).map_err(|error| error.to_string())
}

/// Starts a sandbox and a gateway with these lines in its configuration file.
pub async fn world_of(toml: &str) -> TestGateway {
    world_from(Options::default(), |sandbox| {
        configured(sandbox, toml).expect("the file holds")
    })
    .await
}

/// Opens a WebSocket to the graph, without the first message of its protocol.
pub async fn open_socket(
    address: SocketAddr,
    protocol: &'static str,
    origin: Option<&'static str>,
) -> Result<Socket, tungstenite::Error> {
    let mut request = format!("ws://{address}/graphql/ws")
        .into_client_request()
        .expect("an address");
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    if let Some(origin) = origin {
        headers.insert("origin", HeaderValue::from_static(origin));
    }
    let (socket, _) = tokio_tungstenite::connect_async(request).await?;
    Ok(socket)
}

/// Sends `connection_init`; returns the first message, or `None` if the socket closes instead.
pub async fn begin(socket: &mut Socket, payload: &Value) -> Option<String> {
    let init = json!({ "type": "connection_init", "payload": payload }).to_string();
    socket.send(Message::text(init)).await.expect("sent");
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Some(text.to_string()),
        _ => None,
    }
}

pub type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

impl TestGateway {
    /// Sends an operation with these headers; returns status, headers and answer.
    pub async fn with(
        &self,
        headers: &[(&str, &str)],
        query: &str,
    ) -> (u16, reqwest::header::HeaderMap, Value) {
        let mut request = self
            .client
            .post(self.url("/graphql"))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({ "query": query }).to_string();
        let response = request.body(body).send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, json_of(response).await)
    }
}
