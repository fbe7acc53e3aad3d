//! The files of a multipart request. Each stays unread in the body until a resolver takes it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_graphql::{Name, Value, Variables};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use multer::{Field, Multipart};
use tokio::{sync::Mutex as Turn, time::timeout};

use super::{
    error::{in_words, shown},
    field_reader::{FieldReader, NextChunk, OpenField, lock},
    part_header::PartHeader,
};
use crate::{
    access::{Budget, Client},
    schema::Upload,
    server::error::RequestError,
    source::{FileStream, RequestContext},
    write::{FileError, Spool, UploadFile, UploadFiles},
};

/// Bytes allowed while reading a part's headers: chunks do not end at part boundaries.
pub const HEAD_BYTES: u64 = 1024 * 1024;

/// The files of one request.
pub struct Files {
    pub(super) body: Turn<BodyParts>,
    /// The part being read. It is separate from `body`: a cancelled reader does not release it.
    pub(super) open: OpenField,
    /// Paths of the variables that each part provides, by part name.
    pub(super) paths_by_part: HashMap<String, Vec<String>>,
    /// Bytes of the body that are currently still allowed.
    pub(super) left: Arc<AtomicU64>,
    /// Maximum bytes of all files together.
    pub(super) most: u64,
    /// The body exceeded `left`.
    pub(super) is_over_limit: Arc<AtomicBool>,
    /// The first reason why the body is malformed.
    pub(super) malformed: Arc<OnceLock<String>>,
    /// At least one file was read to its end.
    pub(super) has_complete_file: Arc<AtomicBool>,
    pub(super) limit: u64,
    pub(super) idle: Duration,
    /// Disk budget for files that several variables use, and the client that they count for.
    pub(super) spools: Budget,
    pub(super) client: Client,
}

/// The body, up to the part that is read next.
pub struct BodyParts {
    pub(super) parts: Multipart<'static>,
    /// The next part, whose headers were already read.
    pub(super) next: Option<Field<'static>>,
    pub(super) passed: HashSet<String>,
    /// Spooled files that several variables use.
    pub(super) spooled_files: HashMap<String, (Option<String>, Spool)>,
}

impl Files {
    /// Returns the part names in `map`, for the fuzz target.
    pub fn names(&self) -> Vec<String> {
        self.paths_by_part.keys().cloned().collect()
    }

    /// Replaces the null of each mapped variable with an upload that names its part.
    ///
    /// # Errors
    /// A [`RequestError`] if a path in `map` is not a null of a declared variable in `operations`.
    pub fn insert_uploads(&self, variables: &mut Variables) -> Result<(), RequestError> {
        for (name, paths) in &self.paths_by_part {
            for path in paths {
                let place = path
                    .strip_prefix("variables.")
                    .and_then(|path| place(variables, path))
                    .filter(|value| **value == Value::Null);
                let Some(place) = place else {
                    return Err(RequestError::bad_request(format!(
                        "`map` names `{}`, which is not null in `operations`, or not in a variable \
                         that the operation declares: paths begin with `variables.`",
                        shown(path)
                    )));
                };
                *place = Upload::variable(name);
            }
        }
        Ok(())
    }

    /// Returns why the body is malformed, if reading the files failed before any file was
    /// complete.
    pub fn malformed(&self) -> Option<&str> {
        let why = self.malformed.get()?;
        (!self.has_complete_file.load(Ordering::Relaxed)).then_some(why)
    }

    fn broken(&self, message: impl Into<String>) -> FileError {
        let message = message.into();
        // The first error causes the others, so only it is stored.
        let _ = self.malformed.set(message.clone());
        FileError::Malformed(message)
    }

    async fn take_part(
        &self,
        name: &str,
        context: &RequestContext,
    ) -> Result<UploadFile, FileError> {
        let mut body = self.body.lock().await;
        if let Some((file_name, spool)) = body.spooled_files.get(name) {
            return Ok(UploadFile {
                file_name: file_name.clone(),
                bytes: spool.read(),
            });
        }
        if body.passed.contains(name) {
            return Err(FileError::Malformed(format!(
                "the part `{}` was already read: files are read in the order of their parts, so \
                 put them in the order of the mutation's fields, and give each field a variable of \
                 its own",
                shown(name)
            )));
        }
        // A cancelled upload may have left the previous part open.
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
                    .map_err(|_| self.idle_error())?
                    .map_err(|error| self.broken(in_words(&error)))?,
            };
            let Some(field) = field else {
                return Err(self.broken(format!(
                    "the request has no part `{}`, though `map` names it",
                    shown(name)
                )));
            };
            let header = PartHeader::of(field.headers());
            let part_name = header.name.unwrap_or_default();
            if !self.paths_by_part.contains_key(&part_name) {
                return Err(
                    self.broken(format!("the part `{}` is not in `map`", shown(&part_name)))
                );
            }
            body.passed.insert(part_name.clone());
            if part_name != name {
                // No field took this part, so it is skipped.
                self.skip(field, context).await?;
                continue;
            }
            let file_name = header.file_name;
            self.left
                .store(self.limit.saturating_add(HEAD_BYTES), Ordering::Relaxed);
            let bytes = self.bytes_of(field);
            if self
                .paths_by_part
                .get(name)
                .is_none_or(|paths_by_part| paths_by_part.len() < 2)
            {
                return Ok(UploadFile { file_name, bytes });
            }
            let share = self.spools.share(&self.client);
            let spool = Spool::fill(bytes, self.limit, share, context).await?;
            body.spooled_files
                .insert(part_name, (file_name.clone(), spool.clone()));
            return Ok(UploadFile {
                file_name,
                bytes: spool.read(),
            });
        }
    }

    /// Skips a part that no field takes, however large: the next part may be within its limit.
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

    fn idle_error(&self) -> FileError {
        FileError::Silent {
            seconds: self.idle.as_secs(),
        }
    }

    /// Streams a part's bytes until another part is opened.
    fn bytes_of(&self, field: Field<'static>) -> FileStream {
        let open = Arc::clone(&self.open);
        *lock(&open) = Some(field);
        let (malformed, idle_error) = (Arc::clone(&self.malformed), self.idle_error());
        let (has_complete_file, is_over_limit) = (
            Arc::clone(&self.has_complete_file),
            Arc::clone(&self.is_over_limit),
        );
        let limit = self.limit;
        let reading = FieldReader {
            open,
            idle: self.idle,
            waited: Duration::ZERO,
            bytes_since_reset: 0,
        };
        stream::unfold(Some(reading), move |reading| {
            let (malformed, idle_error) = (Arc::clone(&malformed), idle_error.clone());
            let (has_complete_file, is_over_limit) =
                (Arc::clone(&has_complete_file), Arc::clone(&is_over_limit));
            async move {
                let mut reading = reading?;
                match reading.next().await {
                    NextChunk::Piece(piece) => Some((Ok(piece), Some(reading))),
                    NextChunk::End => {
                        has_complete_file.store(true, Ordering::Relaxed);
                        None
                    }
                    NextChunk::TimedOut => Some((Err(idle_error.into_io()), None)),
                    NextChunk::ClosedByOther => {
                        let error = FileError::Malformed("the file's part was skipped".to_owned());
                        Some((Err(error.into_io()), None))
                    }
                    NextChunk::Broken(_) if is_over_limit.load(Ordering::Relaxed) => {
                        let error = FileError::TooLarge { limit };
                        Some((Err(error.into_io()), None))
                    }
                    NextChunk::Broken(error) => {
                        let why = in_words(&error).to_owned();
                        // The first error causes the others, so only it is stored.
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

impl UploadFiles for Files {
    fn take<'a>(
        &'a self,
        name: &'a str,
        context: &'a RequestContext,
    ) -> BoxFuture<'a, Result<UploadFile, FileError>> {
        self.take_part(name, context).boxed()
    }
}

/// Returns the value at `path`, which has field names and list indices.
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
