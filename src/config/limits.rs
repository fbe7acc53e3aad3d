//! `[limits]`: what one request may cost.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use super::values::{positive, seconds};

/// Deeper nesting than this overflows the parser's stack long before it is useful.
const MAX_NESTING: usize = 200;

/// What one request may cost. The defaults are `design.md` §7.
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
    /// Selections of an operation, each fragment counted as often as it is spread.
    #[serde(deserialize_with = "positive")]
    pub selections: u64,
    /// Lists nested in an introspection (graphql-js's rule is 2).
    #[serde(deserialize_with = "positive")]
    pub introspection_lists: u64,
    /// Items of any list in arguments and variables.
    #[serde(deserialize_with = "positive")]
    pub list_items: usize,
    /// Values in variables, counted at each use.
    #[serde(deserialize_with = "positive")]
    pub values: u64,
    /// Ids that `nodes` and the mutations of tags take at once.
    #[serde(deserialize_with = "positive")]
    pub ids: usize,
    /// Ids that a bulk delete takes at once.
    #[serde(deserialize_with = "positive")]
    pub bulk_delete_ids: usize,
    /// Operations sent together.
    #[serde(deserialize_with = "positive")]
    pub batch: usize,
    /// Operations under way at once on one WebSocket.
    #[serde(deserialize_with = "positive")]
    pub socket_operations: usize,
    /// What bodies and variables of all requests take in memory together.
    #[serde(deserialize_with = "positive")]
    pub request_memory_bytes: u64,
    /// What uploads that wait on disk take together.
    #[serde(deserialize_with = "positive")]
    pub spool_bytes: u64,
    /// Assets and upstream calls that one request may cause.
    #[serde(deserialize_with = "positive")]
    pub cost: u64,
    /// One uploaded file.
    #[serde(deserialize_with = "positive")]
    pub upload_bytes: u64,
    /// Files of one request.
    #[serde(deserialize_with = "positive")]
    pub upload_files: usize,
    /// A file in base64, decoded.
    #[serde(deserialize_with = "positive")]
    pub upload_base64_bytes: usize,
    #[serde(deserialize_with = "positive")]
    pub upstream_calls: u32,
    /// Upstream calls one mutation may cause.
    #[serde(deserialize_with = "positive")]
    pub mutation_calls: u32,
    /// An operation's whole time.
    #[serde(rename = "query_deadline_seconds", deserialize_with = "seconds")]
    pub query_deadline: Duration,
    #[serde(rename = "mutation_deadline_seconds", deserialize_with = "seconds")]
    pub mutation_deadline: Duration,
    /// How long a client may take to send its body.
    #[serde(rename = "body_deadline_seconds", deserialize_with = "seconds")]
    pub body_deadline: Duration,
    /// Connections at once; others wait.
    #[serde(deserialize_with = "positive")]
    pub connections: usize,
    /// Of them, those of one address that is no trusted proxy; others are closed.
    #[serde(deserialize_with = "positive")]
    pub connections_per_address: usize,
    /// How long a connection may be silent, or take for the head of a request.
    #[serde(rename = "idle_seconds", deserialize_with = "seconds")]
    pub idle: Duration,
    /// How long a client may take for a piece of a file.
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
            // Longer than proxies keep theirs, so that none is used while it is being closed.
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
