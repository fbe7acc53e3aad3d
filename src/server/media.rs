//! `/media/{token}`: bytes that a browser cannot load by itself, streamed through the gateway.
//!
//! A token opens one rendition of one asset until its end, and nothing else. What comes out cannot
//! run as a page: it is sandboxed, never sniffed, and anything but pictures, sound, video and PDF
//! is a download.

mod byte_range;

use async_graphql::parser::types::OperationType;
use axum::{
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use jiff::Timestamp;

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
    // Callers show the token alone, so they are known by their address.
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
    if tag.as_ref().is_some_and(|tag| is_known(headers, tag)) {
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
        // A range of something that has changed since is no use.
        headers
            .get(header::IF_RANGE)
            .is_none_or(|seen| Some(seen) == tag.as_ref())
    });
    let source = gateway
        .registry()
        .named(&grant.id.source)
        .ok_or_else(|| refusal(&SourceError::NotFound))?;
    // A client who takes its time for many files holds up its own alone.
    let own = (source.profile().name.clone(), client.clone());
    let deadline = operation.context.deadline();
    let place = gateway.0.media_places.place(own, deadline).await;
    let place = place.ok_or_else(|| too_many(&grant.id.source))?;
    match source
        .media(&asset, grant.rendition, range, &operation.context)
        .await
        .map_err(|error| refusal(&error))?
    {
        MediaAnswer::Redirect(url) => redirect(&url),
        MediaAnswer::Body {
            status,
            headers: sent,
            body,
        } => {
            // The size of a preview that is another asset is not known before.
            let length = sent.get(header::CONTENT_LENGTH);
            let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            if !is_original && length.is_some_and(|bytes| bytes > MAX_THUMBNAIL) {
                return Err(not_found(
                    "its preview is a file of more than 2 MB, which is no thumbnail: load `url`",
                ));
            }
            let body = held(body, place);
            let mut response = byte_range::respond(status, &sent, body, range);
            decorate(response.headers_mut(), &grant, tag);
            describe(response.headers_mut(), &sent, &asset, grant.rendition);
            Ok(response)
        }
    }
}

/// A body, with its client's place until it has been taken.
fn held(body: BodyStream, place: ClientSlot) -> BodyStream {
    body.map(move |piece| {
        let _place = &place;
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
                "too many files of source `{source}` are on their way to you: take those first, \
                 then ask again"
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

/// To where it loads without our credential. Short-lived, so that no cache keeps the redirect.
fn redirect(url: &str) -> Result<Response, RequestError> {
    let target = HeaderValue::from_str(url)
        .map_err(|_| not_found("the source's address for this file is not usable"))?;
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

/// Known bytes have a tag by their hash; renditions by the hash of the original and their size.
fn etag(asset: &Asset, rendition: Rendition) -> Option<HeaderValue> {
    let hash = asset.content_hash.as_ref()?;
    let suffix = match rendition {
        Rendition::Original => "",
        Rendition::Small => "-small",
        Rendition::Large => "-large",
    };
    HeaderValue::from_str(&format!("\"{hash}{suffix}\"")).ok()
}

/// Whether the client has it already (RFC 9110 13.1.2): any of a list, weak or strong.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|seen| seen.trim().trim_start_matches("W/"))
        .any(|seen| seen == "*" || seen.as_bytes() == tag.as_bytes())
}

/// Headers of every answer: kept for as long as the address is good, never a page of ours.
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

/// What it is, and whether a browser shows or saves it.
fn describe(headers: &mut HeaderMap, sent: &HeaderMap, asset: &Asset, rendition: Rendition) {
    let said = sent
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    // A self-hosted ComfyUI calls some originals octet-stream although it knows their type.
    let own = asset
        .mime_type
        .as_deref()
        .filter(|_| rendition == Rendition::Original);
    let content_type = said
        .filter(|said| is_shown(said) && !said.contains(','))
        .or(own.filter(|own| is_shown(own)))
        .and_then(|text| HeaderValue::from_str(text).ok());
    let is_inert = content_type.as_ref().is_some_and(|own| !is_markup(own));
    let disposition = if is_inert { "inline" } else { "attachment" };
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    let name: String = asset
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_. ".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(100)
        .collect();
    if let Ok(value) = HeaderValue::from_str(&format!("{disposition}; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
}

/// SVG and the like: a picture in a page, but a page of its own when it is opened by itself.
fn is_markup(content_type: &HeaderValue) -> bool {
    let text = String::from_utf8_lossy(content_type.as_bytes()).to_ascii_lowercase();
    text.contains("xml") || text.contains("svg")
}

/// Types that a browser shows and that cannot act, given the sandbox above.
fn is_shown(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    // A list of types is read by its last one.
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
