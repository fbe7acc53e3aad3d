//! End-to-end tests: the gateway's own router behind a real port, real HTTP to the sandbox's
//! emulators. Each module tests one promise; the upstream counts the calls.

mod access;
mod architecture;
mod asset_fields;
mod bad_input;
mod batching;
mod breaker;
mod budgets;
mod cache_modes;
mod client_rules;
mod configuration;
mod coverage;
mod csrf_and_cors;
mod dialects;
mod documentation;
mod documents;
mod endings;
mod explorer;
mod fast_path_equivalence;
mod federation;
mod file_types;
mod filtering;
mod first_run;
mod freshness;
mod fuzz;
#[path = "../support/harness.rs"]
mod harness;
mod health;
mod http_caching;
mod import_cycles;
#[path = "../support/issuer.rs"]
mod issuer;
mod limits;
mod limits_per_entry_point;
mod lists;
mod logs;
mod media;
mod merge;
mod mutation_failures;
mod paging;
mod parameters;
mod partial_failure;
mod process;
mod random_walks;
mod response_cache;
mod schema_shape;
mod settling;
mod sockets;
mod streams;
mod supply;
#[path = "../support/tenants.rs"]
mod support;
mod tenants;
mod tls;
mod transport;
mod unreadable;
#[path = "../support/upload_recorder.rs"]
mod upload_recorder;
mod upload_trouble;
mod uploads;
mod validation;
mod writes;
