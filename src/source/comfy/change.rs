//! What can be changed at Comfy (comfy.md 4.7, 4.8, 4.11).

use http::{Method, StatusCode};
use serde_json::json;

use super::{Comfy, refusal};
use crate::{
    asset::Details,
    source::{Context, SourceError, TagChange},
};

impl Comfy {
    pub(super) async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        body: Option<serde_json::Value>,
        context: &Context,
    ) -> Result<(), SourceError> {
        let (url, headers) = (self.link.url(path, &[]), self.headers.clone());
        let sent = self
            .link
            .write(operation, method, url, headers, body, context);
        let answer = sent.await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            // Somebody else's, or the provider's own (4.7, 4.8).
            StatusCode::FORBIDDEN => Err(SourceError::Immutable),
            StatusCode::CONFLICT => Err(SourceError::InUse),
            status => Err(refusal(status, &answer.headers, &answer.body)),
        }
    }

    /// Two calls, for what comes and what goes (4.11); only replacing must read first.
    pub(super) async fn post_tags(
        &self,
        id: &str,
        change: &TagChange,
        context: &Context,
    ) -> Result<(), SourceError> {
        let (add, remove) = match change {
            TagChange::Add(tags) => (tags.clone(), Vec::new()),
            TagChange::Remove(tags) => (Vec::new(), tags.clone()),
            TagChange::Set(_) => change.difference(&self.read_one(id, context).await?.tags),
        };
        let path = ["api", "assets", id, "tags"];
        let mut begun = false;
        for (method, tags) in [(Method::POST, add), (Method::DELETE, remove)] {
            if tags.is_empty() {
                continue;
            }
            let body = Some(json!({ "tags": tags }));
            let sent = self.write("set-tags", method, &path, body, context).await;
            // Half of it is done: no plain failure any more.
            sent.map_err(|error| {
                if begun {
                    SourceError::UnknownOutcome
                } else {
                    error
                }
            })?;
            begun = true;
        }
        Ok(())
    }

    /// `user_metadata` is replaced whole (4.7): its other keys are read and sent back.
    pub(super) async fn put_note(
        &self,
        id: &str,
        note: Option<&str>,
        context: &Context,
    ) -> Result<(), SourceError> {
        let current = self.read_one(id, context).await?;
        let mut metadata = match &current.details {
            Details::Comfy(details) => details.user_metadata.clone().unwrap_or_default(),
            _ => serde_json::Value::Null,
        };
        if metadata.is_null() {
            metadata = json!({});
        }
        let Some(all) = metadata.as_object_mut() else {
            return Err(SourceError::Invalid(
                "its `user_metadata` is no object, so no note can stand in it".to_owned(),
            ));
        };
        match note {
            Some(text) => all.insert("user_description".to_owned(), json!(text)),
            None => all.remove("user_description"),
        };
        let body = Some(json!({ "user_metadata": metadata }));
        let path = ["api", "assets", id];
        self.write("set-note", Method::PUT, &path, body, context)
            .await
    }

    pub(super) async fn delete_one(&self, id: &str, context: &Context) -> Result<(), SourceError> {
        let path = ["api", "assets", id];
        let sent = self
            .write("delete", Method::DELETE, &path, None, context)
            .await;
        match sent {
            Err(error) if error.is_open() => match self.read_one(id, context).await {
                Err(SourceError::NotFound) => Ok(()),
                Ok(_) => Err(error),
                Err(_) => Err(SourceError::UnknownOutcome),
            },
            sent => sent,
        }
    }
}
