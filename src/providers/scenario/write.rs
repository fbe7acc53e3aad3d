//! Changes to Scenario's assets (docs/providers/scenario.md 5.7 to 5.9).

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::Scenario;
use crate::{
    providers::write_answer::done,
    source::{
        ChangeFailure, Deletion, DetailLevel, ListKind, Outcomes, RequestContext, Source,
        SourceError, TagChange, VERIFY_DELAYS, Write,
    },
    upstream::{Answer, Call},
};

/// Maximum ids per delete (5.9).
const DELETE_CAP: usize = 100;
/// Maximum calls of a delete: a read before it, the delete, and reads that verify it.
const DELETE_CALLS: u32 = 5;

impl Scenario {
    pub(super) async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        body: serde_json::Value,
        context: &RequestContext,
    ) -> Result<Answer, SourceError> {
        let pairs: Vec<_> = self.project(ListKind::Own).into_iter().collect();
        let (url, headers) = (self.client.url(path, &pairs)?, self.headers(ListKind::Own));
        let call = Call::json(operation, method, url, headers, body.to_string().into());
        let answer = self.client.write(call, context).await?;
        done(&answer)?;
        Ok(answer)
    }

    /// Deletes assets. The response names no id (5.9), so it reads the assets before and after.
    async fn delete_once(&self, ids: &[Arc<str>], context: &RequestContext) -> Deletion {
        let mut undeleted = Vec::new();
        let mut outcomes = Vec::with_capacity(ids.len());
        let mut remaining = Vec::new();
        for (id, found) in self.read_each(ids, context).await {
            match found {
                // An unreadable asset can still be deleted.
                Ok(_) | Err(SourceError::Malformed { .. }) => remaining.push(id),
                Err(error) => outcomes.push((id, Err(error))),
            }
        }
        if remaining.is_empty() {
            return Deletion {
                outcomes,
                left: undeleted,
            };
        }
        let body = json!({ "assetIds": remaining });
        let sent = self
            .write("delete", Method::DELETE, &["assets"], body, context)
            .await;
        if let Err(error) = &sent
            && !error.may_have_taken_effect()
        {
            outcomes.extend(remaining.into_iter().map(|id| (id, Err(error.clone()))));
            return Deletion {
                outcomes,
                left: undeleted,
            };
        }
        // The assets that exist after the delete, with their owners; others could not be read.
        let mut existing = HashMap::new();
        for pause in VERIFY_DELAYS {
            if Instant::now() + pause >= context.deadline() {
                break;
            }
            tokio::time::sleep(pause).await;
            let mut left = Vec::new();
            existing.clear();
            for (id, found) in self.read_each(&remaining, context).await {
                match found {
                    Err(SourceError::NotFound) => {
                        outcomes.push((id, Ok(())));
                        continue;
                    }
                    Ok(asset) => {
                        existing.insert(id.clone(), asset.created_by.clone());
                    }
                    Err(SourceError::Malformed { .. }) => {
                        existing.insert(id.clone(), None);
                    }
                    Err(_) => {}
                }
                left.push(id);
            }
            remaining = left;
            if remaining.is_empty() {
                break;
            }
        }
        for id in remaining {
            let owner = existing.get(&id);
            let is_foreign = matches!(
                (owner, &self.config.project_id),
                (Some(Some(owner)), Some(project)) if owner != project
            );
            let error = match &sent {
                _ if is_foreign => SourceError::Forbidden(None),
                Err(SourceError::UnknownOutcome) if owner.is_some() => {
                    undeleted.push(id);
                    continue;
                }
                Err(error) if owner.is_some() => error.clone(),
                Ok(_) | Err(_) => SourceError::UnknownOutcome,
            };
            outcomes.push((id, Err(error)));
        }
        Deletion {
            outcomes,
            left: undeleted,
        }
    }
}

#[async_trait]
impl Write for Scenario {
    async fn change_tags(
        &self,
        id: &str,
        change: &TagChange,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        // The response reports the changes, not the set (5.8), so only a replacement reads first.
        let body = match change {
            TagChange::Add(tags) => json!({ "add": tags, "strict": false }),
            TagChange::Remove(tags) => json!({ "delete": tags, "strict": false }),
            TagChange::Set(_) => {
                let current = self.get(id, DetailLevel::Plain, context).await;
                let current = current.map_err(ChangeFailure::with_certain_outcome)?;
                let (add, delete) = change.difference(&current.tags);
                if add.is_empty() && delete.is_empty() {
                    return Ok(());
                }
                json!({ "add": add, "delete": delete, "strict": false })
            }
        };
        let path = ["assets", id, "tags"];
        self.write("set-tags", Method::PUT, &path, body, context)
            .await?;
        Ok(())
    }

    async fn set_note(
        &self,
        id: &str,
        note: Option<&str>,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        // The contract does not document how to clear (5.7): try an empty text and read the result.
        let body = json!({ "description": note.unwrap_or_default() });
        let path = ["assets", id];
        self.write("set-note", Method::PUT, &path, body, context)
            .await?;
        Ok(())
    }

    fn delete_batch(&self) -> usize {
        DELETE_CAP
    }

    async fn delete(&self, ids: &[Arc<str>], context: &RequestContext) -> Outcomes {
        let first = self.delete_once(ids, context).await;
        let again = async |left: &[Arc<str>]| self.delete_once(left, context).await;
        first.retry_remaining(DELETE_CALLS, context, again).await
    }
}
