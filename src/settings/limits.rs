//! `[limits]`: what one request may cost.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use super::numbers::{positive, seconds};

/// Maximum of `nesting`: deeper documents overflow the parser's stack before they are useful.
const MAX_NESTING: usize = 200;

/// Limits on requests and connections. `docs/configuration.md` has the defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    #[serde(deserialize_with = "positive")]
    pub body_bytes: usize,
    #[serde(deserialize_with = "positive")]
    pub query_bytes: usize,
    #[serde(deserialize_with = "nesting")]
    pub nesting: usize,
    #[serde(deserialize_with = "positive")]
    pub tokens: usize,
    #[serde(deserialize_with = "positive")]
    pub depth: usize,
    #[serde(deserialize_with = "positive")]
    pub introspection_depth: usize,
    #[serde(deserialize_with = "positive")]
    pub aliases: usize,
    #[serde(deserialize_with = "positive")]
    pub root_fields: usize,
    #[serde(deserialize_with = "positive")]
    pub directives: usize,
    #[serde(deserialize_with = "positive")]
    pub operations: usize,
    /// Selections of an operation. A fragment counts each time it is spread.
    #[serde(deserialize_with = "positive")]
    pub selections: u64,
    /// Nesting depth of lists in an introspection (graphql-js's rule is 2).
    #[serde(deserialize_with = "positive")]
    pub introspection_lists: u64,
    /// Items of one list in arguments and variables.
    #[serde(deserialize_with = "positive")]
    pub list_items: usize,
    /// Values in variables, counted at each use.
    #[serde(deserialize_with = "positive")]
    pub values: u64,
    /// Ids per call of `nodes` and of the tag mutations.
    #[serde(deserialize_with = "positive")]
    pub ids: usize,
    /// Ids per bulk delete.
    #[serde(deserialize_with = "positive")]
    pub bulk_delete_ids: usize,
    /// Operations per batch request.
    #[serde(deserialize_with = "positive")]
    pub batch: usize,
    /// Concurrent operations on one WebSocket.
    #[serde(deserialize_with = "positive")]
    pub socket_operations: usize,
    /// Memory in bytes for the bodies and variables of all requests together.
    #[serde(deserialize_with = "positive")]
    pub request_memory_bytes: u64,
    /// Disk space in bytes for all uploads that wait on disk.
    #[serde(deserialize_with = "positive")]
    pub spool_bytes: u64,
    /// Assets and upstream calls that one request may cause.
    #[serde(deserialize_with = "positive")]
    pub cost: u64,
    /// Maximum size in bytes of one uploaded file.
    #[serde(deserialize_with = "positive")]
    pub upload_bytes: u64,
    /// Uploaded files per request.
    #[serde(deserialize_with = "positive")]
    pub upload_files: usize,
    /// Maximum decoded size in bytes of a file sent as base64.
    #[serde(deserialize_with = "positive")]
    pub upload_base64_bytes: usize,
    #[serde(deserialize_with = "positive")]
    pub upstream_calls: u32,
    /// Upstream calls one mutation may cause.
    #[serde(deserialize_with = "positive")]
    pub mutation_calls: u32,
    /// Time for a whole operation.
    #[serde(rename = "query_deadline_seconds", deserialize_with = "seconds")]
    pub query_deadline: Duration,
    #[serde(rename = "mutation_deadline_seconds", deserialize_with = "seconds")]
    pub mutation_deadline: Duration,
    /// How long a client may take to send its request body.
    #[serde(rename = "body_deadline_seconds", deserialize_with = "seconds")]
    pub body_deadline: Duration,
    /// Concurrent connections. Further ones wait.
    #[serde(deserialize_with = "positive")]
    pub connections: usize,
    /// Concurrent connections per address, except loopback and trusted proxies. Others close.
    #[serde(deserialize_with = "positive")]
    pub connections_per_address: usize,
    /// How long a connection may be idle, or take to send a request head.
    #[serde(rename = "idle_seconds", deserialize_with = "seconds")]
    pub idle: Duration,
    /// How long a client may take to send a piece of a file.
    #[serde(rename = "upload_idle_seconds", deserialize_with = "seconds")]
    pub upload_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            query_bytes: 16 * 1024,
            nesting: 64,
            tokens: 2_000,
            depth: 12,
            introspection_depth: 20,
            aliases: 50,
            root_fields: 20,
            directives: 5,
            operations: 10,
            selections: 5_000,
            introspection_lists: 2,
            list_items: 2_000,
            values: 200_000,
            ids: 100,
            bulk_delete_ids: 1_000,
            batch: 8,
            socket_operations: 32,
            request_memory_bytes: 64 * 1024 * 1024,
            spool_bytes: 1024 * 1024 * 1024,
            cost: 5_000,
            upload_bytes: 100 * 1024 * 1024,
            upload_files: 10,
            upload_base64_bytes: 512 * 1024,
            upstream_calls: 200,
            mutation_calls: 3_000,
            query_deadline: Duration::from_secs(30),
            mutation_deadline: Duration::from_secs(120),
            body_deadline: Duration::from_secs(30),
            connections: 4_096,
            connections_per_address: 512,
            // Longer than proxies' idle timeouts, so that none uses a closing connection.
            idle: Duration::from_secs(75),
            upload_idle: Duration::from_secs(30),
        }
    }
}

fn nesting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let nesting = usize::deserialize(deserializer)?;
    if (1..=MAX_NESTING).contains(&nesting) {
        return Ok(nesting);
    }
    Err(D::Error::custom(format!("must be 1 to {MAX_NESTING}")))
}
