//! Records the calls that a server receives, and injects faults. Tests count upstream calls here,
//! never in the gateway.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::{Notify, Semaphore};

/// One received call.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RecordedCall {
    pub method: String,
    pub path: String,
    /// The query string as sent, still encoded.
    pub query: String,
    /// The body of a JSON call; empty for other calls.
    pub body: String,
}

/// The maximum number of calls in the record; the oldest are dropped first.
const MAX_CALLS: usize = 16_384;

/// The latest calls since the start or the last [`Recorder::clear`], without file requests and
/// the recorder's routes.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<VecDeque<RecordedCall>>);

impl Recorder {
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Counts the calls whose method and path start with `prefix`, such as `GET /assets`.
    #[must_use]
    pub fn count(&self, prefix: &str) -> usize {
        self.calls()
            .iter()
            .filter(|call| format!("{} {}", call.method, call.path).starts_with(prefix))
            .count()
    }

    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn push(&self, call: RecordedCall) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= MAX_CALLS {
            calls.pop_front();
        }
        calls.push_back(call);
    }
}

/// A fault that changes or replaces the response to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Sends this response instead.
    Answer {
        status: u16,
        content_type: &'static str,
        body: String,
    },
    /// Handles the call normally, but only after the test adds a permit.
    Hold(Arc<Semaphore>),
    /// Handles the call at once, but sends the response only after the test adds a permit.
    Late(Arc<Semaphore>),
    /// Like [`Fault::Hold`]; notifies if the caller disconnects before the permit.
    Watch(Arc<Semaphore>, Arc<Notify>),
    /// Handles the call normally and adds one header to the response.
    Header(&'static str, &'static str),
    /// Responds 503, with this `Retry-After` value.
    Unavailable(&'static str),
    /// Breaks the connection before the first byte of a response.
    Reset,
    /// Handles the request, then breaks the connection.
    Lose,
    /// Handles the call normally, but replaces each occurrence of the text with these bytes.
    Replace(String, Vec<u8>),
}

/// Applies a fault to the calls whose method and path start with `beginning`.
#[derive(Debug, Clone)]
pub struct Rule {
    pub beginning: String,
    /// The number of calls to affect; `None` means until [`Faults::clear`].
    pub times: Option<usize>,
    pub fault: Fault,
}

/// The active rules; the first rule that matches a call applies.
#[derive(Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    before_each: Mutex<Option<Hook>>,
}

/// A function that runs before the server handles a call.
type Hook = Box<dyn FnMut() + Send>;

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.rules).finish()
    }
}

impl Faults {
    /// Runs `hook` before each call from now on, so that data can change between any two calls.
    pub fn before_each(&self, hook: impl FnMut() + Send + 'static) {
        let mut slot = self
            .before_each
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Box::new(hook));
    }

    fn run_hook(&self) {
        let mut hook = self
            .before_each
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(hook) = hook.as_mut() {
            hook();
        }
    }

    pub fn add(&self, beginning: &str, fault: Fault) {
        self.push(Rule {
            beginning: beginning.to_owned(),
            times: None,
            fault,
        });
    }

    pub fn push(&self, rule: Rule) {
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(rule);
    }

    /// Removes all rules and the hook.
    pub fn clear(&self) {
        *self
            .before_each
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn take(&self, method: &Method, path: &str) -> Option<Fault> {
        let call = format!("{method} {path}");
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = rules
            .iter_mut()
            .find(|rule| call.starts_with(&rule.beginning) && rule.times != Some(0))?;
        rule.times = rule.times.map(|remaining| remaining - 1);
        Some(rule.fault.clone())
    }
}

#[derive(Clone)]
struct Watch {
    recorder: Arc<Recorder>,
    faults: Arc<Faults>,
}

/// The path prefix of files; their requests do not count as API calls.
pub const FILES: &str = "/files/";

/// Returns `router` with recording and faults. `GET /sandbox/calls` returns the record, and
/// `DELETE /sandbox/calls` clears it.
pub fn instrument(router: Router, recorder: Arc<Recorder>, faults: Arc<Faults>) -> Router {
    let watch = Watch { recorder, faults };
    router
        .layer(middleware::from_fn_with_state(watch.clone(), observe))
        .merge(
            Router::new()
                .route("/sandbox/calls", get(show).delete(forget))
                .with_state(watch),
        )
}

async fn observe(State(watch): State<Watch>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let (request, body) = json_body(request).await;
    if !path.starts_with(FILES) {
        watch.recorder.push(RecordedCall {
            method: request.method().to_string(),
            path: path.clone(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            body,
        });
    }
    watch.faults.run_hook();
    match watch.faults.take(request.method(), &path) {
        None => next.run(request).await,
        Some(Fault::Answer {
            status,
            content_type,
            body,
        }) => {
            // Responding with an unread body may reset the connection and lose the response.
            let _ = axum::body::to_bytes(request.into_body(), 64 << 20).await;
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
            let mut response = (status, body).into_response();
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            response
        }
        Some(Fault::Hold(gate)) => {
            // A closed semaphore releases the call too.
            if let Ok(permit) = gate.acquire().await {
                permit.forget();
            }
            next.run(request).await
        }
        Some(Fault::Watch(gate, disconnected)) => {
            let notifier = NotifyOnDrop(Some(disconnected));
            if let Ok(permit) = gate.acquire().await {
                permit.forget();
            }
            notifier.forget();
            next.run(request).await
        }
        Some(Fault::Unavailable(retry_after)) => {
            let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(retry_after));
            response
        }
        Some(Fault::Header(name, value)) => {
            let mut response = next.run(request).await;
            let headers = response.headers_mut();
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            response
        }
        Some(Fault::Late(gate)) => {
            let response = next.run(request).await;
            if let Ok(permit) = gate.acquire().await {
                permit.forget();
            }
            response
        }
        Some(Fault::Lose) => {
            next.run(request).await;
            broken_response()
        }
        Some(Fault::Replace(text, bytes)) => {
            replace_in_body(next.run(request).await, text.as_bytes(), &bytes).await
        }
        Some(Fault::Reset) => broken_response(),
    }
}

/// Notifies on drop, unless `forget` was called.
struct NotifyOnDrop(Option<Arc<Notify>>);

impl NotifyOnDrop {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        if let Some(notify) = &self.0 {
            notify.notify_one();
        }
    }
}

/// Returns a response whose body fails at once, so that the server drops the connection.
fn broken_response() -> Response {
    let failing_body = futures_util::stream::iter([Err::<Vec<u8>, _>("reset on demand")]);
    Response::new(Body::from_stream(failing_body))
}

/// Returns the text of a JSON body; other bodies, such as uploads, pass through unread.
async fn json_body(request: Request) -> (Request, String) {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_none_or(|value| value != "application/json") {
        return (request, String::new());
    }
    let (head, body) = request.into_parts();
    // A larger body becomes empty, so the handler refuses it.
    let bytes = axum::body::to_bytes(body, 16 << 20)
        .await
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (Request::from_parts(head, Body::from(bytes)), text)
}

async fn replace_in_body(response: Response, pattern: &[u8], replacement: &[u8]) -> Response {
    let (mut head, body) = response.into_parts();
    // The sandbox's responses are of bounded size.
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let (mut rest, mut changed) = (&bytes[..], Vec::with_capacity(bytes.len()));
    while let Some(first) = rest.first() {
        if rest.starts_with(pattern) {
            changed.extend(replacement);
            rest = &rest[pattern.len()..];
        } else {
            changed.push(*first);
            rest = &rest[1..];
        }
    }
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(changed))
}

async fn show(State(watch): State<Watch>) -> Json<Vec<RecordedCall>> {
    Json(watch.recorder.calls())
}

async fn forget(State(watch): State<Watch>) -> StatusCode {
    watch.recorder.clear();
    StatusCode::NO_CONTENT
}
