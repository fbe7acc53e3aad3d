//! Changes tags and notes.

use std::{fmt::Display, sync::Arc};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::{
    audit::outcome_word,
    writer::{Target, Writer, id_list},
};
use crate::{
    asset::{Asset, AssetId},
    cache::AssetResult,
    source::{ChangeFailure, RequestContext, SourceError, TagChange, VERIFY_DELAYS, Write},
};

/// The maximum concurrent changes of a mutation; each source bounds its own calls too.
const AT_ONCE: usize = 32;
/// The maximum upstream calls of a change: a read before, two writes, reads after.
const CALLS: u32 = 6;

/// The outcome for an asset.
pub struct Outcome {
    pub id: AssetId,
    /// The asset as it is now, or the error.
    pub result: AssetResult,
}

/// A change to an asset.
#[derive(Clone)]
pub enum Change {
    Tags(TagChange),
    Note(Option<String>),
}

impl Writer {
    /// Changes the tags of several assets independently, and returns outcomes in the given order.
    pub async fn tags(
        &self,
        targets: Vec<Target>,
        change: TagChange,
        context: &Arc<RequestContext>,
    ) -> Vec<Outcome> {
        self.all(targets, Change::Tags(change), context).await
    }

    /// Sets an asset's note; `None` clears it.
    pub async fn note(
        &self,
        target: Target,
        note: Option<String>,
        context: &Arc<RequestContext>,
    ) -> Option<Outcome> {
        let change = Change::Note(note);
        self.all(vec![target], change, context).await.pop()
    }

    async fn all(
        &self,
        targets: Vec<Target>,
        change: Change,
        context: &Arc<RequestContext>,
    ) -> Vec<Outcome> {
        let (writer, context) = (self.clone(), Arc::clone(context));
        let ids: Vec<AssetId> = targets.iter().map(|target| target.id.clone()).collect();
        let work = async move {
            let mut changes = Vec::with_capacity(targets.len());
            for (index, target) in targets.into_iter().enumerate() {
                let (writer, change, context) = (&writer, &change, &context);
                changes.push(async move {
                    let result = writer.change_asset(&target, change, context).await;
                    (index, target.id, result)
                });
            }
            let mut outcomes: Vec<_> = stream::iter(changes)
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            outcomes.sort_by_key(|(index, ..)| *index);
            outcomes
        };
        let what = format!("a change of {}", id_list(&ids));
        let outcomes = self.spawn(what, work).await.unwrap_or_else(|| {
            let unknown = |(index, id)| (index, id, Err(SourceError::UnknownOutcome));
            ids.into_iter().enumerate().map(unknown).collect()
        });
        outcomes
            .into_iter()
            .map(|(_, id, result)| Outcome { id, result })
            .collect()
    }

    /// Makes a change and returns the asset after it.
    pub(super) async fn change_asset(
        &self,
        target: &Target,
        change: &Change,
        context: &RequestContext,
    ) -> AssetResult {
        let result = self.change(target, change, context).await;
        let ids = [&*target.id.upstream];
        let what = match change {
            Change::Tags(_) => "tags",
            Change::Note(_) => "note",
        };
        let error = result.as_ref().err();
        let shown = error.map(|error| error as &dyn Display);
        self.audit(what, &target.id.source, &ids, outcome_word(error), shown);
        result
    }

    async fn change(
        &self,
        target: &Target,
        change: &Change,
        context: &RequestContext,
    ) -> AssetResult {
        let (source, id) = (change.writer(target)?, &*target.id.upstream);
        context.spend(CALLS)?;
        if Instant::now() >= context.last_start() {
            return Err(SourceError::NotTried);
        }
        let _held = self.locks.lock(&target.id, context.last_start()).await?;
        let mut may_send_again = true;
        let (sent, read_back) = loop {
            let writing = self.writing(target);
            let sent = match change {
                Change::Tags(change) => source.change_tags(id, change, context).await,
                Change::Note(note) => source.set_note(id, note.as_deref(), context).await,
            };
            drop(writing);
            let sent = match sent {
                // The first attempt's outcome is still unknown.
                Err(failure) if !failure.may_have_taken_effect && !may_send_again => {
                    Err(ChangeFailure::from(SourceError::UnknownOutcome))
                }
                Err(failure) if !failure.may_have_taken_effect => {
                    return Err(change.map_refusal(failure.error));
                }
                sent => sent,
            };
            let is_unknown = (sent.as_ref().err())
                .is_some_and(|failure| failure.error == SourceError::UnknownOutcome);
            let is_over = !(is_unknown && may_send_again);
            // The asset's current state settles an unclear response.
            let delays = if is_over {
                VERIFY_DELAYS.as_slice()
            } else {
                &VERIFY_DELAYS[..1]
            };
            let mut read_back = Err(SourceError::UnknownOutcome);
            for pause in delays {
                if !pause.is_zero() {
                    if Instant::now() + *pause >= context.deadline() {
                        break;
                    }
                    tokio::time::sleep(*pause).await;
                    // Invalidate cached values, so that the read is fresh.
                    drop(self.writing(target));
                }
                read_back = self.read(target, context).await;
                match &read_back {
                    Ok(asset) if change.holds_in(asset) => return read_back,
                    // The asset is gone, with or without the change.
                    Err(SourceError::NotFound) => return read_back,
                    Ok(_) | Err(_) => {}
                }
            }
            // The write may not have arrived. Sending it twice has the same effect.
            if is_over || Instant::now() >= context.last_start() || context.spend(CALLS).is_err() {
                break (sent, read_back);
            }
            may_send_again = false;
        };
        if let (Ok(()), Ok(asset)) = (&sent, &read_back)
            && let Some(remaining) = change.remaining_tags(asset)
        {
            return Err(SourceError::Unsupported(format!(
                "the source accepted the change, but keeps these tags: {remaining}"
            )));
        }
        match (sent, read_back) {
            // The source gave the reason.
            (Err(failure), Ok(_)) if failure.error != SourceError::UnknownOutcome => {
                Err(failure.error)
            }
            (Ok(()), Ok(_)) if matches!(change, Change::Note(None)) => {
                Err(SourceError::Unsupported(
                    "the source accepted it, but the note is still there: it does not clear notes"
                        .to_owned(),
                ))
            }
            // It was sent: failing to read it back must not look like a failed write.
            _ => {
                self.writing(target).linger();
                Err(SourceError::UnknownOutcome)
            }
        }
    }
}

impl Writer {
    /// Reads a new asset, which may become visible with a delay.
    pub(super) async fn read_until_visible(
        &self,
        target: &Target,
        context: &RequestContext,
    ) -> AssetResult {
        let mut entity = Err(SourceError::NotFound);
        for pause in VERIFY_DELAYS {
            if Instant::now() + pause >= context.deadline() {
                break;
            }
            tokio::time::sleep(pause).await;
            // Invalidate cached values, so that the read is fresh.
            drop(self.writing(target));
            entity = self.read(target, context).await;
            if entity.is_ok() {
                break;
            }
        }
        entity
    }
}

impl Change {
    /// The source's writer, or an error if the source does not support the change.
    fn writer<'a>(&self, target: &'a Target) -> Result<&'a dyn Write, SourceError> {
        let writer = target.source.writer().ok_or_else(|| {
            let reason = match self {
                Self::Tags(_) => "the assets of this source cannot be tagged",
                Self::Note(_) => "the assets of this source carry no notes",
            };
            SourceError::Unsupported(reason.to_owned())
        })?;
        match self {
            Self::Tags(TagChange::Remove(_)) | Self::Note(_) => {}
            Self::Tags(change) => target.source.check_tags(change.tags())?,
        }
        Ok(writer)
    }

    /// Whether the change has taken effect.
    pub(super) fn holds_in(&self, asset: &Asset) -> bool {
        match self {
            Self::Tags(TagChange::Add(tags)) => tags.iter().all(|tag| asset.tags.contains(tag)),
            Self::Tags(TagChange::Remove(tags)) => !tags.iter().any(|tag| asset.tags.contains(tag)),
            Self::Tags(change @ TagChange::Set(_)) => {
                let (add, remove) = change.difference(&asset.changeable_tags());
                add.is_empty() && remove.is_empty()
            }
            Self::Note(note) => lines(note.as_deref()) == lines(asset.note.as_deref()),
        }
    }

    /// The tags that the change should have removed but that remain.
    fn remaining_tags(&self, asset: &Asset) -> Option<String> {
        let Self::Tags(change) = self else {
            return None;
        };
        let (_, remaining) = change.difference(&asset.changeable_tags());
        (!remaining.is_empty()).then(|| remaining.join(", "))
    }

    /// Maps a source's refusal to the error for this change.
    fn map_refusal(&self, error: SourceError) -> SourceError {
        match (self, error) {
            (Self::Note(None), SourceError::Rejected { message, .. }) => {
                SourceError::Unsupported(format!("the source does not clear notes: {message}"))
            }
            (_, error) => error,
        }
    }
}

/// A note's lines, normalised: sources trim them and use different line endings.
fn lines(note: Option<&str>) -> Vec<&str> {
    note.unwrap_or_default()
        .trim()
        .lines()
        .map(str::trim_end)
        .collect()
}
