//! Every query parameter of Scenario's lists (scenario.md 5.1, 5.2), typed.
//!
//! `pageSize`, `paginationToken` and `sortDirection` are the connection's business and are sent
//! by the client itself, as is `sortBy=createdAt` with its windows.

use jiff::Timestamp;

use super::milliseconds;
use crate::{
    asset::{Kind, Visibility},
    source::{Filter, Narrowed, Parameters},
};

/// Filters of `GET /assets`. `None` is not sent.
#[derive(Debug, Clone, Default)]
pub struct ScenarioParameters {
    /// `public` leaves the account: everybody's public assets.
    pub privacy: Option<String>,
    pub model_id: Option<String>,
    pub inference_id: Option<String>,
    pub author_id: Option<String>,
    pub collection_id: Option<String>,
    pub parent_asset_id: Option<String>,
    pub root_asset_id: Option<String>,
    /// Works on public assets only.
    pub tags: Vec<String>,
    /// Exclusive: one is sent as `type`, more as `types`.
    pub types: Vec<String>,
    pub original_assets: bool,
    /// Assets deleted in the last 30 days instead, newest deletion first. Goes with
    /// `original_assets` alone (5.1 [SDK]), so no order and no window is sent: a list to read, not
    /// one that [`crate::connection`] can walk.
    pub deleted: bool,
    /// With `SortBy::UpdatedAt` only.
    pub updated_after: Option<Timestamp>,
    pub updated_before: Option<Timestamp>,
}

/// Filters of the public list, both its paths: no account, so no author, collection or lineage.
#[derive(Debug, Clone, Default)]
pub struct ScenarioPublicParameters {
    pub model_id: Option<String>,
    pub tags: Vec<String>,
    pub types: Vec<String>,
    pub original_assets: bool,
    pub updated_after: Option<Timestamp>,
    pub updated_before: Option<Timestamp>,
}

impl ScenarioParameters {
    /// As they go upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        let mut pairs = shared(&Shared {
            model_id: self.model_id.as_ref(),
            tags: &self.tags,
            types: &self.types,
            original_assets: self.original_assets,
            updated_after: self.updated_after,
            updated_before: self.updated_before,
        });
        if self.deleted {
            pairs.push(("deleted", "true".to_owned()));
        }
        let own = [
            ("privacy", &self.privacy),
            ("inferenceId", &self.inference_id),
            ("authorId", &self.author_id),
            ("collectionId", &self.collection_id),
            ("parentAssetId", &self.parent_asset_id),
            ("rootAssetId", &self.root_asset_id),
        ];
        pairs.extend(
            own.into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?))),
        );
        Parameters::new(pairs)
    }
}

impl ScenarioPublicParameters {
    /// As they go upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        Parameters::new(shared(&Shared {
            model_id: self.model_id.as_ref(),
            tags: &self.tags,
            types: &self.types,
            original_assets: self.original_assets,
            updated_after: self.updated_after,
            updated_before: self.updated_before,
        }))
    }
}

/// Narrows the merged list. Scenario's own list filters by author alone: `tags` works on public
/// assets only, `privacy=public` leaves the account, times of change need another order, and kinds
/// are not types (5.1). The rest is finished here.
pub fn narrow(filter: &Filter, is_public_only: bool) -> Narrowed {
    let held = [
        Visibility::Private,
        Visibility::Unlisted,
        Visibility::Public,
    ];
    if filter.wants_no_visibility_of(&held) {
        return Narrowed::Skip("Scenario's assets are PRIVATE, UNLISTED or PUBLIC");
    }
    if !filter.kinds.is_empty() && filter.kinds.iter().all(|kind| *kind == Kind::ModelWeights) {
        return Narrowed::Skip("Scenario lists no model weights as assets");
    }
    // The deprecated public path has no author (5.2).
    let pushed: &[&str] = if is_public_only { &[] } else { &["owner"] };
    let parameters = ScenarioParameters {
        author_id: filter.owner.clone().filter(|_| !is_public_only),
        ..ScenarioParameters::default()
    };
    Narrowed::Ask {
        parameters: parameters.query(),
        finished: filter.finished(pushed),
        listed: Vec::new(),
    }
}

/// What both lists take.
struct Shared<'a> {
    model_id: Option<&'a String>,
    tags: &'a [String],
    types: &'a [String],
    original_assets: bool,
    updated_after: Option<Timestamp>,
    updated_before: Option<Timestamp>,
}

fn shared(all: &Shared<'_>) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::new();
    if let Some(id) = all.model_id {
        pairs.push(("modelId", id.clone()));
    }
    if !all.tags.is_empty() {
        pairs.push(("tags", all.tags.join(",")));
    }
    match all.types {
        [] => {}
        [one] => pairs.push(("type", one.clone())),
        more => pairs.push(("types", more.join(","))),
    }
    if all.original_assets {
        pairs.push(("originalAssets", "true".to_owned()));
    }
    if let Some(time) = all.updated_after {
        pairs.push(("updatedAfter", milliseconds(time)));
    }
    if let Some(time) = all.updated_before {
        pairs.push(("updatedBefore", milliseconds(time)));
    }
    pairs
}
