//! The files of a multipart request: each stays in the body until a field takes it.

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
    field_reader::{Came, OpenField, Reading, lock},
};
use crate::{
    access::{Budget, Client},
    schema::Upload,
    server::error::RequestError,
    source::{FileStream, RequestContext},
    write::{FileError, Spool, UploadFile, UploadFiles},
};

/// Bytes that may come while the head of a part is read: pieces end where they like.
pub const HEAD_BYTES: u64 = 1024 * 1024;

/// The files of one request.
pub struct Files {
    pub(super) body: Turn<InBody>,
    /// The part that is being read. Apart from `body`: its reader may be gone without releasing it.
    pub(super) open: OpenField,
    /// Variables that each part stands for.
    pub(super) uses: HashMap<String, Vec<String>>,
    /// Bytes of the body that may still come, for now.
    pub(super) left: Arc<AtomicU64>,
    /// Bytes of all files together.
    pub(super) most: u64,
    /// More came than may.
    pub(super) is_spent: Arc<AtomicBool>,
    /// What the body turned out not to be.
    pub(super) malformed: Arc<OnceLock<String>>,
    /// Some file came whole.
    pub(super) is_useful: Arc<AtomicBool>,
    pub(super) limit: u64,
    pub(super) idle: Duration,
    /// For files that several variables stand for, and whose disk they take.
    pub(super) spools: Budget,
    pub(super) client: Client,
}

/// The body, up to the part that is read next.
pub struct InBody {
    pub(super) parts: Multipart<'static>,
    /// The next part, whose head is read.
    pub(super) next: Option<Field<'static>>,
    pub(super) passed: HashSet<String>,
    /// Files that several variables stand for.
    pub(super) kept: HashMap<String, (Option<String>, Spool)>,
}

impl Files {
    /// The parts that `map` names, for [`super::fuzz_entry`].
    pub fn names(&self) -> Vec<String> {
        self.uses.keys().cloned().collect()
    }

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
