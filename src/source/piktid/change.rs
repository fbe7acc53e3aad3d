//! What can be changed at PiktID (piktid.md 4.4 to 4.7).

use std::time::Duration;

use futures_util::StreamExt;
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::{Piktid, wire};
use crate::{
    source::{Context, SourceError, TagChange, Variant, answer, done, fan_out},
    upstream::Answer,
};

/// Ids a bulk delete takes at most (4.7 [seed 004]).
pub const DELETE_CAP: usize = 100;

impl Piktid {
    pub(super) async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        body: serde_json::Value,
        context: &Context,
    ) -> Result<Answer, SourceError> {
        let (url, headers) = (self.link.url(path, &[]), self.headers());
        let sent = self
            .link
            .write(operation, method, url, headers, Some(body), context);
        let answer = sent.await?;
        done(&answer)?;
        Ok(answer)
    }

    /// The set is replaced (4.4 [inferred]), so adding and taking away read it first.
    pub(super) async fn patch_tags(
        &self,
        id: &str,
        change: &TagChange,
        context: &Context,
    ) -> Result<(), SourceError> {
        let current = match change {
            TagChange::Set(_) => Vec::new(),
            TagChange::Add(_) | TagChange::Remove(_) => {
                self.read_one(id, context).await?.tags.clone()
            }
        };
        let body = json!({ "tags": change.applied(&current) });
        let path = ["assets", id, "tags"];
        self.write("set-tags", Method::PATCH, &path, body, context)
            .await
            .map(drop)
    }

    /// Those that failed come back without a reason (4.7): each is looked up.
    pub(super) async fn bulk_delete(
        &self,
        ids: &[Box<str>],
        context: &Context,
    ) -> Vec<(Box<str>, Result<(), SourceError>)> {
        let all = |error: &SourceError| -> Vec<_> {
            ids.iter()
                .map(|id| (id.clone(), Err(error.clone())))
                .collect()
        };
        let body = json!({ "asset_ids": ids });
        let sent = loop {
            if !self.pace.turn(context.deadline()).await {
                return all(&SourceError::RateLimited { retry_after: None });
            }
            let path = ["assets", "bulk-delete"];
            let sent = self.write("bulk-delete", Method::POST, &path, body.clone(), context);
            match sent.await {
                // Refused before anything was done: waited out.
                Err(SourceError::RateLimited { retry_after }) => {
                    let wait = retry_after.unwrap_or(Duration::from_secs(1));
                    self.pace.hold_back(wait);
                    if Instant::now() + wait >= context.deadline() {
                        return all(&SourceError::RateLimited {
                            retry_after: Some(wait),
                        });
                    }
                }
                other => break other,
            }
        };
        let failed: Vec<Box<str>> = match &sent {
            Err(error) if !error.is_open() => return all(error),
            // What was deleted must be looked up where the answer does not tell, or tells of
            // another number.
            Err(_) => ids.to_vec(),
            Ok(answer) => match answer::json::<wire::Deleted>(answer) {
                Ok(told) if told.adds_up(ids) => told.failed_ids,
                _ => ids.to_vec(),
            },
        };
        let mut outcomes: Vec<_> = ids
            .iter()
            .filter(|id| !failed.contains(id))
            .map(|id| (id.clone(), Ok(())))
            .collect();
        let mut reads = fan_out(self, &failed, Variant::Plain, context);
        while let Some((id, found)) = reads.next().await {
            let outcome = match (&sent, found) {
                // It said that it failed, so it was never there.
                (Ok(answer), Err(SourceError::NotFound)) if says_failed(answer, &id) => {
                    Err(SourceError::NotFound)
                }
                (_, Err(SourceError::NotFound)) => Ok(()),
                (Ok(_), Ok(_)) => Err(SourceError::Immutable),
                (Err(error), Ok(_)) => Err(error.clone()),
                (_, Err(_)) => Err(SourceError::UnknownOutcome),
            };
            outcomes.push((id, outcome));
        }
        outcomes
    }
}

/// Whether a bulk delete's answer names this id as one that failed.
fn says_failed(answer: &Answer, id: &str) -> bool {
    answer::json::<wire::Deleted>(answer)
        .is_ok_and(|deleted| deleted.failed_ids.iter().any(|own| **own == *id))
}
