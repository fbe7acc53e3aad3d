//! What only one provider's assets and lists have.

pub mod comfy;
pub mod details;
pub mod lists;
pub mod piktid;
mod provider_query;
pub mod scenario;
