//! Changes to Comfy's assets (docs/providers/comfy.md 4.7, 4.8, 4.11).

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

use super::{
    Comfy, check_system_tags,
    responses::{read, refusal},
};
use crate::{
    source::{
        ChangeFailure, DetailLevel, Outcomes, RequestContext, Source, SourceError, TagChange, Write,
    },
    upstream::{Answer, Call},
};

impl Comfy {
    async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        body: Option<String>,
        context: &RequestContext,
    ) -> Result<Answer, SourceError> {
        let (url, headers) = (self.client.url(path, &[])?, self.headers.clone());
        let call = match body {
            Some(body) => Call::json(operation, method, url, headers, body.into()),
            None => Call::write(operation, method, url, headers),
        };
        let answer = self.client.write(call, context).await?;
        match answer.status {
            status if status.is_success() => Ok(answer),
            // The server answers 405 for an id that is no UUID (docs/providers/comfy.md O22).
            StatusCode::METHOD_NOT_ALLOWED => Err(SourceError::NotFound),
            StatusCode::CONFLICT if is_in_use(&answer.body) => Err(SourceError::InUse),
            StatusCode::FORBIDDEN if is_immutable(&answer.body) => Err(SourceError::Immutable),
            status => Err(refusal(status, &answer.headers, &answer.body)),
        }
    }

    async fn metadata(&self, id: &str, context: &RequestContext) -> Result<Metadata, SourceError> {
        let url = self.client.url(&["api", "assets", id], &[])?;
        let call = Call::get_item("get", url, self.headers.clone());
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        let row: Row = read(&answer).map_err(|error| match error {
            SourceError::Malformed { .. } => SourceError::Invalid(
                "its `user_metadata` is no object, so it cannot hold a note".to_owned(),
            ),
            error => error,
        })?;
        Ok(row.user_metadata.unwrap_or_default())
    }

    async fn delete_one(&self, id: &str, context: &RequestContext) -> Result<(), SourceError> {
        let path = ["api", "assets", id];
        let mut may_send_again = true;
        loop {
            let sent = self.write("delete", Method::DELETE, &path, None, context);
            let error = match sent.await {
                // Comfy's response has no body (4.8); a proxy's has.
                Ok(answer) if answer.body.is_empty() => return Ok(()),
                Ok(_) => {
                    may_send_again = false;
                    SourceError::UnknownOutcome
                }
                Err(error) if error.may_have_taken_effect() => error,
                // The first delete took effect, or may have.
                Err(SourceError::NotFound) if !may_send_again => return Ok(()),
                Err(_) if !may_send_again => return Err(SourceError::UnknownOutcome),
                Err(error) => return Err(error),
            };
            match self.get(id, DetailLevel::Plain, context).await {
                Err(SourceError::NotFound) => return Ok(()),
                // Such a server closes connections after seconds: the call may not have arrived.
                Ok(_) if may_send_again && error == SourceError::UnknownOutcome => {
                    may_send_again = false;
                }
                Ok(_) => return Err(error),
                Err(_) => return Err(SourceError::UnknownOutcome),
            }
        }
    }
}

#[async_trait]
impl Write for Comfy {
    /// Adds and removes tags in two calls (4.11). Only a replacement reads the tags first.
    async fn change_tags(
        &self,
        id: &str,
        change: &TagChange,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        check_system_tags(change.tags()).map_err(ChangeFailure::with_certain_outcome)?;
        let (add, remove) = match change {
            TagChange::Add(tags) => (tags.clone(), Vec::new()),
            TagChange::Remove(tags) => (Vec::new(), tags.clone()),
            TagChange::Set(_) => {
                let current = self.get(id, DetailLevel::Plain, context).await;
                let current = current.map_err(ChangeFailure::with_certain_outcome)?;
                change.difference(&current.changeable_tags())
            }
        };
        let path = ["api", "assets", id, "tags"];
        let mut has_changed = false;
        for (method, tags) in [(Method::POST, add), (Method::DELETE, remove)] {
            if tags.is_empty() {
                continue;
            }
            let body = Some(json!({ "tags": tags }).to_string());
            let sent = self.write("set-tags", method, &path, body, context).await;
            let answer = sent.map_err(|error| {
                if has_changed {
                    ChangeFailure {
                        error: SourceError::PartlyDone {
                            done: "the new tags are added, and the old ones remain",
                            error: Box::new(error),
                        },
                        may_have_taken_effect: true,
                    }
                } else {
                    error.into()
                }
            })?;
            protected(&answer, has_changed)?;
            has_changed = true;
        }
        Ok(())
    }

    /// Sets the note. The call replaces `user_metadata` as a whole (4.7), so it reads the other
    /// keys and sends them back unchanged.
    async fn set_note(
        &self,
        id: &str,
        note: Option<&str>,
        context: &RequestContext,
    ) -> Result<(), ChangeFailure> {
        let current = self.metadata(id, context).await;
        let mut fields = current.map_err(ChangeFailure::with_certain_outcome)?;
        let text = note.map(|note| json!(note).to_string());
        match text.map(RawValue::from_string) {
            Some(Ok(text)) => fields.insert("user_description".to_owned(), text),
            // A serialized string is always JSON.
            Some(Err(_)) => return Err(ChangeFailure::with_certain_outcome(SourceError::Internal)),
            None => fields.remove("user_description"),
        };
        let body = serde_json::to_string(&Row {
            user_metadata: Some(fields),
        });
        let body = body.map_err(|_| ChangeFailure::with_certain_outcome(SourceError::Internal))?;
        let path = ["api", "assets", id];
        self.write("set-note", Method::PUT, &path, Some(body), context)
            .await?;
        Ok(())
    }

    async fn delete(&self, ids: &[Arc<str>], context: &RequestContext) -> Outcomes {
        let each = ids
            .iter()
            .map(|id| async move { (id.clone(), self.delete_one(id, context).await) });
        join_all(each).await
    }
}

/// Checks a response for tags that the server gave the asset itself and keeps (4.11 (B)).
///
/// # Errors
/// [`SourceError::Unsupported`] names them, inside [`SourceError::PartlyDone`] if other tags
/// changed.
fn protected(answer: &Answer, has_added: bool) -> Result<(), ChangeFailure> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Changed {
        protected: Vec<String>,
        removed: Vec<String>,
    }
    let changed: Changed = serde_json::from_slice(&answer.body).unwrap_or_default();
    if changed.protected.is_empty() {
        return Ok(());
    }
    let error = SourceError::Unsupported(format!(
        "the server gave the asset these tags itself and keeps them: {}",
        changed.protected.join(", ")
    ));
    let done = match (has_added, changed.removed.is_empty()) {
        (false, true) => return Err(ChangeFailure::with_certain_outcome(error)),
        (false, false) => "the other tags are removed",
        (true, true) => "the new tags are added",
        (true, false) => "the new tags are added, and the others removed",
    };
    let error = Box::new(error);
    Err(ChangeFailure::with_certain_outcome(
        SourceError::PartlyDone { done, error },
    ))
}

/// `user_metadata` with raw values: numbers may exceed our precision.
type Metadata = BTreeMap<String, Box<RawValue>>;

/// The part of an asset that a note changes.
#[derive(Serialize, Deserialize)]
struct Row {
    user_metadata: Option<Metadata>,
}

/// Whether a 409 means that the asset is in use (4.8 (N)); other 409s are temporary.
fn is_in_use(body: &[u8]) -> bool {
    has(body, "in_use")
}

/// Whether a 403 means that the asset is immutable; other 403s are about its owner.
fn is_immutable(body: &[u8]) -> bool {
    has(body, "immutable")
}

fn has(body: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(body)
        .to_ascii_lowercase()
        .contains(word)
}
