//! The provider-specific asset details and lists.

pub mod comfy;
pub mod details;
pub mod lists;
pub mod piktid;
mod provider_query;
pub mod scenario;
