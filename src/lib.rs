//! One GraphQL graph over the asset APIs of Scenario, PiktID and Comfy.

pub mod asset;
pub mod cache;
pub mod config;
pub mod connection;
pub mod loader;
pub mod media;
pub mod sandbox;
pub mod schema;
pub mod source;
pub mod upstream;
