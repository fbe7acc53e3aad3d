//! One GraphQL graph over the asset APIs of several providers.
//!
//! The crate is a server: `cargo run --release` serves the graph on <http://127.0.0.1:8000>, over an
//! embedded sandbox, and `asset-gateway --help` lists the other commands. `README.md` begins with a
//! query, `docs/README.md` lists the documentation, `docs/architecture.md` follows two requests
//! through the modules.
//!
//! [`cli::run`] is what the binary calls. Tests and benches build the parts themselves.
//!
//! # Quick start
//!
//! ```sh
//! cargo run --release
//! curl -s http://127.0.0.1:8000/graphql -H 'content-type: application/json' \
//!   -d '{"query": "{ assets(first: 2) { nodes { name source { name } } } }"}'
//! ```
//!
//! # Modules
//!
//! A list request passes down through the modules and back up: [`server`] (HTTP) → [`document`]
//! (limits, parsing, validation, cost) → [`schema`] (arguments) → [`connection`] (which range of
//! which sources) → [`cache`] (cached, or in progress) → [`source`], which [`providers`] implement
//! (a provider's API) → [`upstream`] (HTTP). Reads by id pass through [`loader`] instead of
//! [`connection`], mutations through [`write`](mod@write), which marks assets as being written in
//! [`cache`].
//!
//! | module | purpose |
//! |---|---|
//! | [`fuzz`] | for tests: every function that parses bytes from clients or sources |
//! | [`cli`] | the command line |
//! | [`sandbox`] | emulated upstreams for a first run and tests; shares no type with [`providers`] |
//! | [`server`] | the router, GraphQL requests over HTTP and WebSocket, media, probes |
//! | [`explorer`] | GraphiQL |
//! | [`config`] | the gateway's configuration, from a file and variables |
//! | [`document`] | GraphQL documents: limits, parsing, validation, cost, their store; no HTTP |
//! | [`schema`] | the GraphQL types and their resolvers |
//! | [`media`] | signed URLs of files that only the gateway can load |
//! | [`write`](mod@write) | uploads, tags, notes and deletes, with an outcome for each asset |
//! | [`connection`] | one ordered list over many sources |
//! | [`loader`] | batches by id within one operation |
//! | [`cache`] | cached assets, pages and responses, and single flight |
//! | [`providers`] | a folder for each provider, and the API client and decoding that they share |
//! | [`source`] | the provider interface: its traits, and the registry of sources |
//! | [`access`] | authentication, scopes, rate limits |
//! | [`upstream`] | the HTTP client |
//! | [`settings`] | the types of settings, and the reader that fills them |
//! | [`telemetry`] | logs |
//! | [`asset`] | the domain types |
//!
//! **Invariant**: a module uses only modules below it in this table. `axum` is used only in
//! `server`, `explorer` and `sandbox`; `async_graphql` in `schema`, `document`, `server`, `cli` and `asset`;
//! `moka` in `cache`; `apollo_compiler` in `document` and `schema`; `multer` and `mail_parser` in `server`; `jsonwebtoken` and
//! `governor` in `access`; `dataloader` in `loader`; `reqwest` in `upstream`; `std::env` in
//! `settings` and `cli`. No provider uses another. `tests/it/architecture.rs` checks these boundaries.
//!
//! **Deliberately absent**: subscriptions, jumping to page n, a database, fetching URLs that clients
//! send, renaming, plugins.

// The documentation is for maintainers: `cargo doc --document-private-items`.
#![allow(rustdoc::private_intra_doc_links)]
// Resolvers of nested objects are futures in futures: proving them `Send` goes deeper than 128.
#![recursion_limit = "256"]

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
pub mod providers;
pub mod sandbox;
pub mod schema;
pub mod server;
pub mod settings;
pub mod source;
pub mod telemetry;
pub mod upstream;
pub mod write;
