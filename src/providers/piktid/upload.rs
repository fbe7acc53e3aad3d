//! Uploads to PiktID: request a signed URL, then PUT the bytes there (docs/providers/piktid.md
//! 4.3).

use async_trait::async_trait;
use http::{HeaderMap, Method};
use serde_json::json;

use super::{Piktid, upload_rules, wire};
use crate::{
    asset::FileType,
    providers::{api_client::UploadReply, decode::response, write_answer::done},
    source::{
        FileContent, NewFile, RequestContext, SourceError, Upload, UploadFailure, UploadOptions,
        Uploaded,
    },
    upstream::{Call, Content},
};

#[async_trait]
impl Upload for Piktid {
    fn check(&self, kind: FileType, options: &UploadOptions) -> Result<(), SourceError> {
        upload_rules::check(kind, options)
    }

    fn needs_length(&self) -> bool {
        true
    }

    async fn upload(
        &self,
        file: &NewFile<'_>,
        content: FileContent,
        context: &RequestContext,
    ) -> Result<Uploaded, UploadFailure> {
        let body = json!({ "filename": file.name });
        let answer = self
            .write("upload", Method::POST, &["upload"], body, context)
            .await?;
        let target: wire::UploadTarget = response::json(&answer)?;
        let failed = |error: SourceError| UploadFailure {
            error,
            id: Some(target.file_id.clone()),
            upload: None,
        };
        let url = self
            .client
            .presigned(&target.upload_url, "upload_url")
            .map_err(failed)?;
        let content = Content {
            bytes: content.whole(),
            length: file.length,
            // The signature covers it, so it must be exact.
            media_type: Some(target.content_type.clone()),
            form: None,
        };
        // The URL is signed: no credential goes there.
        let call = Call::write("upload-bytes", Method::PUT, url, HeaderMap::new());
        let sent = self.client.push(call, content, context);
        let UploadReply { answer, is_whole } = sent.await.map_err(failed)?;
        done(&answer).map_err(failed)?;
        if !is_whole {
            return Err(failed(SourceError::UnknownOutcome));
        }
        Ok(Uploaded::Ready {
            id: target.file_id,
            upload: None,
            created: true,
        })
    }
}
