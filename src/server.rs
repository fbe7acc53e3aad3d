//! The HTTP server: state, router and listener, and the handlers of each route.

mod content_negotiation;
mod drain_body;
mod error;
pub mod fuzz_entry;
mod graceful_shutdown;
mod graphql;
mod health;
mod listener;
mod media;
mod media_type;
mod memory;
mod origin_policy;
mod readiness;
mod request_id;
mod router;
mod session;
mod state;
mod websocket;

pub use graceful_shutdown::serve;
pub use health::{Probe, probe};
pub use state::Gateway;
