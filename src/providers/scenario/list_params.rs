//! The query parameters of Scenario's lists (docs/providers/scenario.md 5.1, 5.2), typed.
//!
//! The client itself sends `pageSize`, `paginationToken`, `sortBy`, `sortDirection` and the time
//! windows, which belong to paging.

use jiff::Timestamp;

use crate::{
    asset::{Kind, Visibility},
    source::{
        BrokenRule, Direction, Filter, FilterField, ListCall, ListKind, ListRequest, NoCall,
        Parameters, SortBy,
    },
};

/// The parameters that the deprecated public path does not take (5.2).
pub const OWN_ONLY: [&str; 7] = [
    "authorId",
    "collectionId",
    "inferenceId",
    "parentAssetId",
    "privacy",
    "projectId",
    "rootAssetId",
];

/// Filters of `GET /assets`. `None` is not sent.
#[derive(Debug, Clone, Default)]
pub struct ScenarioParameters {
    /// `public` lists all public assets instead of the account's.
    pub privacy: Option<Privacy>,
    /// Replaces the configured project, for credentials that span several.
    pub project_id: Option<String>,
    pub model_id: Option<String>,
    pub inference_id: Option<String>,
    pub author_id: Option<String>,
    pub collection_id: Option<String>,
    pub parent_asset_id: Option<String>,
    pub root_asset_id: Option<String>,
    /// Works on public assets only.
    pub tags: Vec<String>,
    /// Not together with `types`.
    pub r#type: Option<String>,
    pub types: Vec<String>,
    pub original_assets: bool,
    /// Lists assets deleted in the last 30 days instead, newest deletion first. Only
    /// `original_assets` goes with it (5.1), so the client sends no order and no window.
    /// [`crate::connection`] cannot page through this list.
    pub deleted: bool,
}

/// The values of `privacy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    Private,
    Public,
    Unlisted,
}

/// Filters of both paths of the public list: without an account, no author, collection or lineage.
#[derive(Debug, Clone, Default)]
pub struct ScenarioPublicParameters {
    pub model_id: Option<String>,
    pub tags: Vec<String>,
    pub r#type: Option<String>,
    pub types: Vec<String>,
    pub original_assets: bool,
}

impl ScenarioParameters {
    /// Checks the parameters against the contract's rules (5.1).
    ///
    /// # Errors
    /// [`BrokenRule`]: the first rule that they break.
    pub fn check(&self) -> Result<(), BrokenRule> {
        if !self.tags.is_empty() && self.privacy != Some(Privacy::Public) {
            return Err(BrokenRule {
                field: "tags",
                entry: None,
                rule: "Scenario's list filters by tags among public assets only: set `privacy: \
                       PUBLIC` too, or use `scenarioPublicAssets`; for your own assets use \
                       `tagsAll` of `assets`"
                    .to_owned(),
            });
        }
        self.shared().check()
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            model_id: self.model_id.as_ref(),
            tags: &self.tags,
            r#type: self.r#type.as_ref(),
            types: &self.types,
            original_assets: self.original_assets,
        }
    }

    /// Returns the parameters as sent upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        let mut pairs = self.shared().query();
        if self.deleted {
            pairs.push(("deleted", "true".to_owned()));
        }
        if let Some(privacy) = self.privacy {
            let word = match privacy {
                Privacy::Private => "private",
                Privacy::Public => "public",
                Privacy::Unlisted => "unlisted",
            };
            pairs.push(("privacy", word.to_owned()));
        }
        let optional_pairs = [
            ("projectId", &self.project_id),
            ("inferenceId", &self.inference_id),
            ("authorId", &self.author_id),
            ("collectionId", &self.collection_id),
            ("parentAssetId", &self.parent_asset_id),
            ("rootAssetId", &self.root_asset_id),
        ];
        pairs.extend(
            optional_pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?))),
        );
        Parameters::new(pairs)
    }
}

impl ScenarioPublicParameters {
    /// Checks the parameters against the contract's rules (5.1, 5.2).
    ///
    /// # Errors
    /// [`BrokenRule`]: the first rule that they break.
    pub fn check(&self) -> Result<(), BrokenRule> {
        self.shared().check()
    }

    /// Returns the parameters as sent upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        Parameters::new(self.shared().query())
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            model_id: self.model_id.as_ref(),
            tags: &self.tags,
            r#type: self.r#type.as_ref(),
            types: &self.types,
            original_assets: self.original_assets,
        }
    }
}

/// Checks that the time bounds fit the order. Each needs the list sorted by its own time (5.1 [seed
/// 001]), so the two times cannot be combined.
///
/// # Errors
/// [`BrokenRule`]: the first bound on another time.
pub fn check_span(filter: &Filter, by: SortBy) -> Result<(), BrokenRule> {
    let bounds = [
        ("createdAfter", filter.created_after, SortBy::CreatedAt),
        ("createdBefore", filter.created_before, SortBy::CreatedAt),
        ("updatedAfter", filter.updated_after, SortBy::UpdatedAt),
        ("updatedBefore", filter.updated_before, SortBy::UpdatedAt),
    ];
    let wrong = bounds
        .into_iter()
        .find(|(_, bound, needs)| bound.is_some() && *needs != by);
    match wrong {
        None => Ok(()),
        Some((field, _, needs)) => Err(BrokenRule {
            field,
            entry: None,
            rule: format!(
                "Scenario filters by this time only in a list sorted by it: set `orderBy: \
                 {{field: {}, …}}`",
                needs.word()
            ),
        }),
    }
}

/// Translates a merged list's filter. Scenario's list filters by author alone (5.1). `tags` works
/// on public assets only, `privacy=public` leaves the account, change times need another order, and
/// kinds are not types. The gateway compares the rest.
pub(super) fn push_down(
    filter: &Filter,
    by: SortBy,
    is_public_only: bool,
) -> Result<ListCall, NoCall> {
    let held = [
        Visibility::Private,
        Visibility::Unlisted,
        Visibility::Public,
    ];
    if filter.wants_no_visibility_of(&held) {
        return Err(NoCall::Skip(
            "Scenario's assets are PRIVATE, UNLISTED or PUBLIC",
        ));
    }
    if !filter.kinds.is_empty() && filter.kinds.iter().all(|kind| *kind == Kind::ModelWeights) {
        return Err(NoCall::Skip("Scenario lists no model weights as assets"));
    }
    if let Some(text) = &filter.search {
        if is_public_only {
            return Err(NoCall::Unsupported(
                "Scenario's search does not take the public token",
            ));
        }
        return Ok(ListCall {
            listing: ListKind::Search,
            parameters: Parameters::new(vec![("query", text.clone())]),
            local: filter.local(by, &[]),
            listed: Vec::new(),
            notes: Vec::new(),
        });
    }
    // The deprecated public path has no author (5.2).
    let pushed: &[FilterField] = if is_public_only {
        &[]
    } else {
        &[FilterField::CreatedBy]
    };
    let parameters = ScenarioParameters {
        author_id: filter.created_by.clone().filter(|_| !is_public_only),
        ..ScenarioParameters::default()
    };
    Ok(ListCall {
        listing: ListKind::Own,
        parameters: parameters.query(),
        local: filter.local(by, pushed),
        listed: Vec::new(),
        notes: Vec::new(),
    })
}

/// The parameters that both lists take.
struct Shared<'a> {
    model_id: Option<&'a String>,
    tags: &'a [String],
    r#type: Option<&'a String>,
    types: &'a [String],
    original_assets: bool,
}

impl Shared<'_> {
    fn check(&self) -> Result<(), BrokenRule> {
        if self.r#type.is_some() && !self.types.is_empty() {
            return Err(BrokenRule {
                field: "types",
                entry: None,
                rule: "Scenario takes `type` or `types`, not both".to_owned(),
            });
        }
        let types = self.types.iter().map(|asset_type| ("types", asset_type));
        let types_by_field = self
            .r#type
            .iter()
            .map(|asset_type| ("type", *asset_type))
            .chain(types);
        for (field, asset_type) in types_by_field {
            // Scenario adds types every few months, so it decides which it knows.
            if asset_type.is_empty() || asset_type.contains(',') {
                let shown: String = asset_type.chars().take(40).collect();
                return Err(BrokenRule {
                    field,
                    entry: Some(asset_type.clone()),
                    rule: format!(
                        "`{shown}` is no type: a type is a word such as `uploaded` or `txt2img`, \
                         and a comma separates types in calls to Scenario"
                    ),
                });
            }
        }
        if let Some(tag) = self.tags.iter().find(|tag| tag.contains(',')) {
            let shown: String = tag.chars().take(40).collect();
            return Err(BrokenRule {
                field: "tags",
                entry: Some(tag.clone()),
                rule: format!(
                    "`{shown}` contains a comma, which separates tags in calls to Scenario: it \
                     cannot be filtered by"
                ),
            });
        }
        Ok(())
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let csv = |values: &[String]| (!values.is_empty()).then(|| values.join(","));
        let optional_pairs = [
            ("modelId", self.model_id.cloned()),
            ("tags", csv(self.tags)),
            ("type", self.r#type.cloned()),
            ("types", csv(self.types)),
            (
                "originalAssets",
                self.original_assets.then(|| "true".to_owned()),
            ),
        ];
        optional_pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// Returns the upstream name of the direction, the same for lists and searches.
pub(super) const fn direction(request: &ListRequest) -> &'static str {
    match request.order.direction {
        Direction::Descending => "desc",
        Direction::Ascending => "asc",
    }
}

/// Formats a time as Scenario does: `2025-01-16T11:19:41.579Z` (1).
pub(super) fn milliseconds(time: Timestamp) -> String {
    format!("{time:.3}")
}
