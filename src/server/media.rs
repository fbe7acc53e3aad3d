//! `/media/{token}`: streams files that a browser cannot load by itself.
//!
//! A token opens one rendition of one asset until it expires. A response cannot run as a page: it
//! is sandboxed and never sniffed. Only images, audio, video and PDF are shown; other types are
//! downloads.

mod byte_range;
mod content_disposition;

use async_graphql::parser::types::OperationType;
use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use jiff::Timestamp;

use self::content_disposition::content_disposition;
use super::{
    error::{A_SECOND, RequestError},
    request_id::RequestId,
    session::{self, Session},
    state::Gateway,
};
use crate::{
    access::{Client, ClientSlot},
    asset::{Asset, Location, MAX_THUMBNAIL, Rendition, SourceName},
    media::{Grant, InvalidToken},
    schema::Code,
    schema::code_of,
    source::{BodyStream, DetailLevel, MediaAnswer, SourceError},
};

/// `GET` and `HEAD /media/{token}`.
pub async fn handle(
    State(gateway): State<Gateway>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let id = RequestId::of(&request);
    // Callers send only the token, so their address identifies them.
    let client = session::client(&gateway, &request);
    let admitted = session::charge(&gateway, &client, 1);
    let answered = match admitted {
        Ok(_) => match path {
            Ok(Path(token)) => answer(&gateway, &client, &token, request.headers()).await,
            Err(_) => Err(not_found(InvalidToken::Unknown.to_string())),
        },
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(response) => response,
        Err(refusal) => {
            refusal.log(id);
            refusal.into_response(id)
        }
    }
}

async fn answer(
    gateway: &Gateway,
    client: &Client,
    token: &str,
    headers: &HeaderMap,
) -> Result<Response, RequestError> {
    let grant = gateway.grant(token).map_err(|invalid| match invalid {
        InvalidToken::Unknown => not_found(invalid.to_string()),
        InvalidToken::Expired => {
            RequestError::new(StatusCode::GONE, Code::NotFound, invalid.to_string())
        }
    })?;
    let operation = Session::of_gateway(gateway).operation(gateway, OperationType::Query, None);
    let asset = operation
        .loader
        .load(grant.id.clone(), DetailLevel::Plain)
        .await
        .map_err(|error| refusal(&error))?;
    let tag = etag(&asset, grant.rendition);
    if tag
        .as_ref()
        .is_some_and(|tag| matches_if_none_match(headers, tag))
    {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        decorate(response.headers_mut(), &grant, tag);
        return Ok(response);
    }
    if let Some(Location::Direct { url, .. }) = location(&asset, grant.rendition) {
        return redirect(url);
    }
    let is_original = grant.rendition == Rendition::Original;
    let range = headers.get(header::RANGE).filter(|_| is_original);
    let range = range.filter(|_| {
        // Ignores the range if the file has changed since (`If-Range`).
        headers
            .get(header::IF_RANGE)
            .is_none_or(|validator| Some(validator) == tag.as_ref())
    });
    let source = gateway
        .registry()
        .named(&grant.id.source)
        .ok_or_else(|| refusal(&SourceError::NotFound))?;
    // A slow client with many downloads delays only its own requests.
    let key = (source.profile().name.clone(), client.clone());
    let deadline = operation.context.deadline();
    let slot = gateway.0.media_places.place(key, deadline).await;
    let slot = slot.ok_or_else(|| too_many(&grant.id.source))?;
    match source
        .media(&asset, grant.rendition, range, &operation.context)
        .await
        .map_err(|error| refusal(&error))?
    {
        MediaAnswer::Redirect(url) => redirect(&url),
        MediaAnswer::Body {
            status,
            headers: source_headers,
            body,
        } => {
            // The size of a preview that is another asset is unknown until now.
            let length = source_headers.get(header::CONTENT_LENGTH);
            let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            if !is_original && length.is_some_and(|bytes| bytes > MAX_THUMBNAIL) {
                return Err(not_found(
                    "the preview file is larger than 2 MiB, too large for a thumbnail: load `url`",
                ));
            }
            let body = hold_slot(body, slot);
            let mut response = byte_range::respond(status, &source_headers, body, range);
            decorate(response.headers_mut(), &grant, tag);
            describe(
                response.headers_mut(),
                &source_headers,
                &asset,
                grant.rendition,
            );
            Ok(response)
        }
    }
}

/// Holds the client's slot until the body has been read or dropped.
fn hold_slot(body: BodyStream, slot: ClientSlot) -> BodyStream {
    body.map(move |piece| {
        let _place = &slot;
        piece
    })
    .boxed()
}

fn too_many(source: &SourceName) -> RequestError {
    RequestError {
        wait: Some(A_SECOND),
        ..RequestError::new(
            StatusCode::TOO_MANY_REQUESTS,
            Code::RateLimited,
            format!(
                "you are loading too many files of source `{source}` at once: wait for those, \
                 then retry"
            ),
        )
    }
}

fn location(asset: &Asset, rendition: Rendition) -> Option<&Location> {
    match rendition {
        Rendition::Original => asset.media.original.as_ref(),
        Rendition::Small => asset.media.small.as_ref(),
        Rendition::Large => asset.media.large.as_ref(),
    }
}

fn not_found(message: impl Into<String>) -> RequestError {
    RequestError::new(StatusCode::NOT_FOUND, Code::NotFound, message)
}

fn refusal(error: &SourceError) -> RequestError {
    let status = match error {
        SourceError::NotFound => StatusCode::NOT_FOUND,
        SourceError::Timeout => StatusCode::GATEWAY_TIMEOUT,
        SourceError::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        SourceError::Exhausted | SourceError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_GATEWAY,
    };
    RequestError::new(status, code_of(error), error.to_string())
}

/// Redirects to a URL that needs no credential of ours. It is short-lived: caches must not keep it.
fn redirect(url: &str) -> Result<Response, RequestError> {
    let target = HeaderValue::from_str(url)
        .map_err(|_| not_found("the source's URL of this file is invalid"))?;
    Ok((
        StatusCode::FOUND,
        [
            (header::LOCATION, target),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (
                header::REFERRER_POLICY,
                HeaderValue::from_static("no-referrer"),
            ),
        ],
    )
        .into_response())
}

/// The entity tag: the hash of the original, with a suffix for renditions. `None`: no hash.
fn etag(asset: &Asset, rendition: Rendition) -> Option<HeaderValue> {
    let hash = asset.content_hash.as_ref()?;
    let suffix = match rendition {
        Rendition::Original => "",
        Rendition::Small => "-small",
        Rendition::Large => "-large",
    };
    HeaderValue::from_str(&format!("\"{hash}{suffix}\"")).ok()
}

/// Whether `If-None-Match` lists the tag, weak or strong (RFC 9110 13.1.2).
fn matches_if_none_match(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|candidate| candidate.trim().trim_start_matches("W/"))
        .any(|candidate| candidate == "*" || candidate.as_bytes() == tag.as_bytes())
}

/// Sets the headers of every response: cacheable while the URL is valid, never run as a page.
fn decorate(headers: &mut HeaderMap, grant: &Grant, tag: Option<HeaderValue>) {
    let seconds = grant
        .expires_at
        .duration_since(Timestamp::now())
        .as_secs()
        .max(0);
    let cache = format!("private, max-age={seconds}");
    if let Ok(value) = HeaderValue::from_str(&cache) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
}

/// Sets the content type, and whether a browser shows or saves the file.
fn describe(
    headers: &mut HeaderMap,
    source_headers: &HeaderMap,
    asset: &Asset,
    rendition: Rendition,
) {
    let declared = source_headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    // Some servers send originals as octet-stream although they know the type.
    let media_type = asset
        .mime_type
        .as_deref()
        .filter(|_| rendition == Rendition::Original);
    let content_type = declared
        .filter(|declared| is_shown(declared) && !declared.contains(','))
        .or(media_type.filter(|media_type| is_shown(media_type)))
        .and_then(|text| HeaderValue::from_str(text).ok());
    let is_inert = content_type
        .as_ref()
        .is_some_and(|media_type| !is_markup(media_type));
    let sent = content_type.as_ref().and_then(|value| value.to_str().ok());
    // An original has its own ending.
    let sent = sent.filter(|_| rendition != Rendition::Original);
    if let Some(value) = content_disposition(is_inert, asset.shown_name(), sent) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
}

/// Whether the type is markup such as SVG: a page may embed it, but opened alone it is a page.
fn is_markup(content_type: &HeaderValue) -> bool {
    let text = String::from_utf8_lossy(content_type.as_bytes()).to_ascii_lowercase();
    text.contains("xml") || text.contains("svg")
}

/// Whether a browser shows this type and cannot run it, given the sandbox above.
fn is_shown(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    // Browsers use the last type of a list, so a list is refused.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    match essence.split_once('/') {
        Some(("application", kind)) => kind == "pdf",
        Some(("image" | "video" | "audio", kind)) => kind.chars().all(is_token),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_runs_is_shown() {
        for shown in ["image/png", "image/svg+xml", "video/mp4", "application/pdf"] {
            assert!(is_shown(shown), "{shown}");
        }
        for saved in [
            "text/html",
            "text/html; charset=utf-8",
            "image/png, text/html",
            "application/xhtml+xml",
            "text/javascript",
            "",
        ] {
            assert!(!is_shown(saved), "{saved}");
        }
    }
}
