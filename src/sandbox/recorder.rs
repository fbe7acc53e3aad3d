//! Counts the calls a server received, and misbehaves on demand. Tests count here, never in the
//! gateway.

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

/// One call as it arrived.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    /// As sent, still encoded.
    pub query: String,
    /// Of calls with a JSON body.
    pub body: String,
}

/// Calls remembered; the oldest are forgotten first.
const MOST: usize = 16_384;

/// The latest calls since the start or the last [`Recorder::clear`]; file downloads and the
/// recorder's own routes are left out.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<VecDeque<Recorded>>);

impl Recorder {
    #[must_use]
    pub fn calls(&self) -> Vec<Recorded> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Calls whose method and path begin so: `GET /assets`.
    #[must_use]
    pub fn count(&self, beginning: &str) -> usize {
        self.calls()
            .iter()
            .filter(|call| format!("{} {}", call.method, call.path).starts_with(beginning))
            .count()
    }

    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn push(&self, call: Recorded) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= MOST {
            calls.pop_front();
        }
        calls.push_back(call);
    }
}

/// Misbehaviour.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers this instead.
    Answer {
        status: u16,
        content_type: &'static str,
        body: String,
    },
    /// Answers rightly, but only after a permit is added.
    Hold(Arc<Semaphore>),
    /// Makes its answer at once, but gives it only after a permit is added.
    Late(Arc<Semaphore>),
    /// Answers rightly, but only after a permit is added; tells when its caller leaves before.
    Watch(Arc<Semaphore>, Arc<Notify>),
    /// Answers rightly, with one more header.
    Header(&'static str, &'static str),
    /// 503, with this as `Retry-After`.
    Unavailable(&'static str),
    /// Breaks the connection before any byte of an answer.
    Reset,
    /// Does what the request asks, then breaks the connection.
    Lose,
    /// Answers rightly, but with these bytes in place of that text, wherever it stands.
    Replace(String, Vec<u8>),
}

/// When to misbehave: calls whose method and path begin so.
#[derive(Debug, Clone)]
pub struct Rule {
    pub beginning: String,
    /// The number of calls it applies to; `None`: until cleared.
    pub times: Option<usize>,
    pub fault: Fault,
}

/// The rules in force; the first that fits a call wins.
#[derive(Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    before_each: Mutex<Option<Hook>>,
}

/// What happens before a call is answered.
type Hook = Box<dyn FnMut() + Send>;

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.rules).finish()
    }
}

impl Faults {
    /// Does this before each call from now on: the world changes between any two calls.
    pub fn before_each(&self, hook: impl FnMut() + Send + 'static) {
        let mut own = self
            .before_each
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *own = Some(Box::new(hook));
    }

    fn happen(&self) {
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

    /// Behaves again.
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
        rule.times = rule.times.map(|left| left - 1);
        Some(rule.fault.clone())
    }
}

#[derive(Clone)]
struct Watch {
    recorder: Arc<Recorder>,
    faults: Arc<Faults>,
}

/// Where files are; not counted as API calls.
pub const FILES: &str = "/files/";

/// `router`, with every call recorded and the faults applied; `GET` and `DELETE
/// /sandbox/calls` show and forget the record.
pub fn watched(router: Router, recorder: Arc<Recorder>, faults: Arc<Faults>) -> Router {
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
        watch.recorder.push(Recorded {
            method: request.method().to_string(),
            path: path.clone(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            body,
        });
    }
    watch.faults.happen();
    match watch.faults.take(request.method(), &path) {
        None => next.run(request).await,
        Some(Fault::Answer {
            status,
            content_type,
            body,
        }) => {
            // A server that answers over unread bytes may reset its own answer.
            let _ = axum::body::to_bytes(request.into_body(), 64 << 20).await;
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
            let mut response = (status, body).into_response();
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            response
        }
        Some(Fault::Hold(gate)) => {
            // A closed gate opens too.
            if let Ok(permit) = gate.acquire().await {
                permit.forget();
            }
            next.run(request).await
        }
        Some(Fault::Watch(gate, left)) => {
            let waiting = Tell(Some(left));
            if let Ok(permit) = gate.acquire().await {
                permit.forget();
            }
            waiting.forget();
            next.run(request).await
        }
        Some(Fault::Unavailable(after)) => {
            let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
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
            broken()
        }
        Some(Fault::Replace(text, bytes)) => {
            replaced(next.run(request).await, text.as_bytes(), &bytes).await
        }
        Some(Fault::Reset) => broken(),
    }
}

/// Tells when it is dropped, unless it was forgotten.
struct Tell(Option<Arc<Notify>>);

impl Tell {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        if let Some(left) = &self.0 {
            left.notify_one();
        }
    }
}

/// A body that fails at once makes the server drop the connection.
fn broken() -> Response {
    let broken = futures_util::stream::iter([Err::<Vec<u8>, _>("reset on demand")]);
    Response::new(Body::from_stream(broken))
}

/// The body's text, where it is JSON; uploads pass by.
async fn json_body(request: Request) -> (Request, String) {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_none_or(|own| own != "application/json") {
        return (request, String::new());
    }
    let (head, body) = request.into_parts();
    // What is larger, the handlers refuse too.
    let bytes = axum::body::to_bytes(body, 16 << 20)
        .await
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (Request::from_parts(head, Body::from(bytes)), text)
}

async fn replaced(response: Response, text: &[u8], by: &[u8]) -> Response {
    let (mut head, body) = response.into_parts();
    // Our own answers, of bounded size.
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let (mut rest, mut changed) = (&bytes[..], Vec::with_capacity(bytes.len()));
    while let Some(first) = rest.first() {
        if rest.starts_with(text) {
            changed.extend(by);
            rest = &rest[text.len()..];
        } else {
            changed.push(*first);
            rest = &rest[1..];
        }
    }
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(changed))
}

async fn show(State(watch): State<Watch>) -> Json<Vec<Recorded>> {
    Json(watch.recorder.calls())
}

async fn forget(State(watch): State<Watch>) -> StatusCode {
    watch.recorder.clear();
    StatusCode::NO_CONTENT
}
