//! A GraphQL multipart request: `operations`, `map`, then the files, which stay in the body until
//! somebody takes them.
//!
//! <https://github.com/jaydenseric/graphql-multipart-request-spec>

mod map;

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_graphql::{Name, Value, Variables};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use multer::{Field, Multipart};
use tokio::{
    sync::Mutex as Turn,
    time::{Instant, timeout},
};

use self::map::uses;
use super::{
    error::{self, RequestError},
    memory::Memory,
    origin_policy,
};
use crate::{
    access::{Budget, Client},
    config::Limits,
    schema::{Code, Upload},
    source::{FileStream, RequestContext},
    write::{FileError, Spool, UploadFile, UploadFiles},
};

/// Bytes of `map`.
const MAP_BYTES: usize = 4 * 1024;
/// Bytes that may come while the head of a part is read: pieces end where they like.
const HEAD_BYTES: u64 = 1024 * 1024;
/// Bytes that a client sends at least in each [`Limits::upload_idle`] that it is waited for.
const LEAST: usize = 16 * 1024;

/// The files of one request.
pub struct Files {
    body: Turn<InBody>,
    /// The part that is being read. Apart from `body`: its reader may be gone without releasing it.
    open: OpenField,
    /// Variables that each part stands for.
    uses: HashMap<String, Vec<String>>,
    /// Bytes of the body that may still come, for now.
    left: Arc<AtomicU64>,
    /// Bytes of all files together.
    most: u64,
    /// More came than may.
    is_spent: Arc<AtomicBool>,
    /// What the body turned out not to be.
    malformed: Arc<OnceLock<String>>,
    /// Some file came whole.
    is_useful: Arc<AtomicBool>,
    limit: u64,
    idle: Duration,
    /// For files that several variables stand for, and whose disk they take.
    spools: Budget,
    client: Client,
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
/// A [`RequestError`] for every way in which it is no such request.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    spools: &Budget,
    memory: &mut Memory<'_>,
) -> Result<(Bytes, Arc<Files>), RequestError> {
    if !origin_policy::is_asked_for(headers) {
        return Err(RequestError::bad_request(
            "a multipart request needs a header that a page of another site cannot send unasked: \
             `graphql-require-preflight: 1`, or `apollo-require-preflight: true`",
        ));
    }
    let boundary = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| multer::parse_boundary(text).ok())
        .ok_or_else(|| {
            RequestError::bad_request("the content type `multipart/form-data` names no `boundary`")
        })?;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    let around = (limits.body_bytes + MAP_BYTES) as u64 + HEAD_BYTES;
    let left = Arc::new(AtomicU64::new(around));
    let is_spent = Arc::<AtomicBool>::default();
    let metered = metered(body, Arc::clone(&left), Arc::clone(&is_spent));
    let parts = Multipart::new(metered, boundary);
    let mut reading = InBody {
        parts,
        next: None,
        passed: HashSet::new(),
        kept: HashMap::new(),
    };
    let head = timeout(limits.body_deadline, reading.head(limits, memory)).await;
    let (operations, uses) = head.unwrap_or_else(|_| {
        Err(RequestError::new(
            StatusCode::REQUEST_TIMEOUT,
            Code::BadUserInput,
            "`operations`, `map` and the head of the first file did not come in time",
        ))
    })?;
    let most = limits.upload_bytes.saturating_mul(uses.len() as u64);
    if announced.is_some_and(|length| length > most.saturating_add(around)) {
        let may = most.saturating_add(around);
        return Err(RequestError::too_large(
            "a request with such a `map`",
            announced,
            may,
        ));
    }
    let files = Files {
        body: Turn::new(reading),
        open: OpenField::default(),
        uses,
        left,
        most,
        is_spent,
        malformed: Arc::default(),
        is_useful: Arc::default(),
        limit: limits.upload_bytes,
        idle: limits.upload_idle,
        spools: spools.clone(),
        client: memory.client().clone(),
    };
    Ok((operations.into(), Arc::new(files)))
}

impl Files {
    /// The parts that `map` names, for [`super::fuzz_entry`].
    pub fn names(&self) -> Vec<String> {
        self.uses.keys().cloned().collect()
    }
}

impl InBody {
    async fn head(
        &mut self,
        limits: &Limits,
        memory: &mut Memory<'_>,
    ) -> Result<(Vec<u8>, HashMap<String, Vec<String>>), RequestError> {
        let operations = self.text("operations", limits.body_bytes, memory).await?;
        let map = self.text("map", MAP_BYTES, memory).await?;
        let uses = uses(&map, limits.upload_files)?;
        self.next = self.parts.next_field().await.map_err(broken)?;
        let first = self.next.as_ref().and_then(|field| field.name());
        match first {
            None if self.next.is_some() => Err(RequestError::bad_request("a part has no name")),
            None if !uses.is_empty() => Err(RequestError::bad_request(
                "the request ends before the first file that `map` names",
            )),
            Some("operations" | "map") => Err(RequestError::bad_request(
                "`operations` and `map` come once each",
            )),
            Some(name) if !uses.contains_key(name) => Err(RequestError::bad_request(format!(
                "the part `{}` is not in `map`",
                shown(name)
            ))),
            _ => Ok((operations, uses)),
        }
    }

    async fn text(
        &mut self,
        name: &str,
        limit: usize,
        memory: &mut Memory<'_>,
    ) -> Result<Vec<u8>, RequestError> {
        let field = self.parts.next_field().await.map_err(broken)?;
        let Some(mut field) = field.filter(|field| field.name() == Some(name)) else {
            return Err(RequestError::bad_request(format!(
                "a multipart request has the part `operations` first, then `map`, then the files: \
                 `{name}` is missing or not in its place"
            )));
        };
        let mut text = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            if text.len() + piece.len() > limit {
                let what = format!("the part `{name}`");
                return Err(RequestError::too_large(&what, None, limit as u64));
            }
            memory.take(piece.len())?;
            text.extend_from_slice(&piece);
        }
        Ok(text)
    }
}

/// Part of a client's text, for a message.
fn shown(text: &str) -> String {
    error::excerpt(text, 40)
}

/// Why a body is no multipart body. multer's words name places in bytes: these say what to do.
fn broken(error: multer::Error) -> RequestError {
    RequestError::bad_request(in_words(&error))
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

/// Bytes that are given at once. multer takes all that there is into its own memory before it gives
/// any of it: a quick client would have its whole file there.
const BURST: usize = 64 * 1024;

/// A body's pieces as long as `left` holds out, no more than [`BURST`] in one go.
fn metered(
    body: Body,
    left: Arc<AtomicU64>,
    is_spent: Arc<AtomicBool>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let mut pieces = body.into_data_stream();
    let mut given = 0;
    let paced = stream::poll_fn(move |context| {
        if given >= BURST {
            given = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = pieces.poll_next_unpin(context);
        match &next {
            Poll::Ready(Some(Ok(piece))) => given += piece.len(),
            _ => given = 0,
        }
        next
    });
    paced.map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        let length = piece.len() as u64;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(length)
        })
        .map_err(|_| {
            is_spent.store(true, Ordering::Relaxed);
            std::io::Error::other("too large")
        })?;
        Ok(piece)
    })
}

impl Files {
    /// Puts each part's name in the place of its variables.
    ///
    /// # Errors
    /// A [`RequestError`] where `map` points at something that is not null in `operations`.
    pub fn put_into(&self, variables: &mut Variables) -> Result<(), RequestError> {
        for (name, paths) in &self.uses {
            for path in paths {
                let place = path
                    .strip_prefix("variables.")
                    .and_then(|path| place(variables, path))
                    .filter(|value| **value == Value::Null);
                let Some(place) = place else {
                    return Err(RequestError::bad_request(format!(
                        "`map` names `{}`, which is not a null in `operations`, or no variable that \
                         the operation declares: paths begin with `variables.`",
                        shown(path)
                    )));
                };
                *place = Upload::variable(name);
            }
        }
        Ok(())
    }

    /// Why the body is no multipart body, where reading the files found that before anything came
    /// of them.
    pub fn malformed(&self) -> Option<&str> {
        let why = self.malformed.get()?;
        (!self.is_useful.load(Ordering::Relaxed)).then_some(why)
    }

    fn broken(&self, message: impl Into<String>) -> FileError {
        let message = message.into();
        // The first is the reason of the others.
        let _ = self.malformed.set(message.clone());
        FileError::Malformed(message)
    }

    async fn take_part(
        &self,
        name: &str,
        context: &RequestContext,
    ) -> Result<UploadFile, FileError> {
        let mut body = self.body.lock().await;
        if let Some((file_name, spool)) = body.kept.get(name) {
            return Ok(UploadFile {
                file_name: file_name.clone(),
                bytes: spool.read(),
            });
        }
        if body.passed.contains(name) {
            return Err(FileError::Malformed(format!(
                "the part `{}` has passed already: files are read in the order of their parts, so \
                 put them in the order of the mutation's fields, and give each field a variable of \
                 its own",
                shown(name)
            )));
        }
        // The part before may still be held by an upload that was given up.
        let unfinished = lock(&self.open).take();
        if let Some(field) = unfinished {
            self.skip(field, context).await?;
        }
        loop {
            self.left.store(HEAD_BYTES, Ordering::Relaxed);
            let field = match body.next.take() {
                Some(field) => Some(field),
                None => timeout(self.idle, body.parts.next_field())
                    .await
                    .map_err(|_| self.silent())?
                    .map_err(|error| self.broken(in_words(&error)))?,
            };
            let Some(field) = field else {
                return Err(self.broken(format!(
                    "the request has no part `{}`, though `map` names it",
                    shown(name)
                )));
            };
            let own = field.name().unwrap_or_default().to_owned();
            if !self.uses.contains_key(&own) {
                return Err(self.broken(format!("the part `{}` is not in `map`", shown(&own))));
            }
            body.passed.insert(own.clone());
            if own != name {
                // Its field did not want it: it is read past.
                self.skip(field, context).await?;
                continue;
            }
            let file_name = field.file_name().map(str::to_owned);
            self.left
                .store(self.limit.saturating_add(HEAD_BYTES), Ordering::Relaxed);
            let bytes = self.bytes_of(field);
            if self.uses.get(name).is_none_or(|uses| uses.len() < 2) {
                return Ok(UploadFile { file_name, bytes });
            }
            let share = self.spools.share(&self.client);
            let spool = Spool::fill(bytes, self.limit, share, context).await?;
            body.kept.insert(own, (file_name.clone(), spool.clone()));
            return Ok(UploadFile {
                file_name,
                bytes: spool.read(),
            });
        }
    }

    /// Reads past a part that no variable names, however large: the next one may be within its limit.
    async fn skip(&self, field: Field<'static>, context: &RequestContext) -> Result<(), FileError> {
        self.left
            .store(self.most.saturating_add(HEAD_BYTES), Ordering::Relaxed);
        let mut bytes = self.bytes_of(field);
        while let Some(piece) = bytes.next().await {
            piece.map_err(|error| FileError::of(&error))?;
            context.renew();
        }
        Ok(())
    }

    fn silent(&self) -> FileError {
        FileError::Silent {
            seconds: self.idle.as_secs(),
        }
    }

    /// A part's bytes, until the part is taken.
    fn bytes_of(&self, field: Field<'static>) -> FileStream {
        let open = Arc::clone(&self.open);
        *lock(&open) = Some(field);
        let (malformed, silent) = (Arc::clone(&self.malformed), self.silent());
        let (is_useful, is_spent) = (Arc::clone(&self.is_useful), Arc::clone(&self.is_spent));
        let limit = self.limit;
        let reading = Reading {
            open,
            idle: self.idle,
            waited: Duration::ZERO,
            came: 0,
        };
        stream::unfold(Some(reading), move |reading| {
            let (malformed, silent) = (Arc::clone(&malformed), silent.clone());
            let (is_useful, is_spent) = (Arc::clone(&is_useful), Arc::clone(&is_spent));
            async move {
                let mut reading = reading?;
                match reading.next().await {
                    Came::Piece(piece) => Some((Ok(piece), Some(reading))),
                    Came::End => {
                        is_useful.store(true, Ordering::Relaxed);
                        None
                    }
                    Came::Nothing => Some((Err(silent.into_io()), None)),
                    Came::TakenAway => {
                        let error = FileError::Malformed("its part is no longer read".to_owned());
                        Some((Err(error.into_io()), None))
                    }
                    Came::Broken(_) if is_spent.load(Ordering::Relaxed) => {
                        let error = FileError::TooLarge { limit };
                        Some((Err(error.into_io()), None))
                    }
                    Came::Broken(error) => {
                        let why = in_words(&error).to_owned();
                        // The first is the reason of the others.
                        let _ = malformed.set(why.clone());
                        let error = FileError::Malformed(why);
                        Some((Err(error.into_io()), None))
                    }
                }
            }
        })
        .boxed()
    }
}

/// A part on its way out of the body.
struct Reading {
    open: OpenField,
    idle: Duration,
    /// How long its client was waited for since the last [`LEAST`] bytes. Time that the source
    /// takes is not the client's.
    waited: Duration,
    came: usize,
}

enum Came {
    Piece(Bytes),
    End,
    Nothing,
    /// The next part is wanted.
    TakenAway,
    Broken(multer::Error),
}

impl Reading {
    async fn next(&mut self) -> Came {
        let began = Instant::now();
        let left = self.idle.saturating_sub(self.waited);
        let Ok(came) = timeout(left, piece(&self.open)).await else {
            return Came::Nothing;
        };
        self.waited += began.elapsed();
        match &came {
            Came::Piece(piece) => {
                self.came += piece.len();
                if self.came >= LEAST {
                    (self.waited, self.came) = (Duration::ZERO, 0);
                }
            }
            // The next part can only be read when this one is let go.
            Came::End => *lock(&self.open) = None,
            _ => {}
        }
        came
    }
}

/// The next piece of the part that is open.
async fn piece(open: &OpenField) -> Came {
    std::future::poll_fn(|context| {
        let mut open = lock(open);
        let Some(field) = open.as_mut() else {
            return Poll::Ready(Came::TakenAway);
        };
        Pin::new(field).poll_next(context).map(|piece| match piece {
            Some(Ok(piece)) => Came::Piece(piece),
            Some(Err(error)) => Came::Broken(error),
            None => Came::End,
        })
    })
    .await
}

fn lock(open: &OpenField) -> MutexGuard<'_, Option<Field<'static>>> {
    // One field: a panic elsewhere cannot leave it half-changed.
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UploadFiles for Files {
    fn take<'a>(
        &'a self,
        name: &'a str,
        context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<UploadFile, FileError>> {
        self.take_part(name, context).boxed()
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
