//! The query parameters of Comfy's list (docs/providers/comfy.md 4.1), in all versions of the
//! contract, typed.
//!
//! The client itself sends `limit`, `offset`, `after`, `sort` and `order`, which belong to paging.
//! A server silently ignores names it does not know, so callers that rely on a filter recheck it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{
    asset::{MISSING_TAG, Status, Visibility, has_one_spelling},
    source::{BrokenRule, Filter, FilterField, ListCall, ListKind, NoCall, Parameters, SortBy},
};

/// Filters of `GET /api/assets`. `None` and empty lists are not sent.
///
/// Newer servers refuse both spellings of the same list together (`INVALID_TAG_FILTER`).
#[derive(Debug, Clone, Default)]
pub struct ComfyParameters {
    /// Older spelling of `tags_all`.
    pub include_tags: Vec<String>,
    /// Older spelling of `tags_none`.
    pub exclude_tags: Vec<String>,
    pub tags_all: Vec<String>,
    pub tags_any: Vec<String>,
    pub tags_none: Vec<String>,
    /// Case-insensitive substring (for ASCII letters, on a local server).
    pub name_contains: Option<String>,
    /// Per key, a value or a list of alternatives; null means that the key is absent.
    pub metadata_filter: Map<String, Value>,
    pub include_public: Option<bool>,
    /// `blake3:<hex>`.
    pub hash: Option<String>,
    /// Checked by the gateway: the server knows the status by the tag `missing` alone.
    pub statuses: Vec<Status>,
}

/// Maximum tags in one list of a filter, and maximum distinct tags in all lists (4.1).
const MAX_TAGS: usize = 100;

impl ComfyParameters {
    /// Checks the parameters against the contract's rules (4.1).
    ///
    /// # Errors
    /// [`BrokenRule`]: the first rule that they break.
    pub fn check(&self) -> Result<(), BrokenRule> {
        let broken = |field, rule: String| {
            Err(BrokenRule {
                field,
                entry: None,
                rule,
            })
        };
        let lists = [
            ("includeTags", &self.include_tags),
            ("excludeTags", &self.exclude_tags),
            ("tagsAll", &self.tags_all),
            ("tagsAny", &self.tags_any),
            ("tagsNone", &self.tags_none),
        ];
        for (field, tags) in lists {
            if let Some(tag) = tags.iter().find(|tag| tag.contains(',')) {
                let shown: String = tag.chars().take(40).collect();
                return Err(BrokenRule {
                    field,
                    entry: Some(tag.clone()),
                    rule: format!(
                        "`{shown}` contains a comma, which separates tags in calls to Comfy: it \
                         cannot be filtered by"
                    ),
                });
            }
        }
        let distinct: HashSet<&String> = lists.iter().flat_map(|(_, tags)| tags.iter()).collect();
        if distinct.len() > MAX_TAGS {
            return broken(
                "tagsAny",
                format!(
                    "the filter names {} different tags; Comfy takes {MAX_TAGS} at most",
                    distinct.len()
                ),
            );
        }
        let used = |tags: &[(&'static str, &Vec<String>)]| {
            tags.iter()
                .find(|(_, tags)| !tags.is_empty())
                .map(|(field, _)| *field)
        };
        let (older, newer) = lists.split_at(2);
        if let (Some(old), Some(field)) = (used(older), used(newer)) {
            return broken(
                field,
                format!(
                    "`{old}` is the older spelling, and servers refuse both together: use \
                     `tagsAll`, `tagsAny` and `tagsNone`, or `includeTags` and `excludeTags`"
                ),
            );
        }
        let required_tags = self.include_tags.iter().chain(&self.tags_all);
        let excluded_tags: Vec<&String> = self.exclude_tags.iter().chain(&self.tags_none).collect();
        let conflict = required_tags
            .into_iter()
            .find(|tag| excluded_tags.contains(tag));
        if let Some(tag) = conflict {
            let field = if self.tags_none.is_empty() {
                "excludeTags"
            } else {
                "tagsNone"
            };
            return broken(
                field,
                format!("the tag `{tag}` is wanted and unwanted: no asset fits both"),
            );
        }
        if !self.tags_any.is_empty() && self.tags_any.iter().all(|tag| self.tags_none.contains(tag))
        {
            return broken(
                "tagsNone",
                "every tag of `tagsAny` is in `tagsNone`: no asset fits both".to_owned(),
            );
        }
        if let Some(hash) = &self.hash {
            let digest = hash.strip_prefix("blake3:").unwrap_or_default();
            if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
                return broken(
                    "hash",
                    "a hash is `blake3:` and 64 hexadecimal digits".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Returns the filter that every received row must match: servers that do not know the newer
    /// names silently ignore them and send everything.
    #[must_use]
    pub fn recheck(&self) -> Filter {
        Filter {
            tags_all: self.tags_all.clone(),
            tags_any: self.tags_any.clone(),
            tags_none: self.tags_none.clone(),
            content_hash: self.hash.clone(),
            statuses: self.statuses.clone(),
            lists_missing: self.statuses.contains(&Status::Missing)
                || [&self.include_tags, &self.tags_all, &self.tags_any]
                    .into_iter()
                    .flatten()
                    .any(|tag| tag == MISSING_TAG),
            ..Filter::default()
        }
    }

    /// Returns the parameters as sent upstream.
    #[must_use]
    pub fn query(&self) -> Parameters {
        let csv = |tags: &[String]| (!tags.is_empty()).then(|| tags.join(","));
        let optional_pairs = [
            ("include_tags", csv(&self.include_tags)),
            ("exclude_tags", csv(&self.exclude_tags)),
            ("tags_all", csv(&self.tags_all)),
            ("tags_any", csv(&self.tags_any)),
            ("tags_none", csv(&self.tags_none)),
            ("name_contains", self.name_contains.clone()),
            (
                "metadata_filter",
                (!self.metadata_filter.is_empty())
                    .then(|| Value::Object(self.metadata_filter.clone()).to_string()),
            ),
            ("include_public", self.include_public.map(|b| b.to_string())),
            ("hash", self.hash.clone()),
        ];
        Parameters::new(
            optional_pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        )
    }
}

/// The number and the bytes of tags that a call can still take.
struct TagBudget {
    tags: usize,
    bytes: usize,
}

impl TagBudget {
    /// Maximum bytes of tags in a URL, of the 8,190 that a server reads (docs/providers/comfy.md
    /// O21).
    const BYTES: usize = 3_000;

    /// Makes a budget less the number of `listed`, the tags that are always sent.
    fn new(listed: &[String]) -> Self {
        Self {
            // One is the tag of assets whose file is missing.
            tags: MAX_TAGS.saturating_sub(listed.len() + 1),
            bytes: Self::BYTES,
        }
    }

    /// Takes the tags that fit the budget. Skips a tag with a comma, because a comma separates tags
    /// in the parameter.
    fn take(&mut self, tags: &[String]) -> Vec<String> {
        let mut taken = Vec::new();
        // A tag that is not ASCII may be spelled otherwise at the server.
        for tag in tags
            .iter()
            .filter(|tag| !tag.contains(',') && tag.is_ascii())
        {
            // Escaping makes at most three characters of a byte.
            let bytes = tag.len() * 3 + 3;
            if self.tags > 0 && bytes <= self.bytes {
                self.tags -= 1;
                self.bytes -= bytes;
                taken.push(tag.clone());
            }
        }
        taken
    }
}

/// Returns the longest piece of a part of a name that every spelling of the name has. A server
/// compares characters as they are, and ignores case for ASCII letters only. `i` and `k` also have
/// other capitals, which matter where the whole part is not ASCII.
fn common_piece(part: &str) -> Option<&str> {
    let is_ascii = part.is_ascii();
    let has_other_capital = |c: char| matches!(c, 'i' | 'I' | 'k' | 'K');
    let splits =
        |c: char| c == '\0' || (!is_ascii && (!has_one_spelling(c) || has_other_capital(c)));
    let pieces = part.split(splits).filter(|piece| !piece.is_empty());
    pieces.max_by_key(|piece| piece.len())
}

/// Translates a merged list's filter. It always sends a positive tag filter, as Comfy Cloud hides
/// some categories from a list without one (4.1). The default is any of `listed`.
pub(super) fn push_down(
    filter: &Filter,
    by: SortBy,
    listed: &[String],
) -> Result<ListCall, NoCall> {
    if filter.created_by.is_some() {
        return Err(NoCall::Skip("Comfy does not report who created an asset"));
    }
    if filter.wants_no_visibility_of(&[Visibility::Private, Visibility::Public]) {
        return Err(NoCall::Skip("Comfy's assets are PRIVATE or PUBLIC"));
    }
    if filter.wants_no_status_of(&[Status::Ready, Status::Missing]) {
        return Err(NoCall::Skip("Comfy's assets are READY or MISSING"));
    }
    let mut pushed = Vec::new();
    let mut budget = TagBudget::new(listed);
    // The call takes one any-of list: the client's, if all its tags fit.
    let client_any = budget.take(&filter.tags_any);
    let sends_client_any = !client_any.is_empty() && client_any.len() == filter.tags_any.len();
    if sends_client_any {
        pushed.push(FilterField::TagsAny);
    }
    let mut tags_all = budget.take(&filter.tags_all);
    if tags_all.len() == filter.tags_all.len() {
        pushed.push(FilterField::TagsAll);
    }
    let [ready, missing] =
        [Status::Ready, Status::Missing].map(|status| filter.statuses.contains(&status));
    if missing && !ready && !tags_all.iter().any(|tag| tag == MISSING_TAG) {
        tags_all.push(MISSING_TAG.to_owned());
    }
    // The tag is the status, and servers that are older than it have no such assets.
    pushed.push(FilterField::Statuses);
    let tags_none = budget.take(&filter.tags_none);
    if tags_none.len() == filter.tags_none.len() {
        pushed.push(FilterField::TagsNone);
    }
    // Comfy searches by name and takes one text, so with a search the gateway compares names. A
    // local server ignores case for ASCII letters only (docs/providers/comfy.md O15).
    let mut name_contains = filter.search.clone();
    if name_contains.is_none()
        && let Some(part) = &filter.name_contains
    {
        name_contains = common_piece(part).map(str::to_owned);
        if name_contains.as_ref() == Some(part) {
            pushed.push(FilterField::NameContains);
        }
    }
    let parameters = ComfyParameters {
        tags_all,
        tags_any: if sends_client_any {
            client_any
        } else {
            listed.to_vec()
        },
        tags_none,
        name_contains,
        include_public: Some(false),
        ..ComfyParameters::default()
    };
    let mut local = filter.local(by, &pushed);
    if sends_client_any {
        local.push(FilterField::ListedTags);
    }
    let call = ListCall {
        local,
        listed: listed.to_vec(),
        ..ListCall::new(ListKind::Own, parameters.query())
    };
    Ok(leave_out_missing(call, filter))
}

/// Leaves out assets whose file is missing, unless the filter lists them.
pub(super) fn leave_out_missing(mut call: ListCall, filter: &Filter) -> ListCall {
    if filter.lists_missing {
        return call;
    }
    let mut pairs = call.parameters.0.to_vec();
    let has = |name: &str| pairs.iter().any(|(sent, _)| *sent == name);
    // Servers refuse both spellings together.
    let uses_older = has("include_tags") || has("exclude_tags");
    let name = if uses_older {
        "exclude_tags"
    } else {
        "tags_none"
    };
    match pairs.iter_mut().find(|(sent, _)| *sent == name) {
        Some((_, tags)) if tags.split(',').any(|tag| tag == MISSING_TAG) => {}
        Some((_, tags)) => {
            tags.push(',');
            tags.push_str(MISSING_TAG);
        }
        None => pairs.push((name, MISSING_TAG.to_owned())),
    }
    call.parameters = Parameters::new(pairs);
    call.notes.push(
        "assets whose file is missing are left out: name the tag `missing` or the status MISSING \
         to list them",
    );
    call
}
