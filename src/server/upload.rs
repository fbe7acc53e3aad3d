//! A GraphQL multipart request: `operations`, `map`, then the files, which stay in the body until
//! somebody takes them.
//!
//! <https://github.com/jaydenseric/graphql-multipart-request-spec>

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_graphql::{Name, Value, Variables};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use multer::{Field, Multipart};
use tokio::{
    sync::Mutex as Turn,
    time::{Instant, timeout, timeout_at},
};

use super::refusal::Refusal;
use crate::{
    config::Limits,
    schema::Upload,
    source::FileStream,
    write::{FileError, Part, Parts, Spool},
};

/// Bytes of `map`.
const MAP_BYTES: usize = 4 * 1024;
/// Bytes around the parts: boundaries and their headers.
const FRAME_BYTES: u64 = 64 * 1024;
/// Headers that a page of another site cannot send without being asked first.
const PREFLIGHT: [&str; 3] = [
    "apollo-require-preflight",
    "graphql-require-preflight",
    "x-apollo-operation-name",
];
/// After the answer is there, so much is still read, for so long: a client that is still sending
/// would lose the answer in a reset.
const DRAIN_BYTES: u64 = 16 * 1024 * 1024;
const DRAIN: Duration = Duration::from_secs(2);

/// The files of one request.
pub struct Files {
    body: Turn<InBody>,
    /// The part that is being read. Apart from `body`: whoever reads it may be gone without
    /// letting go.
    open: OpenField,
    /// Variables that each part stands for.
    uses: HashMap<String, Vec<String>>,
    /// Bytes of the body that may still come.
    left: Arc<AtomicU64>,
    /// The body turned out not to be what it should be.
    is_malformed: Arc<AtomicBool>,
    limit: u64,
    idle: Duration,
}

type OpenField = Arc<Mutex<Option<Field<'static>>>>;

struct InBody {
    parts: Multipart<'static>,
    /// The next part, whose head is read.
    next: Option<Field<'static>>,
    passed: HashSet<String>,
    /// Files that several variables stand for.
    kept: HashMap<String, (Option<String>, Spool)>,
}

/// Whether a body is such a request.
pub fn is_multipart(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("multipart/form-data"))
}

/// Reads `operations` and `map`, up to the head of the first file.
///
/// # Errors
/// A [`Refusal`] for every way in which it is no such request.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<(Vec<u8>, Arc<Files>), Refusal> {
    let is_asked_for = PREFLIGHT
        .iter()
        .any(|name| headers.get(*name).is_some_and(|value| !value.is_empty()));
    if !is_asked_for {
        return Err(Refusal::bad_request(
            "a multipart request needs a header that a page of another site cannot send unasked: \
             `graphql-require-preflight: 1`, or `apollo-require-preflight: true`",
        ));
    }
    let boundary = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| multer::parse_boundary(text).ok())
        .ok_or_else(|| {
            Refusal::bad_request("the content type `multipart/form-data` names no `boundary`")
        })?;
    let files = limits
        .upload_bytes
        .saturating_mul(limits.upload_files as u64);
    let most = files.saturating_add(limits.body_bytes as u64 + FRAME_BYTES);
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    let left = Arc::new(AtomicU64::new(most));
    let parts = Multipart::new(metered(body, Arc::clone(&left)), boundary);
    let mut reading = InBody {
        parts,
        next: None,
        passed: HashSet::new(),
        kept: HashMap::new(),
    };
    let read = if announced.is_some_and(|length| length > most) {
        Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            format!(
                "the request is larger than {} files of {} bytes",
                limits.upload_files, limits.upload_bytes
            ),
        ))
    } else {
        let head = timeout(limits.body_deadline, reading.head(limits)).await;
        head.unwrap_or_else(|_| {
            Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "BAD_USER_INPUT",
                "`operations`, `map` and the head of the first file did not come in time",
            ))
        })
    };
    match read {
        Ok((operations, uses)) => Ok((
            operations,
            Arc::new(Files {
                body: Turn::new(reading),
                open: OpenField::default(),
                uses,
                left,
                is_malformed: Arc::default(),
                limit: limits.upload_bytes,
                idle: limits.upload_idle,
            }),
        )),
        Err(refusal) => {
            left.store(DRAIN_BYTES, Ordering::Relaxed);
            // The client is answered at once, and may still be sending.
            tokio::spawn(async move { reading.drain().await });
            Err(refusal)
        }
    }
}

impl InBody {
    async fn head(
        &mut self,
        limits: &Limits,
    ) -> Result<(Vec<u8>, HashMap<String, Vec<String>>), Refusal> {
        let operations = self.text("operations", limits.body_bytes).await?;
        let map = self.text("map", MAP_BYTES).await?;
        let uses = uses(&map, limits.upload_files)?;
        self.next = self.parts.next_field().await.map_err(broken)?;
        let first = self.next.as_ref().and_then(|field| field.name());
        match first {
            None if self.next.is_some() => Err(Refusal::bad_request("a part has no name")),
            None if !uses.is_empty() => Err(Refusal::bad_request(
                "the request ends before the first file that `map` names",
            )),
            Some("operations" | "map") => Err(Refusal::bad_request(
                "`operations` and `map` come once each",
            )),
            Some(name) if !uses.contains_key(name) => Err(Refusal::bad_request(format!(
                "the part `{}` is not in `map`",
                shown(name)
            ))),
            _ => Ok((operations, uses)),
        }
    }

    async fn text(&mut self, name: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        let field = self.parts.next_field().await.map_err(broken)?;
        let Some(mut field) = field.filter(|field| field.name() == Some(name)) else {
            return Err(Refusal::bad_request(format!(
                "a multipart request has the part `operations` first, then `map`, then the files: \
                 `{name}` is missing or not in its place"
            )));
        };
        let mut text = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            if text.len() + piece.len() > limit {
                return Err(Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "PAYLOAD_TOO_LARGE",
                    format!("the part `{name}` is larger than the limit of {limit} bytes"),
                ));
            }
            text.extend_from_slice(&piece);
        }
        Ok(text)
    }

    async fn drain(&mut self) {
        self.next = None;
        let all = async { while let Ok(Some(_)) = self.parts.next_field().await {} };
        let _ = timeout(DRAIN, all).await;
    }
}

/// What `map` says: the variables that each part stands for.
fn uses(map: &[u8], most: usize) -> Result<HashMap<String, Vec<String>>, Refusal> {
    let entries: Vec<(String, Vec<String>)> = serde_json::from_slice::<Entries>(map)
        .map_err(|_| {
            Refusal::bad_request(
                "`map` must be a JSON object of lists of paths: {\"0\": [\"variables.file\"]}",
            )
        })?
        .0;
    if entries.len() > most {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            format!(
                "a request has at most {most} files; `map` names {}",
                entries.len()
            ),
        ));
    }
    let (mut uses, mut seen) = (HashMap::new(), HashSet::new());
    for (name, paths) in entries {
        if paths.is_empty() {
            return Err(Refusal::bad_request(format!(
                "`map` names no variable for the part `{}`",
                shown(&name)
            )));
        }
        for path in &paths {
            if !seen.insert(path.clone()) {
                return Err(Refusal::bad_request(format!(
                    "`map` names `{}` twice",
                    shown(path)
                )));
            }
        }
        if uses.insert(name.clone(), paths).is_some() {
            return Err(Refusal::bad_request(format!(
                "`map` names the part `{}` twice",
                shown(&name)
            )));
        }
    }
    Ok(uses)
}

/// An object's entries as they are written: a map would lose those that come twice.
struct Entries(Vec<(String, Vec<String>)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<Entries, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Part of a client's text, for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// Why a body is no multipart body. multer's words name places in bytes: these say what to do.
fn broken(error: multer::Error) -> Refusal {
    Refusal::bad_request(in_words(&error))
}

fn in_words(error: &multer::Error) -> &'static str {
    match error {
        multer::Error::StreamReadFailed(_) => "the request's body broke off, or is too large",
        multer::Error::IncompleteStream
        | multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders => {
            "the multipart body ends before its last boundary: it was cut off, or the boundary is \
             not the one that the content type names"
        }
        multer::Error::ReadHeaderFailed(_)
        | multer::Error::DecodeHeaderName { .. }
        | multer::Error::DecodeHeaderValue { .. } => {
            "a part of the multipart body has headers that cannot be read"
        }
        _ => "the body is not multipart/form-data",
    }
}

/// A body's pieces as long as `left` holds out.
fn metered(
    body: Body,
    left: Arc<AtomicU64>,
) -> impl Stream<Item = std::io::Result<axum::body::Bytes>> + Send + 'static {
    body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        let length = piece.len() as u64;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(length)
        })
        .map_err(|_| std::io::Error::other("too large"))?;
        Ok(piece)
    })
}

impl Files {
    /// Puts each part's name in the place of its variables.
    ///
    /// # Errors
    /// A [`Refusal`] where `map` points at something that is not null in `operations`.
    pub fn put_into(&self, variables: &mut Variables) -> Result<(), Refusal> {
        for (name, paths) in &self.uses {
            for path in paths {
                let place = path
                    .strip_prefix("variables.")
                    .and_then(|path| place(variables, path))
                    .filter(|value| **value == Value::Null);
                let Some(place) = place else {
                    return Err(Refusal::bad_request(format!(
                        "`map` names `{}`, which is not a null in `operations`: paths begin with \
                         `variables.`",
                        shown(path)
                    )));
                };
                *place = Upload::variable(name);
            }
        }
        Ok(())
    }

    /// Whether reading the files found that the body is no multipart body.
    pub fn is_malformed(&self) -> bool {
        self.is_malformed.load(Ordering::Relaxed)
    }

    /// Nobody reads files any more: what still comes is dropped, for a while.
    pub fn finish(self: Arc<Self>) {
        self.left.store(DRAIN_BYTES, Ordering::Relaxed);
        self.close();
        tokio::spawn(async move {
            if let Ok(mut body) = timeout(DRAIN, self.body.lock()).await {
                body.drain().await;
            }
        });
    }

    /// Takes the part away from whoever reads it.
    fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn malformed(&self, message: impl Into<String>) -> FileError {
        self.is_malformed.store(true, Ordering::Relaxed);
        FileError::Malformed(message.into())
    }

    async fn take_part(&self, name: &str) -> Result<Part, FileError> {
        let mut body = self.body.lock().await;
        if let Some((file_name, spool)) = body.kept.get(name) {
            return Ok(Part {
                file_name: file_name.clone(),
                bytes: spool.read(),
            });
        }
        if body.passed.contains(name) {
            return Err(FileError::Malformed(format!(
                "the part `{}` has passed already: files are read in the order of their parts, so \
                 put them in the order of the mutation's fields",
                shown(name)
            )));
        }
        // The part before may still be held by an upload that was given up.
        self.close();
        let silent = FileError::Silent {
            seconds: self.idle.as_secs(),
        };
        loop {
            let field = match body.next.take() {
                Some(field) => Some(field),
                None => timeout(self.idle, body.parts.next_field())
                    .await
                    .map_err(|_| silent.clone())?
                    .map_err(|error| self.malformed(in_words(&error)))?,
            };
            let Some(field) = field else {
                return Err(self.malformed(format!(
                    "the request has no part `{}`, though `map` names it",
                    shown(name)
                )));
            };
            let own = field.name().unwrap_or_default().to_owned();
            body.passed.insert(own.clone());
            if own != name {
                // Its field did not want it: it is read past.
                self.skip(field).await?;
                continue;
            }
            let file_name = field.file_name().map(str::to_owned);
            let bytes = self.bytes_of(field);
            if self.uses.get(name).is_none_or(|uses| uses.len() < 2) {
                return Ok(Part { file_name, bytes });
            }
            let spool = Spool::fill(bytes).await?;
            body.kept.insert(own, (file_name.clone(), spool.clone()));
            return Ok(Part {
                file_name,
                bytes: spool.read(),
            });
        }
    }

    async fn skip(&self, field: Field<'static>) -> Result<(), FileError> {
        let (mut bytes, mut length) = (self.bytes_of(field), 0);
        while let Some(piece) = bytes.next().await {
            length += piece.map_err(|error| FileError::of(&error))?.len() as u64;
            if length > self.limit {
                return Err(FileError::TooLarge { limit: self.limit });
            }
        }
        Ok(())
    }

    /// A part's bytes, as long as nobody takes it away.
    fn bytes_of(&self, field: Field<'static>) -> FileStream {
        let open = Arc::clone(&self.open);
        *open.lock().unwrap_or_else(PoisonError::into_inner) = Some(field);
        let (is_malformed, idle) = (Arc::clone(&self.is_malformed), self.idle);
        stream::unfold(Some(open), move |open| {
            let is_malformed = Arc::clone(&is_malformed);
            async move {
                let open = open?;
                let end = Instant::now() + idle;
                match timeout_at(end, piece(&open)).await {
                    Err(_) => {
                        let silent = FileError::Silent {
                            seconds: idle.as_secs(),
                        };
                        Some((Err(silent.into_io()), None))
                    }
                    Ok(Some(Ok(piece))) => Some((Ok(piece), Some(open))),
                    Ok(Some(Err(error))) => {
                        is_malformed.store(true, Ordering::Relaxed);
                        let error = FileError::Malformed(in_words(&error).to_owned());
                        Some((Err(error.into_io()), None))
                    }
                    Ok(None) => {
                        // The next part can only be read when this one is let go.
                        *open.lock().unwrap_or_else(PoisonError::into_inner) = None;
                        None
                    }
                }
            }
        })
        .boxed()
    }
}

/// The next piece of the part that is open.
async fn piece(open: &OpenField) -> Option<multer::Result<axum::body::Bytes>> {
    std::future::poll_fn(|context| {
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.as_mut() {
            Some(field) => Pin::new(field).poll_next(context),
            // Taken away: whoever reads it now does so for nobody.
            None => Poll::Ready(Some(Err(multer::Error::IncompleteStream))),
        }
    })
    .await
}

impl Parts for Files {
    fn take<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Part, FileError>> {
        self.take_part(name).boxed()
    }
}

/// The value at `path`: names of fields, and places in lists.
fn place<'a>(variables: &'a mut Variables, path: &str) -> Option<&'a mut Value> {
    let mut steps = path.split('.');
    let mut value = variables.get_mut(&Name::new(steps.next()?))?;
    for step in steps {
        value = match value {
            Value::Object(fields) => fields.get_mut(step)?,
            Value::List(items) => items.get_mut(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}
