//! The parts that every write shares: the asset cache, locks, a separate task, the audit line.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use super::{asset_lock::AssetLocks, audit::AUDIT, recorded::RecordedWrite};
use crate::{
    asset::{AssetId, SourceName},
    cache::{AssetCache, AssetResult, IdempotencyStore, Writing},
    source::{DetailLevel, RequestContext, Source, SourceError},
};

/// Runs the mutations. Process-wide; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    pub(super) asset_cache: Arc<AssetCache>,
    pub(super) locks: AssetLocks,
    pub(super) idempotency: IdempotencyStore<RecordedWrite>,
    in_progress: WritesInProgress,
    /// The caller, for the log and for idempotency keys.
    pub(super) who: Arc<str>,
}

/// An asset to write, and its source.
#[derive(Clone)]
pub struct Target {
    pub source: Arc<dyn Source>,
    /// The id with the source's current name.
    pub id: AssetId,
}

impl Writer {
    #[must_use]
    pub fn new(asset_cache: Arc<AssetCache>) -> Self {
        Self {
            asset_cache,
            locks: AssetLocks::default(),
            idempotency: IdempotencyStore::default(),
            in_progress: watch::Sender::new(BTreeMap::new()),
            who: "nobody".into(),
        }
    }

    /// The same writer for one caller.
    #[must_use]
    pub fn on_behalf_of(&self, who: &Arc<str>) -> Self {
        Self {
            who: Arc::clone(who),
            ..self.clone()
        }
    }

    /// Makes an idempotency key unique to its caller. It distinguishes anonymous callers by the
    /// credentials that they sent for the sources.
    pub(super) fn scoped_key<'a>(
        &self,
        key: &str,
        sources: impl Iterator<Item = &'a Arc<dyn Source>>,
    ) -> String {
        let profiles = sources
            .map(|source| source.profile())
            .filter(|profile| profile.passthrough);
        let mut scopes: Vec<[u8; 16]> = profiles.map(|info| *info.scope.as_bytes()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let mut hasher = blake3::Hasher::new();
        for part in [self.who.as_bytes(), key.as_bytes(), scopes.as_flattened()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().to_string()
    }

    /// Logs the audit line that shows later who did what.
    pub(super) fn audit(
        &self,
        what: &'static str,
        source: &SourceName,
        ids: &[&str],
        outcome: &'static str,
        error: Option<&dyn std::fmt::Display>,
    ) {
        // A value is quoted, so a source's message cannot pass for more of the line.
        let (who, error) = (&*self.who, error.map(ToString::to_string));
        let error = error.as_deref();
        tracing::info!(target: AUDIT, who, what, %source, ?ids, outcome, error, "audit");
    }

    /// Logs the audit line of a write that its caller may not make.
    pub fn audit_refused(&self, scope: &'static str) {
        let who = &*self.who;
        tracing::info!(target: AUDIT, who, what = scope, outcome = "forbidden", "audit");
    }

    /// Runs a write in a separate task and waits for it, so that a caller that disconnects does not
    /// stop it half-way. `None`: the gateway failed, and the log has the cause.
    pub(super) async fn spawn<T: Send + 'static>(
        &self,
        what: String,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let in_progress = WriteInProgress::new(&self.in_progress, what);
        let work = async move {
            let _under_way = in_progress;
            work.await
        };
        tokio::spawn(work.in_current_span())
            .await
            .inspect_err(|panic| tracing::error!(%panic, "a write failed in the gateway itself"))
            .ok()
    }

    /// Waits until no write is in progress.
    pub async fn wait_until_idle(&self) {
        // The sender lives as long as this writer, so this cannot fail.
        let _ = self
            .in_progress
            .subscribe()
            .wait_for(BTreeMap::is_empty)
            .await;
    }

    /// The writes in progress, for the log.
    #[must_use]
    pub fn in_progress(&self) -> Vec<String> {
        self.in_progress.borrow().values().cloned().collect()
    }

    /// Marks an asset as being written in the asset cache.
    pub(super) fn writing(&self, target: &Target) -> Writing {
        let ids = vec![target.id.upstream.clone()];
        self.asset_cache.writing(&target.id.source, ids)
    }

    /// Reads an asset through the asset cache, within the operation's deadline.
    pub(super) async fn read(&self, target: &Target, context: &RequestContext) -> AssetResult {
        let result = std::sync::Mutex::new(Err(SourceError::NotFound));
        let deliver = |_: &str, entity: AssetResult| {
            if let Ok(mut result) = result.lock() {
                *result = entity;
            }
        };
        let ids = vec![target.id.upstream.clone()];
        // The write's call budget already covers this call.
        let read_context = RequestContext::new(
            context.deadline().saturating_duration_since(Instant::now()),
            1,
        );
        let reading = self.asset_cache.entities(
            &target.source,
            ids,
            DetailLevel::Plain,
            &read_context,
            &deliver,
        );
        timeout_at(context.deadline(), reading)
            .await
            .map_err(|_| SourceError::Timeout)?;
        result.into_inner().unwrap_or(Err(SourceError::Internal))
    }
}

/// Descriptions of the writes in progress, by number.
type WritesInProgress = watch::Sender<BTreeMap<u64, String>>;

/// Registers a write in progress until this is dropped.
struct WriteInProgress {
    writes: WritesInProgress,
    number: u64,
}

impl WriteInProgress {
    fn new(writes: &WritesInProgress, what: String) -> Self {
        let mut number = 0;
        writes.send_modify(|writes| {
            number = writes.last_key_value().map_or(0, |(last, _)| last + 1);
            writes.insert(number, what);
        });
        Self {
            writes: writes.clone(),
            number,
        }
    }
}

impl Drop for WriteInProgress {
    fn drop(&mut self) {
        self.writes.send_modify(|writes| {
            writes.remove(&self.number);
        });
    }
}

/// Formats asset ids for the log.
pub(super) fn id_list<'a>(ids: impl IntoIterator<Item = &'a AssetId>) -> String {
    let ids = ids
        .into_iter()
        .map(|id| format!("{}:{}", id.source, id.upstream));
    ids.collect::<Vec<_>>().join(" ")
}

/// Groups targets by source.
pub(super) fn by_source(targets: Vec<Target>) -> Vec<(Arc<dyn Source>, Vec<Arc<str>>)> {
    let mut order: Vec<(Arc<dyn Source>, Vec<Arc<str>>)> = Vec::new();
    let mut indices = HashMap::new();
    for target in targets {
        let index = *indices.entry(target.id.source.clone()).or_insert_with(|| {
            order.push((Arc::clone(&target.source), Vec::new()));
            order.len() - 1
        });
        // The index was made right above.
        if let Some((_, ids)) = order.get_mut(index) {
            ids.push(target.id.upstream);
        }
    }
    order
}
