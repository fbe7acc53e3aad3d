//! Writes: uploads, tags, notes and deletes over several sources, with an outcome for each asset.
//!
//! - An asset is held while it is changed, so that two changes through this process do not undo
//!   each other where an upstream only replaces. Between processes nobody holds it.
//! - The shelf is told before a write is sent and again when its outcome is known: nothing read
//!   before is served after.
//! - A write runs in a task of its own: a caller that goes away leaves no half-told outcome, and
//!   the log says what came of it.

mod delete;
mod held;
mod kept;
mod upload;

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, stream};
use tracing::Instrument;

use self::{held::Held, kept::Kept};
use crate::{
    asset::{Asset, AssetId},
    cache::{Entity, Outcomes, Shelf},
    source::{Context, Source, SourceError, TagChange, Variant},
};

pub use delete::Deleted;
pub use upload::{
    FileError, Incoming, NewAsset, Part, Parts, Progress, Spool, Step, StepState, UploadError,
    UploadOutcome,
};

/// Changes under way at once in one mutation; each source bounds its own calls too.
const AT_ONCE: usize = 32;
/// Upstream calls that one change causes at most: read, write twice, read again.
const CALLS: u32 = 4;

/// What mutations work with. Process-wide; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    shelf: Arc<Shelf>,
    held: Held,
    kept: Outcomes<Kept>,
}

/// An asset to write, and where it is.
#[derive(Clone)]
pub struct Target {
    pub source: Arc<dyn Source>,
    /// Under the source's current name.
    pub id: AssetId,
}

/// What became of one asset.
pub struct Outcome {
    pub id: AssetId,
    /// As it is now.
    pub result: Entity,
}

/// What is done to an asset.
#[derive(Clone)]
enum Change {
    Tags(TagChange),
    Note(Option<String>),
}

impl Writer {
    #[must_use]
    pub fn new(shelf: Arc<Shelf>) -> Self {
        Self {
            shelf,
            held: Held::default(),
            kept: Outcomes::default(),
        }
    }

    /// Changes the tags of several assets; each for itself, in the order given.
    pub async fn tags(
        &self,
        targets: Vec<Target>,
        change: TagChange,
        context: &Arc<Context>,
    ) -> Vec<Outcome> {
        self.all(targets, Change::Tags(change), context).await
    }

    /// Sets an asset's note; none clears it.
    pub async fn note(
        &self,
        target: Target,
        note: Option<String>,
        context: &Arc<Context>,
    ) -> Option<Outcome> {
        let change = Change::Note(note);
        self.all(vec![target], change, context).await.pop()
    }

    async fn all(
        &self,
        targets: Vec<Target>,
        change: Change,
        context: &Arc<Context>,
    ) -> Vec<Outcome> {
        let (writer, context) = (self.clone(), Arc::clone(context));
        let ids: Vec<AssetId> = targets.iter().map(|target| target.id.clone()).collect();
        let work = async move {
            let mut changes = Vec::with_capacity(targets.len());
            for (place, target) in targets.into_iter().enumerate() {
                let (writer, change, context) = (&writer, &change, &context);
                changes.push(async move {
                    let result = writer.one(&target, change, context).await;
                    (place, target.id, result)
                });
            }
            let mut outcomes: Vec<_> = stream::iter(changes)
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            outcomes.sort_by_key(|(place, ..)| *place);
            outcomes
        };
        match tokio::spawn(work.in_current_span()).await {
            Ok(outcomes) => outcomes
                .into_iter()
                .map(|(_, id, result)| Outcome { id, result })
                .collect(),
            Err(panic) => {
                tracing::error!(%panic, "a write failed in the gateway itself");
                let unknown = |id| Outcome {
                    id,
                    result: Err(SourceError::UnknownOutcome),
                };
                ids.into_iter().map(unknown).collect()
            }
        }
    }

    async fn one(&self, target: &Target, change: &Change, context: &Context) -> Entity {
        let (source, id) = (&target.source, &*target.id.upstream);
        let capabilities = &source.profile().capabilities;
        match change {
            Change::Tags(_) if !capabilities.can_tag => {
                return Err(SourceError::Unsupported(
                    "the assets of this source cannot be tagged".to_owned(),
                ));
            }
            Change::Note(_) if !capabilities.can_note => {
                return Err(SourceError::Unsupported(
                    "the assets of this source carry no notes".to_owned(),
                ));
            }
            Change::Tags(TagChange::Remove(_)) | Change::Note(_) => {}
            Change::Tags(change) => source.check_tags(change.tags())?,
        }
        context.spend(CALLS)?;
        let _held = self.held.hold(&target.id, context.deadline()).await?;
        self.shelf.written(&target.id.source, &[id]);
        let sent = match change {
            Change::Tags(change) => source.change_tags(id, change, context).await,
            Change::Note(note) => source.set_note(id, note.as_deref(), context).await,
        };
        self.shelf.written(&target.id.source, &[id]);
        if let Err(error) = &sent
            && !error.is_open()
        {
            tracing::info!(source = %target.id.source, id, %error, "an asset was not changed");
            return Err(error.clone());
        }
        // What it is now tells what an unclear answer did not. It was sent: that it cannot be read
        // back must not pass for a failure to write.
        let now = self
            .read(target, context)
            .await
            .map_err(|error| match error {
                SourceError::NotFound => error,
                _ => SourceError::UnknownOutcome,
            })?;
        if change.holds_in(&now) {
            return Ok(now);
        }
        let error = sent.err().unwrap_or_else(|| change.not_taken());
        tracing::info!(source = %target.id.source, id, %error, "an asset was not changed");
        Err(error)
    }

    /// Reads an asset anew.
    async fn read(&self, target: &Target, context: &Context) -> Entity {
        let landed = std::sync::Mutex::new(Err(SourceError::NotFound));
        let land = |_: &str, entity: Entity| {
            if let Ok(mut landed) = landed.lock() {
                *landed = entity;
            }
        };
        let ids = vec![target.id.upstream.clone()];
        self.shelf
            .entities(&target.source, ids, Variant::Plain, context, &land)
            .await;
        landed.into_inner().unwrap_or(Err(SourceError::Internal))
    }
}

impl Change {
    /// Whether it has taken effect.
    fn holds_in(&self, asset: &Asset) -> bool {
        match self {
            Self::Tags(TagChange::Add(tags)) => tags.iter().all(|tag| asset.tags.contains(tag)),
            Self::Tags(TagChange::Remove(tags)) => !tags.iter().any(|tag| asset.tags.contains(tag)),
            Self::Tags(change @ TagChange::Set(_)) => {
                let (add, remove) = change.difference(&asset.tags);
                add.is_empty() && remove.is_empty()
            }
            Self::Note(note) => asset.note == *note,
        }
    }

    /// The source said yes, and the asset shows otherwise.
    fn not_taken(&self) -> SourceError {
        SourceError::Unsupported(match self {
            Self::Tags(_) => "the source took the tags, but the asset does not show them: it may \
                              keep some of its own, or lag behind. Read it again"
                .to_owned(),
            Self::Note(None) => "the source took it, but the note is still there: it may not be \
                                 able to clear notes, or lag behind. Read it again"
                .to_owned(),
            Self::Note(Some(_)) => "the source took the note, but shows another: it may lag \
                                    behind. Read it again"
                .to_owned(),
        })
    }
}

/// Targets by source.
fn by_source(targets: Vec<Target>) -> Vec<(Arc<dyn Source>, Vec<Box<str>>)> {
    let mut order: Vec<(Arc<dyn Source>, Vec<Box<str>>)> = Vec::new();
    let mut places = HashMap::new();
    for target in targets {
        let place = *places.entry(target.id.source.clone()).or_insert_with(|| {
            order.push((Arc::clone(&target.source), Vec::new()));
            order.len() - 1
        });
        // Made right above.
        if let Some((_, ids)) = order.get_mut(place) {
            ids.push(target.id.upstream);
        }
    }
    order
}
