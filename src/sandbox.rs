//! Emulates the three upstreams over real HTTP, for a first run without keys and for tests.
//!
//! The emulators follow the contracts in `upstreams/` and share no types with the clients in
//! `source`, so they test those clients independently. They keep the awkward parts: opaque tokens,
//! zone-less times, delta replies, empty error bodies, nested errors, ignored parameters, presigned
//! uploads, new ids for known bytes. Authentication is real; each start creates new credentials.
//! The emulators record every call, and each test can inject faults.

mod comfy;
mod credentials;
mod files;
mod pictures;
mod piktid;
mod recorder;
mod row;
mod scenario;
mod seed;
mod shared;
mod store;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};

use self::shared::Shared;

pub use credentials::Credentials;
pub use recorder::{Fault, Faults, RecordedCall, Recorder, Rule};
pub use row::json;
pub use seed::Seed;
pub use shared::Dialect;
pub use store::{ComfyAsset, PiktidAsset, ScenarioAsset, Store};

/// Three emulators on loopback. Dropping the sandbox stops them.
#[derive(Debug)]
pub struct Sandbox {
    pub scenario: Emulator,
    pub piktid: Emulator,
    pub comfy: Emulator,
    pub credentials: Credentials,
    /// The assets of the three emulators; a test may change them between any two calls.
    pub store: Arc<Store>,
}

/// One provider's server.
#[derive(Debug)]
pub struct Emulator {
    pub address: SocketAddr,
    pub recorder: Arc<Recorder>,
    pub faults: Arc<Faults>,
    task: JoinHandle<()>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The options of [`Sandbox::start`].
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: Seed,
    pub dialect: Dialect,
    /// Ports of Scenario, PiktID and Comfy, in this order; 0 selects any free port.
    pub ports: [u16; 3],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: Seed::Several,
            dialect: Dialect::Local,
            ports: [0; 3],
        }
    }
}

impl Sandbox {
    /// Creates credentials, fills the store and starts the three servers.
    ///
    /// # Errors
    /// Returns an [`io::Error`] when a port cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let [scenario, piktid, comfy] = options.ports;
        let scenario = bind(scenario).await?;
        let piktid = bind(piktid).await?;
        let comfy = bind(comfy).await?;
        let credentials = Credentials::random();
        let store = Arc::new(seed::store(options.seed));
        let shared = |address| Shared {
            store: Arc::clone(&store),
            credentials: credentials.clone(),
            address,
            key: credentials::random(),
            dialect: options.dialect,
        };
        Ok(Self {
            scenario: serve(scenario, |address| scenario::router(shared(address)))?,
            piktid: serve(piktid, |address| piktid::router(shared(address)))?,
            comfy: serve(comfy, |address| comfy::router(shared(address)))?,
            credentials,
            store,
        })
    }

    /// Returns the environment variables that point a gateway at this sandbox.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let credentials = self.credentials.clone();
        vec![
            (
                "SCENARIO_URL",
                format!("http://{}/v1", self.scenario.address),
            ),
            ("SCENARIO_API_KEY", credentials.scenario_key),
            ("SCENARIO_API_SECRET", credentials.scenario_secret),
            ("PIKTID_URL", format!("http://{}", self.piktid.address)),
            ("PIKTID_TOKEN", credentials.piktid_token),
            ("COMFY_URL", format!("http://{}", self.comfy.address)),
            ("COMFY_API_KEY", credentials.comfy_key),
        ]
    }
}

async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

fn serve(listener: TcpListener, router: impl FnOnce(SocketAddr) -> Router) -> io::Result<Emulator> {
    let address = listener.local_addr()?;
    let recorder = Arc::new(Recorder::default());
    let faults = Arc::new(Faults::default());
    let router = recorder::instrument(router(address), Arc::clone(&recorder), Arc::clone(&faults));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "a sandbox server stopped");
        }
    });
    Ok(Emulator {
        address,
        recorder,
        faults,
        task,
    })
}
