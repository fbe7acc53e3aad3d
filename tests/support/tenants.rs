//! Two accounts at each provider behind one address: the credential of a call decides which sandbox
//! answers. Both hold assets with the same ids, under different names.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use asset_gateway::sandbox::{Credentials, Options, Sandbox};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::sync::Semaphore;

pub const SOURCES: [&str; 3] = ["scenario", "piktid", "comfy"];

/// One of the two accounts at each provider.
pub struct Tenant {
    pub sandbox: Sandbox,
    /// The values of the `x-asset-source-…` headers, by source.
    pub credentials: [(&'static str, String); 3],
}

impl Tenant {
    pub async fn start(mark: &str) -> Self {
        let sandbox = Sandbox::start(Options::default())
            .await
            .expect("the sandbox starts");
        let credentials = headers(&sandbox.credentials);
        let store = &sandbox.store;
        // Each account lacks some assets; the names of the others begin with its mark.
        let is_kept = |index: usize| !(index + mark.len()).is_multiple_of(5);
        let mut index = 0;
        let mut next = || {
            index += 1;
            index
        };
        store.scenario().retain(|_| is_kept(next()));
        store.piktid().retain(|_| is_kept(next()));
        store.comfy().retain(|_| is_kept(next()));
        for asset in store.scenario().iter_mut() {
            asset.name = Some(format!("{mark} {}", asset.name.clone().unwrap_or_default()));
        }
        for asset in store.piktid().iter_mut() {
            asset.filename = format!("{mark} {}", asset.filename);
        }
        for asset in store.comfy().iter_mut() {
            asset.name = format!("{mark} {}", asset.name);
        }
        Self {
            sandbox,
            credentials,
        }
    }

    /// The request headers that carry the credentials.
    pub fn headers(&self) -> Vec<(String, String)> {
        let pairs = self.credentials.iter();
        pairs
            .map(|(source, credential)| (format!("x-asset-source-{source}"), credential.clone()))
            .collect()
    }

    fn address(&self, source: usize) -> SocketAddr {
        let sandbox = &self.sandbox;
        [
            sandbox.scenario.address,
            sandbox.piktid.address,
            sandbox.comfy.address,
        ][source]
    }
}

fn headers(credentials: &Credentials) -> [(&'static str, String); 3] {
    let pair = STANDARD.encode(format!(
        "{}:{}",
        credentials.scenario_key, credentials.scenario_secret
    ));
    [
        ("scenario", format!("Basic {pair}")),
        ("piktid", format!("Bearer {}", credentials.piktid_token)),
        ("comfy", credentials.comfy_key.clone()),
    ]
}

/// One provider's address, in front of both sandboxes.
pub struct Front {
    pub address: SocketAddr,
    parts: Arc<Parts>,
}

struct Parts {
    tenants: Arc<[Tenant; 2]>,
    source: usize,
    client: reqwest::Client,
    /// The number of further calls that get a 503.
    failing: AtomicUsize,
    calls: AtomicUsize,
    gate: Mutex<Option<Arc<Semaphore>>>,
    /// Credentials that belong to neither tenant, as received.
    strange: Mutex<Vec<String>>,
}

impl Front {
    pub async fn start(tenants: &Arc<[Tenant; 2]>, source: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let parts = Arc::new(Parts {
            tenants: Arc::clone(tenants),
            source,
            client: client.build().expect("a client"),
            failing: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            gate: Mutex::default(),
            strange: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&parts));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, parts }
    }

    /// The base URL of the provider's API.
    pub fn url(&self) -> String {
        let path = if self.parts.source == 0 { "/v1" } else { "" };
        format!("http://{}{path}", self.address)
    }

    pub fn fail(&self, times: usize) {
        self.parts.failing.store(times, Ordering::SeqCst);
    }

    pub fn calls(&self) -> usize {
        self.parts.calls.load(Ordering::SeqCst)
    }

    /// Holds every call until the returned semaphore has a permit for it.
    pub fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.parts.gate.lock().expect("not poisoned") = Some(Arc::clone(&gate));
        gate
    }

    pub fn strange(&self) -> Vec<String> {
        self.parts.strange.lock().expect("not poisoned").clone()
    }
}

async fn pass(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    parts.calls.fetch_add(1, Ordering::SeqCst);
    let gate = parts.gate.lock().expect("not poisoned").clone();
    if let Some(gate) = gate {
        gate.acquire().await.expect("open").forget();
    }
    let fewer = |left: usize| left.checked_sub(1);
    if parts
        .failing
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer)
        .is_ok()
    {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let (head, body) = request.into_parts();
    let header = if parts.source == 2 {
        "x-api-key"
    } else {
        "authorization"
    };
    let shown = text(&head.headers, header);
    let own = |tenant: &&Tenant| tenant.credentials[parts.source].1 == shown;
    let public = parts.source == 0 && shown == "public-auth-token";
    let Some(tenant) = parts.tenants.iter().find(|tenant| public || own(tenant)) else {
        parts.strange.lock().expect("not poisoned").push(shown);
        return (StatusCode::UNAUTHORIZED, "{}").into_response();
    };
    let target = head.uri.path_and_query().map_or("/", |own| own.as_str());
    let url = format!("http://{}{target}", tenant.address(parts.source));
    let mut headers = head.headers.clone();
    headers.remove("host");
    let body = reqwest::Body::wrap_stream(body.into_data_stream());
    let sent = parts
        .client
        .request(head.method, url)
        .headers(headers)
        .body(body)
        .send()
        .await;
    match sent {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut response = Body::from_stream(answer.bytes_stream()).into_response();
            *response.status_mut() = status;
            for (name, value) in &headers {
                if name != "transfer-encoding" {
                    response.headers_mut().append(name, value.clone());
                }
            }
            response
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// A configuration with three fronts whose callers bring their credentials.
pub fn toml(fronts: &[Front; 3], more: &str) -> String {
    let mut toml = more.to_owned();
    for (source, front) in SOURCES.iter().zip(fronts) {
        toml += &format!(
            "[sources.{source}]\nurl = \"{}\"\npassthrough = true\n",
            front.url()
        );
    }
    toml
}
