//! Uploads: streams a file to a source.

use std::{io, pin::pin};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{
    Call, Upstream, UpstreamError,
    answer::{Answer, read_answer},
    breaker_failure,
    redact::SentSecrets,
    report,
    slots::permit,
};

/// A file's bytes, and how to send them.
pub struct Content {
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
    /// Sent as `Content-Length`. Without it the body is chunked.
    pub length: Option<u64>,
    /// `Content-Type` of the file. Some signed URLs must get none.
    pub media_type: Option<String>,
    pub form: Option<Form>,
}

/// Fields of a `multipart/form-data` body. The file is the last part, named `file`.
pub struct Form {
    pub fields: Vec<(&'static str, String)>,
    pub file_name: String,
}

impl Upstream {
    /// Sends `call` with a body that is streamed no faster than the source reads it, and reads the
    /// response whole. Calls `deadline` again when it passes: it may move while bytes flow. Never
    /// retries.
    ///
    /// # Errors
    /// - [`UpstreamError::Busy`], [`UpstreamError::CircuitOpen`], [`UpstreamError::NotAllowed`],
    ///   [`UpstreamError::Setup`]: the upload cannot start.
    /// - Other variants: no complete response arrived. A response of any status is `Ok`, even if it
    ///   arrives before the body's end.
    pub async fn push(
        &self,
        call: Call,
        content: Content,
        deadline: impl Fn() -> Instant,
    ) -> Result<Answer, UpstreamError> {
        let span = self.span(&call);
        async {
            let started = Instant::now();
            let secrets = SentSecrets::of(&call.headers);
            let result = self.stream(call, content, deadline).await;
            report(started, &result, |answer| answer.status);
            Ok(result?.redacted(secrets))
        }
        .instrument(span)
        .await
    }

    async fn stream(
        &self,
        call: Call,
        content: Content,
        deadline: impl Fn() -> Instant,
    ) -> Result<Answer, UpstreamError> {
        // Separate from the call slots: a slow client's upload blocks no list.
        let _slot = permit(&self.uploads, self.policy.streams, deadline()).await?;
        // The breaker counts only unreachable sources here: the client may abort the upload.
        let breaker_permit = self.upload_permit(&call.url)?;
        let mut request = self
            .client_for(&call.url)?
            .request(call.method, call.url)
            .headers(call.headers);
        request = match content.form {
            None => {
                if let Some(length) = content.length {
                    request = request.header(CONTENT_LENGTH, length);
                }
                if let Some(media_type) = content.media_type {
                    request = request.header(CONTENT_TYPE, media_type);
                }
                request.body(reqwest::Body::wrap_stream(content.bytes))
            }
            Some(form) => {
                let bytes = reqwest::Body::wrap_stream(content.bytes);
                let file = match content.length {
                    Some(length) => reqwest::multipart::Part::stream_with_length(bytes, length),
                    None => reqwest::multipart::Part::stream(bytes),
                };
                let mut file = file.file_name(form.file_name);
                if let Some(media_type) = content.media_type {
                    file = file
                        .mime_str(&media_type)
                        .map_err(|error| UpstreamError::Setup(error.to_string()))?;
                }
                let fields = form.fields.into_iter();
                let body = fields.fold(reqwest::multipart::Form::new(), |body, (name, value)| {
                    body.text(name, value)
                });
                request.multipart(body.part("file", file))
            }
        };
        let limit = self.policy.answer_bytes;
        let mut sending = pin!(async {
            let response = request
                .send()
                .await
                .map_err(|error| UpstreamError::of(&error))?;
            read_answer(response, limit).await
        });
        loop {
            let end = deadline();
            let result = match timeout_at(end, &mut sending).await {
                Ok(result) => result,
                Err(_) if deadline() > end => continue,
                Err(_) => Err(UpstreamError::Timeout),
            };
            if let Some(breaker_permit) = breaker_permit {
                breaker_permit.end(breaker_failure(&result, |answer| {
                    (answer.status, &answer.headers)
                }));
            }
            return result;
        }
    }
}
