//! Changes to PiktID's assets (docs/providers/piktid.md 4.4 to 4.7).

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::{Piktid, wire};
use crate::{
    asset::Visibility,
    providers::{decode::response, write_answer::done},
    source::{
        ChangeFailure, Deletion, DetailLevel, Outcomes, RequestContext, Source, SourceError,
        TagChange, VERIFY_DELAYS, Write, fan_out,
    },
    upstream::{Answer, Call},
};

/// Maximum ids per bulk delete (4.7).
const DELETE_CAP: usize = 100;
/// Maximum time that a 429 holds back other deletes, even if the source names a longer one.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

impl Piktid {
    pub(super) async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        body: serde_json::Value,
        context: &RequestContext,
    ) -> Result<Answer, SourceError> {
        let (url, headers) = (self.client.url(path, &[])?, self.headers());
        let call = Call::json(operation, method, url, headers, body.to_string().into());
        let answer = self.client.write(call, context).await?;
        done(&answer)?;
        Ok(answer)
    }

    async fn send_delete(
        &self,
        ids: &[Arc<str>],
        context: &RequestContext,
    ) -> Result<Answer, SourceError> {
        let (url, headers) = (
            self.client.url(&["assets", "bulk-delete"], &[])?,
            self.headers(),
        );
        let body = json!({ "asset_ids": ids }).to_string().into();
        let call = Call::json("bulk-delete", Method::POST, url, headers, body);
        let answer = self.client.write_once(call, context).await?;
        done(&answer)?;
        Ok(answer)
    }

    /// Sends one bulk delete. Failed ids come without a reason (4.7), so each is looked up.
    async fn delete_once(&self, ids: &[Arc<str>], context: &RequestContext) -> Deletion {
        let fail_all = |error: &SourceError| {
            let each = ids.iter().map(|id| (id.clone(), Err(error.clone())));
            Deletion {
                outcomes: each.collect(),
                left: Vec::new(),
            }
        };
        let sent = loop {
            if !self.pace.turn(context.last_start()).await {
                return fail_all(&SourceError::NotTried);
            }
            match self.send_delete(ids, context).await {
                // Nothing was done yet, so wait and repeat.
                Err(SourceError::RateLimited { retry_after }) => {
                    let wait = retry_after.unwrap_or(Duration::from_secs(1));
                    self.pace.hold_back(wait.min(LONGEST_HOLD));
                    if Instant::now() + wait >= context.last_start() || context.spend(1).is_err() {
                        return fail_all(&SourceError::RateLimited {
                            retry_after: Some(wait),
                        });
                    }
                }
                other => break other,
            }
        };
        let reported = match &sent {
            Err(error) if !error.may_have_taken_effect() => return fail_all(error),
            Err(_) => None,
            // A report whose numbers do not match is ignored.
            Ok(answer) => response::json::<wire::Deleted>(answer)
                .ok()
                .filter(|reported| reported.is_consistent_with(ids)),
        };
        match reported {
            Some(reported) => Deletion {
                outcomes: self.reported(ids, &reported, context).await,
                left: Vec::new(),
            },
            None => self.looked_up(ids, sent.err(), context).await,
        }
    }

    /// Returns the outcomes of a response, and looks up why an id failed.
    async fn reported(
        &self,
        ids: &[Arc<str>],
        reported: &wire::Deleted,
        context: &RequestContext,
    ) -> Vec<(Arc<str>, Result<(), SourceError>)> {
        let (failed, deleted): (Vec<Arc<str>>, Vec<Arc<str>>) = ids
            .iter()
            .cloned()
            .partition(|id| reported.failed_ids.contains(id));
        let mut outcomes: Vec<_> = deleted.into_iter().map(|id| (id, Ok(()))).collect();
        let calls = u32::try_from(failed.len()).unwrap_or(u32::MAX);
        if context.spend(calls).is_err() {
            outcomes.extend(failed.into_iter().map(|id| (id, Err(unexplained()))));
            return outcomes;
        }
        let mut reads = fan_out(self, &failed, DetailLevel::Plain, context);
        while let Some((id, found)) = reads.next().await {
            let reason = match found {
                // PiktID reported a failure, so the asset never existed.
                Err(SourceError::NotFound) => SourceError::NotFound,
                Ok(asset) => match asset.visibility {
                    Some(Visibility::Platform) => SourceError::Immutable,
                    Some(Visibility::Shared) => SourceError::Forbidden(None),
                    _ => unexplained(),
                },
                Err(_) => unexplained(),
            };
            outcomes.push((id, Err(reason)));
        }
        outcomes
    }

    /// Reads which assets still exist, if no response reports it; `error` is the call's error.
    async fn looked_up(
        &self,
        ids: &[Arc<str>],
        error: Option<SourceError>,
        context: &RequestContext,
    ) -> Deletion {
        let mut left = Vec::new();
        let mut outcomes = Vec::with_capacity(ids.len());
        let mut remaining = ids.to_vec();
        let mut existing = HashSet::new();
        for pause in VERIFY_DELAYS {
            if remaining.is_empty() || Instant::now() + pause >= context.deadline() {
                break;
            }
            tokio::time::sleep(pause).await;
            let calls = u32::try_from(remaining.len()).unwrap_or(u32::MAX);
            if context.spend(calls).is_err() {
                break;
            }
            let batch = std::mem::take(&mut remaining);
            existing.clear();
            let mut reads = fan_out(self, &batch, DetailLevel::Plain, context);
            while let Some((id, found)) = reads.next().await {
                match found {
                    Err(SourceError::NotFound) => {
                        outcomes.push((id, Ok(())));
                        continue;
                    }
                    Ok(_) => {
                        existing.insert(id.clone());
                    }
                    Err(_) => {}
                }
                remaining.push(id);
            }
        }
        for id in remaining {
            let outcome = match &error {
                Some(SourceError::UnknownOutcome) if existing.contains(&id) => {
                    left.push(id);
                    continue;
                }
                Some(error) if existing.contains(&id) => error.clone(),
                _ => SourceError::UnknownOutcome,
            };
            outcomes.push((id, Err(outcome)));
        }
        Deletion { outcomes, left }
    }
}

#[async_trait]
impl Write for Piktid {
    /// Changes tags. PiktID replaces the set (4.4), so additions and removals read it.
    async fn change_tags(
        &self,
        id: &str,
        change: &TagChange,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        let current = match change {
            TagChange::Set(_) => Vec::new(),
            TagChange::Add(_) | TagChange::Remove(_) => {
                let current = self.get(id, DetailLevel::Plain, context).await;
                let current = current.map_err(ChangeFailure::with_certain_outcome)?;
                let (add, remove) = change.difference(&current.tags);
                // Sending the same set again could only undo another client's change.
                if add.is_empty() && remove.is_empty() {
                    return Ok(());
                }
                current.tags.clone()
            }
        };
        let body = json!({ "tags": change.applied(&current) });
        let path = ["assets", id, "tags"];
        self.write("set-tags", Method::PATCH, &path, body, context)
            .await?;
        Ok(())
    }

    async fn set_note(
        &self,
        id: &str,
        note: Option<&str>,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        // An empty text clears the note (4.5).
        let body = json!({ "styling_note": note.unwrap_or_default() });
        let path = ["assets", id, "note"];
        self.write("set-note", Method::PATCH, &path, body, context)
            .await?;
        Ok(())
    }

    fn delete_batch(&self) -> usize {
        DELETE_CAP
    }

    async fn delete(&self, ids: &[Arc<str>], context: &RequestContext) -> Outcomes {
        let first = self.delete_once(ids, context).await;
        let again = async |left: &[Arc<str>]| self.delete_once(left, context).await;
        first.retry_remaining(1, context, again).await
    }
}

/// The error for an id that PiktID reports as failed without a reason (4.7).
fn unexplained() -> SourceError {
    SourceError::Rejected {
        status: 200,
        message: "not deleted, without a reason: only its uploader can delete it".to_owned(),
    }
}
