//! Turns an HTTP response into JSON or a [`SourceError`], for all providers.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::recovery;
use crate::source::SourceError;
use crate::upstream::{self, Answer};

/// Decodes the JSON of a 2xx response.
///
/// # Errors
/// - The error of [`refusal`]: another status.
/// - [`SourceError::Malformed`] with the JSON path: the body does not decode.
pub fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, SourceError> {
    if !answer.status.is_success() {
        return Err(refusal(answer.status, &answer.headers, &answer.body));
    }
    // Decode again only after a failure, to find the JSON path.
    if let Ok(value) = serde_json::from_slice(&answer.body) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(&answer.body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // A list that answers 200 with an error object reports that error's message.
        if let Some(message) = message(&answer.body) {
            return SourceError::Malformed {
                status: answer.status.as_u16(),
                path: "error".to_owned(),
                message: answer.secrets.without(&message),
            };
        }
        SourceError::Malformed {
            status: answer.status.as_u16(),
            path: path(&error),
            message: if looks_like_html(&answer.body) {
                "an HTML page instead of JSON: check the source's `url`".to_owned()
            } else {
                reason(error.inner())
            },
        }
    })?;
    deserializer.end().map_err(|_| SourceError::Malformed {
        status: answer.status.as_u16(),
        path: "the whole answer".to_owned(),
        message: "data follows the end of the JSON".to_owned(),
    })?;
    Ok(value)
}

/// The replacement character for bytes that are not UTF-8.
pub const NO_TEXT: char = '\u{fffd}';

/// Decodes a list's response even if single rows are invalid. Bytes that are not UTF-8 become
/// [`NO_TEXT`] and rows that are not JSON become null; [`super::rows::list`] reports both. Also
/// returns whether bytes were replaced.
///
/// # Errors
/// The error of `read`, if not the rows cause it; a 404 becomes [`SourceError::Unavailable`].
pub fn list<T>(
    answer: Answer,
    read: impl Fn(&Answer) -> Result<T, SourceError>,
) -> Result<(T, bool), SourceError> {
    let lossy = std::str::from_utf8(&answer.body).is_err();
    let answer = if lossy {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Answer {
            body: text.into_bytes().into(),
            ..answer
        }
    } else {
        answer
    };
    let error = match read(&answer) {
        Ok(list) => return Ok((list, lossy)),
        // A missing list does not mean that an asset is missing.
        Err(SourceError::NotFound) => {
            return Err(SourceError::Unavailable {
                status: Some(answer.status.as_u16()),
                reason: "it answers 404 for its list of assets: check the source's `url`"
                    .to_owned(),
                retry_after: None,
            });
        }
        Err(error) => error,
    };
    let salvaged = std::str::from_utf8(&answer.body)
        .ok()
        .filter(|_| answer.status.is_success())
        .and_then(|text| recovery::without_bad_rows(text, "assets"));
    let Some(text) = salvaged else {
        return Err(error);
    };
    let answer = Answer {
        body: text.into_bytes().into(),
        ..answer
    };
    Ok((read(&answer)?, lossy))
}

/// Maps a status other than 2xx to an error. The contracts agree, except for some statuses that a
/// provider's client handles first.
pub fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> SourceError {
    let code = status.as_u16();
    match code {
        401 => SourceError::Unauthenticated(message(body)),
        402 => payment_required(status, body),
        403 => SourceError::Forbidden(message(body)),
        404 | 410 => SourceError::NotFound,
        429 => SourceError::RateLimited {
            retry_after: retry_after(headers, body),
        },
        408 | 500.. => SourceError::Unavailable {
            status: Some(code),
            reason: match message(body) {
                Some(message) => format!("it answered {code}: {message}"),
                None => format!("it answered {code}"),
            },
            retry_after: retry_after(headers, body),
        },
        300..=399 => SourceError::Malformed {
            status: code,
            path: "the whole answer".to_owned(),
            message: "a redirect instead of an answer: check the source's `url`".to_owned(),
        },
        _ => SourceError::Rejected {
            status: code,
            message: message(body).unwrap_or_else(|| "no reason given".to_owned()),
        },
    }
}

/// The error for an account that cannot pay, with the source's reason.
pub fn payment_required(status: StatusCode, body: &[u8]) -> SourceError {
    SourceError::PaymentRequired {
        status: status.as_u16(),
        reason: message(body).unwrap_or_else(|| "its account is out of credits".to_owned()),
    }
}

/// Whether the source forbids caching this response (`no-store`).
pub fn no_store(headers: &HeaderMap) -> bool {
    headers
        .get_all(http::header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-store"))
}

/// Returns the wait in `Retry-After`, or in the body's `remainingSeconds`.
fn retry_after(headers: &HeaderMap, body: &[u8]) -> Option<Duration> {
    let in_body = || {
        let value: Value = serde_json::from_slice(body).ok()?;
        let seconds = value.get("remainingSeconds")?.as_f64()?;
        (0.0..=86_400.0)
            .contains(&seconds)
            .then(|| seconds.ceil() as u64)
    };
    upstream::retry_after(headers).or_else(|| in_body().map(Duration::from_secs))
}

/// Returns an error body's reason; `None` if empty or HTML. Shapes: `{error: {message}}`,
/// `{code, message}`, `{error, detail: [{message}]}`, or the first of `reason`, `message`, `error`,
/// `detail`.
fn message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let object = value.as_object()?;
    let text = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_owned);
    let nested = object
        .get("error")
        .and_then(Value::as_object)
        .and_then(|inner| text(inner.get("message")).or_else(|| text(inner.get("code"))));
    let first_detail = object
        .get("detail")
        .and_then(Value::as_array)
        .and_then(|details| details.first())
        .and_then(|detail| text(detail.get("message")));
    let found = nested
        .or_else(|| text(object.get("reason")))
        .or_else(|| text(object.get("message")))
        .or_else(|| match (text(object.get("error")), first_detail) {
            (Some(error), Some(detail)) => Some(format!("{error}: {detail}")),
            (error, detail) => error.or(detail),
        })
        .or_else(|| text(object.get("detail")))
        .or_else(|| text(object.get("code")))
        .or_else(|| text(object.get("error_code")))?;
    Some(presentable(&found))
}

/// Returns one line of bounded length, without anything that looks like a path, address or secret.
pub fn presentable(text: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| {
            if looks_like_an_address(word) || looks_secret(word) {
                "…"
            } else {
                word
            }
        })
        .collect::<Vec<_>>()
        .join(" ");
    let plain = words.chars().filter(|c| !c.is_control());
    plain.take(200).collect()
}

/// Whether a word looks like a secret: `token=…`, `api_key:…`, or a long token alone. The gateway
/// does not repeat such words from a source.
fn looks_secret(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_long = word.len() >= 20 && word.contains(|c: char| c.is_ascii_digit());
    let is_uuid = word.len() == 36 && word.matches('-').count() == 4;
    let is_id = word.starts_with("asset_") || is_uuid;
    let word = word.to_ascii_lowercase();
    let marks = ["token", "key", "secret", "signature", "password", "bearer"];
    let is_marked = word.contains(['=', ':']) && marks.iter().any(|mark| word.contains(mark));
    is_marked || (is_long && !is_id)
}

/// Whether a word looks like a path, an address or a host with a port.
fn looks_like_an_address(word: &str) -> bool {
    let digits_and_dots = word
        .trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .chars()
        .all(|c| c.is_ascii_digit() || c == '.');
    let has_port = word.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.starts_with(|c: char| c.is_ascii_digit())
    });
    word.contains(['/', '\\']) || has_port || (digits_and_dots && word.matches('.').count() == 3)
}

/// Returns the JSON path where serde stopped, as clients see it.
pub fn path(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match error.path().to_string().as_str() {
        "." => "the whole answer".to_owned(),
        path => path.chars().take(200).collect(),
    }
}

/// Returns serde's message without the rejected value, which clients must not see, and without "at
/// line 1 column 4711", as the document has one line.
pub fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    let text = &text[..end];
    let kind = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|start| text.strip_prefix(start));
    if let (Some(found), Some(at)) = (kind, text.rfind(", expected ")) {
        let word: String = found
            .chars()
            .take_while(|c| c.is_alphabetic() || *c == ' ')
            .collect();
        return format!("a {}{}", word.trim(), &text[at..]);
    }
    text.chars().take(200).collect()
}

fn looks_like_html(body: &[u8]) -> bool {
    body.iter()
        .find(|b| !b.is_ascii_whitespace())
        .is_some_and(|b| *b == b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_shape_gives_its_reason() {
        for (body, reason) in [
            (
                r#"{"error":{"code":"X","message":"no","details":{}}}"#,
                Some("no"),
            ),
            (r#"{"code":"INVALID","message":"flat"}"#, Some("flat")),
            (
                r#"{"error":"Invalid request","detail":[{"field":null,"message":"bad page","position":"query"}]}"#,
                Some("Invalid request: bad page"),
            ),
            (r#"{"reason":"plan"}"#, Some("plan")),
            (r#"{"error_code":"E1"}"#, Some("E1")),
            ("", None),
            ("<html>secret</html>", None),
            (
                r#"{"message":"see http://10.0.0.7/x or /srv/comfy"}"#,
                Some("see … or …"),
            ),
            (
                r#"{"message":"bad file, token=abc and api_key:xyz"}"#,
                Some("bad file, … and …"),
            ),
            (
                r#"{"message":"No such file: '/srv/x.png' at 10.0.0.7:8188 or 10.0.0.7, C:\\comfy"}"#,
                Some("No such file: … at … or … …"),
            ),
        ] {
            assert_eq!(message(body.as_bytes()).as_deref(), reason, "{body}");
        }
    }
}
