//! Emulates the three upstreams over real HTTP, for a first run without keys and for tests.
//!
//! The emulators follow the contracts in `docs/providers/` and share no types with the clients in
//! `source`, so they test those clients independently. They keep the awkward parts: opaque tokens,
//! zone-less times, delta replies, empty error bodies, nested errors, ignored parameters, presigned
//! uploads, new ids for known bytes. Authentication is real; each start creates new credentials.
//! The emulators record every call, and each test can inject faults.

pub mod comfy;
mod files;
mod pictures;
pub mod piktid;
mod random;
mod recorder;
mod row;
pub mod scenario;
mod seed;
mod shared;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, MutexGuard},
};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};

use self::shared::{Assets, Shared, lock};

pub use comfy::{asset::ComfyAsset, dialect::Dialect};
pub use piktid::asset::PiktidAsset;
pub use recorder::{Fault, Faults, RecordedCall, Recorder, Rule};
pub use row::json;
pub use scenario::asset::ScenarioAsset;

/// How many assets the sandbox starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// No assets.
    Empty,
    /// About 500 assets: every kind, equal creation times, parents and previews, tags, notes, and
    /// group-shared, platform and public assets.
    Several,
}

/// The credentials that the three servers accept; each start creates new ones.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub scenario_key: String,
    pub scenario_secret: String,
    /// A user's token for Scenario (`Bearer`).
    pub scenario_jwt: String,
    pub piktid_token: String,
    pub comfy_key: String,
}

/// The assets of all three providers.
#[derive(Debug, Default)]
pub struct Store {
    scenario: Arc<Assets<ScenarioAsset>>,
    piktid: Arc<Assets<PiktidAsset>>,
    comfy: Arc<Assets<ComfyAsset>>,
}

impl Store {
    pub fn scenario(&self) -> MutexGuard<'_, Vec<ScenarioAsset>> {
        lock(&self.scenario)
    }

    pub fn piktid(&self) -> MutexGuard<'_, Vec<PiktidAsset>> {
        lock(&self.piktid)
    }

    pub fn comfy(&self) -> MutexGuard<'_, Vec<ComfyAsset>> {
        lock(&self.comfy)
    }
}

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
        let credentials = Credentials {
            scenario_key: random::credential("api_"),
            scenario_secret: random::credential(""),
            scenario_jwt: random::credential("jwt-"),
            piktid_token: random::credential("pikt-"),
            comfy_key: random::credential("comfyui-"),
        };
        let store = Arc::new(Store::default());
        if options.seed == Seed::Several {
            store.scenario().extend(scenario::seed::assets());
            store.piktid().extend(piktid::seed::assets());
            store.comfy().extend(comfy::seed::assets());
        }
        let scenario_context = scenario::state::Context {
            key: credentials.scenario_key.clone(),
            secret: credentials.scenario_secret.clone(),
            jwt: credentials.scenario_jwt.clone(),
        };
        let piktid_context = piktid::state::Context {
            token: credentials.piktid_token.clone(),
        };
        let comfy_context = comfy::state::Context {
            key: credentials.comfy_key.clone(),
            dialect: options.dialect,
        };
        Ok(Self {
            scenario: serve(
                scenario,
                &store.scenario,
                scenario_context,
                scenario::router,
            )?,
            piktid: serve(piktid, &store.piktid, piktid_context, piktid::router)?,
            comfy: serve(comfy, &store.comfy, comfy_context, comfy::router)?,
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

fn serve<A, C>(
    listener: TcpListener,
    assets: &Arc<Assets<A>>,
    context: C,
    router: impl FnOnce(Shared<A, C>) -> Router,
) -> io::Result<Emulator> {
    let address = listener.local_addr()?;
    let shared = Shared {
        assets: Arc::clone(assets),
        context,
        address,
        key: random::bytes(),
    };
    let recorder = Arc::new(Recorder::default());
    let faults = Arc::new(Faults::default());
    let router = recorder::instrument(router(shared), Arc::clone(&recorder), Arc::clone(&faults));
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
