//! The gateway over the wire: its own router behind a real port, real HTTP to the sandbox's
//! emulators. One module a promise; calls are counted at the upstream.

mod access;
mod answers;
mod bad_input;
mod batching;
mod breaker;
mod browsers;
mod budgets;
mod caches;
mod client_rules;
mod coverage;
mod dialects;
mod documents;
mod doors;
mod endings;
mod explorer;
mod federation;
mod filtering;
mod freshness;
mod health;
mod help;
#[path = "../support/issuer.rs"]
mod issuer;
mod keeping;
mod limits;
mod lists;
mod logs;
mod manual;
mod media;
mod newcomer;
mod outcomes;
mod paging;
mod parameters;
mod partial_failure;
mod reading;
mod rules;
mod schema_shape;
mod settling;
#[path = "../support/sink.rs"]
mod sink;
mod sockets;
mod streams;
#[path = "../support/tenants.rs"]
mod support;
mod tenants;
mod tls;
mod transport;
mod unreadable;
mod upload_trouble;
mod uploads;
mod walks;
mod ways;
mod writes;
