//! Selects the media type of the response (GraphQL over HTTP 5, 6; RFC 9110 12.5.1).

use axum::http::{HeaderMap, StatusCode, header};

use super::{error::RequestError, media_type::MediaType};
use crate::{explorer::weight, schema::Code};

/// Selects the media type of a refusal by `Accept`; JSON if it allows neither.
pub fn for_refusal(headers: &HeaderMap) -> MediaType {
    negotiate(headers).unwrap_or(MediaType::Json)
}

/// Selects the media type by `Accept`; JSON if it names none.
///
/// # Errors
/// A [`RequestError`] with 406 if `Accept` allows neither.
pub fn negotiate(headers: &HeaderMap) -> Result<MediaType, RequestError> {
    let ranges = accepted(headers);
    if ranges.is_empty() {
        return Ok(MediaType::Json);
    }
    let json = quality(&ranges, MediaType::Json);
    let response = quality(&ranges, MediaType::Response);
    match (json, response) {
        (0, 0) => Err(RequestError::new(
            StatusCode::NOT_ACCEPTABLE,
            Code::BadUserInput,
            "answers come as application/graphql-response+json or application/json: accept one \
             of them",
        )),
        // A wildcard alone indicates an older client, which gets JSON.
        (json, response) if response > json || (response == json && names(&ranges)) => {
            Ok(MediaType::Response)
        }
        _ => Ok(MediaType::Json),
    }
}

/// Returns whether `Accept` names `text/html`, as browsers do when they navigate.
pub fn wants_page(headers: &HeaderMap) -> bool {
    accepted(headers)
        .iter()
        .any(|range| range.is("text", "html") && range.quality > 0)
}

#[derive(Debug)]
struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// The `q` value in thousandths.
    quality: u16,
}

impl MediaRange<'_> {
    /// Returns whether the range names this type and subtype, ignoring case.
    fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

fn accepted(headers: &HeaderMap) -> Vec<MediaRange<'_>> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let (kind, subtype) = parts.next()?.split_once('/')?;
            let quality = parts
                .find_map(weight)
                .and_then(|q| q.parse::<f32>().ok())
                .map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16);
            Some(MediaRange {
                kind,
                subtype,
                quality,
            })
        })
        .collect()
}

/// Returns the quality of the most specific range that matches; 0 if none does.
fn quality(ranges: &[MediaRange<'_>], media_type: MediaType) -> u16 {
    let (kind, subtype) = media_type.names();
    ranges
        .iter()
        .filter_map(|range| {
            // A more specific range takes precedence.
            let forms = [("*", "*"), (kind, "*"), (kind, subtype)];
            let fits = forms.iter().rposition(|(k, s)| range.is(k, s))?;
            Some((fits, range.quality))
        })
        .max_by_key(|(fits, _)| *fits)
        .map_or(0, |(_, quality)| quality)
}

/// Returns whether `Accept` names the newer type explicitly.
fn names(ranges: &[MediaRange<'_>]) -> bool {
    let (_, newer) = MediaType::Response.names();
    ranges
        .iter()
        .any(|range| range.subtype.eq_ignore_ascii_case(newer))
}

/// Returns whether the content type is JSON in UTF-8.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_named =
        (parts.next()).is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_named
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
                charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_answer_is_what_accept_asks_for() {
        for (accept, right) in [
            (None, Some(MediaType::Json)),
            (Some("*/*"), Some(MediaType::Json)),
            (Some("application/json"), Some(MediaType::Json)),
            (
                Some("application/graphql-response+json"),
                Some(MediaType::Response),
            ),
            (
                Some("application/graphql-response+json, application/json;q=0.9"),
                Some(MediaType::Response),
            ),
            (
                Some("application/json, application/graphql-response+json;q=0.5"),
                Some(MediaType::Json),
            ),
            (
                Some("application/graphql-response+json, application/json"),
                Some(MediaType::Response),
            ),
            (Some("application/json;q=0, */*"), Some(MediaType::Response)),
            (
                Some("application/json;Q=0.1, application/graphql-response+json; q = 0.2"),
                Some(MediaType::Response),
            ),
            (Some("text/html"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(negotiate(&headers).ok(), right, "{accept:?}");
        }
    }
}
