//! One GraphQL graph over the asset APIs of Scenario, PiktID and Comfy.
//!
//! # The house
//!
//! A request for a list walks down through the rooms and back up:
//! [`server`] (negotiate, limit, parse) → [`schema`] (arguments in) → [`connection`] (which
//! stretch of which sources) → [`cache`] (known already? under way?) → [`source`] (one provider's
//! dialect) → [`upstream`] (HTTP). A read by id goes through [`loader`] instead of [`connection`], a
//! mutation through [`write`](mod@write), which tells [`cache`] before and after.
//!
//! | room | what it is for |
//! |---|---|
//! | [`fuzz`] | a table of whatever takes bytes from strangers, for tests |
//! | [`cli`] | the command line |
//! | [`sandbox`] | the three upstreams emulated, for a first run and for tests; shares no type with [`source`] |
//! | [`server`] | the way in: router, layers, one request to the graph, media, probes |
//! | [`explorer`] | GraphiQL |
//! | [`schema`] | the graph: thin |
//! | [`media`] | addresses of what only the gateway can load: made in [`schema`], opened in [`server`] |
//! | [`write`](mod@write) | uploads, tags, notes, deletes: fan-out, an outcome for each asset, nothing stale after |
//! | [`connection`] | one ordered list over many sources |
//! | [`loader`] | batches by id within one operation |
//! | [`cache`] | assets and pages kept for a while; one call for many askers |
//! | [`access`] | who calls, what they may, how often |
//! | [`source`] | the [`source::Source`] trait, the registry, a folder a provider |
//! | [`upstream`] | the only way out |
//! | [`config`] | settings |
//! | [`telemetry`] | logs |
//! | [`asset`] | the domain |
//!
//! **Invariant**: a room uses rooms below it in this table, never above. `axum` is known in
//! `server`, `explorer` and `sandbox` alone; `async_graphql` in `schema`, `server` and `cli`; `moka`
//! in `cache`; `apollo_compiler` in `server`; `jsonwebtoken` and `governor` in `access`; `dataloader` in `loader`; `reqwest` in `upstream`; `multer` in `server`; `std::env`
//! in `config` and `cli`.
//! A provider never knows another. `tests/architecture.rs` keeps these walls.
//!
//! **Deliberately absent**: jumping to page n, a database, fetching addresses that clients give,
//! renaming, plugins.

pub mod access;
pub mod asset;
pub mod cache;
pub mod cli;
pub mod config;
pub mod connection;
pub mod explorer;
#[doc(hidden)]
pub mod fuzz;
pub mod loader;
pub mod media;
pub mod sandbox;
pub mod schema;
pub mod server;
pub mod source;
pub mod telemetry;
pub mod upstream;
pub mod write;
