//! One GraphQL graph over the asset APIs of Scenario, PiktID and Comfy.
//!
//! # Modules
//!
//! A request for a list passes down through the modules and back up: [`server`] (HTTP) →
//! [`document`] (limits, parsing, validation, cost) → [`schema`] (arguments) → [`connection`] (which range of which sources) → [`cache`]
//! (kept, or being read) → [`source`] (a provider's API) → [`upstream`] (HTTP). A read by id passes
//! through [`loader`] instead of [`connection`]. A mutation passes through [`write`](mod@write), which
//! marks assets as being written in [`cache`].
//!
//! | module | purpose |
//! |---|---|
//! | [`fuzz`] | every function that takes bytes from clients or sources, for tests |
//! | [`cli`] | the command line |
//! | [`sandbox`] | emulators of the three upstreams, for a first run and for tests; shares no type with [`source`] |
//! | [`server`] | the router, one request to the graph, media, probes |
//! | [`explorer`] | GraphiQL |
//! | [`document`] | GraphQL documents: limits, parsing, validation, cost, the store of known ones; no HTTP |
//! | [`schema`] | the GraphQL types and their resolvers |
//! | [`media`] | signed addresses of files that only the gateway can load |
//! | [`write`](mod@write) | uploads, tags, notes and deletes, with an outcome for each asset |
//! | [`connection`] | one ordered list over many sources |
//! | [`loader`] | batches by id within one operation |
//! | [`cache`] | assets, pages and answers, and single flight |
//! | [`access`] | authentication, scopes, rate limits |
//! | [`source`] | the [`source::Source`] trait, the registry, a folder for each provider |
//! | [`upstream`] | the HTTP client |
//! | [`config`] | settings |
//! | [`telemetry`] | logs |
//! | [`asset`] | the domain types |
//!
//! **Invariant**: a module uses modules below it in this table, never above. `axum` is used in
//! `server`, `explorer` and `sandbox` alone; `async_graphql` in `schema`, `document`, `server` and
//! `cli`; `moka` in `cache`; `apollo_compiler` in `document`; `multer` in `server`; `jsonwebtoken` and `governor` in `access`;
//! `dataloader` in `loader`; `reqwest` in `upstream`; `std::env` in `config` and `cli`. No provider
//! uses another. `tests/architecture.rs` checks these boundaries.
//!
//! **Deliberately absent**: jumping to page n, a database, fetching addresses that clients give,
//! renaming, plugins.

pub mod access;
pub mod asset;
pub mod cache;
pub mod cli;
pub mod config;
pub mod connection;
pub mod document;
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
