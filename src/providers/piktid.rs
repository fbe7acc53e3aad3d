//! PiktID (docs/providers/piktid.md): page numbers with a total, no batch read.

pub mod config;
pub mod list_params;
mod mapping;
mod upload;
mod upload_rules;
mod wire;
mod write;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;

use self::config::{PiktidCredential, PiktidSettings};
use crate::{
    asset::{Asset, Provider},
    providers::{
        ApiClient, ProviderKind, ProviderSettings,
        api_client::secret_header,
        decode::{Decode, response, rows},
        fuzz_entry::offline_client,
    },
    settings::{Secret, keys},
    source::{
        Breaker, Capabilities, DeleteEffect, DetailLevel, Direction, ListCall, ListKind, ListPlan,
        ListRequest, ListSelection, NoCall, Page, Paging, Position, RequestContext, SortBy, Source,
        SourceError, SourceInfo, TieOrder, Upload, Write, fan_out,
    },
    upstream::{Answer, Call, Pace},
};

/// Maximum rows per list call (4.1).
const LIST_CAP: u32 = 100;
/// Minimum rows from any position on a page of at most [`LIST_CAP`]: see [`page_holding`].
const LIST_REACH: u32 = 40;

/// Registers PiktID.
pub const KIND: ProviderKind = ProviderKind {
    provider: Provider::Piktid,
    default_url: "https://v2.api.piktid.com",
    variables: &[("PIKTID_TOKEN", "token"), ("PIKTID_URL", "url")],
    is_payment_429: |_| false,
    keys: keys::<config::Keys>,
    read: config::read,
    decoder,
};

/// One PiktID account.
pub struct Piktid {
    /// Paces the bulk deletes of its credential.
    pace: Arc<Pace>,
    profile: SourceInfo,
    client: ApiClient,
    authorization: HeaderValue,
}

impl Piktid {
    /// Returns how this list is paged in this order; `None` if there is no such list or order.
    fn paging(listing: ListKind, by: SortBy) -> Option<Paging> {
        let is_supported =
            listing == ListKind::Own && matches!(by, SortBy::CreatedAt | SortBy::Name);
        is_supported.then_some(Paging::Index {
            cap: LIST_CAP,
            reach: LIST_REACH,
            ties: TieOrder::Free,
        })
    }

    fn new(client: ApiClient, config: &PiktidSettings) -> Self {
        let credential = match &config.credential {
            PiktidCredential::Token(token) => format!("Bearer {}", token.expose()),
            PiktidCredential::Verbatim(authorization) => authorization.expose().to_owned(),
        };
        Self {
            profile: client.profile(&credential, capabilities()),
            authorization: secret_header(&credential),
            pace: client.paces.of(client.config.url.as_str(), &credential),
            client,
        }
    }

    fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, self.authorization.clone())])
    }

    /// Decodes a list's response as page number `page` of `per_page` rows each.
    fn decode_list(&self, answer: Answer, page: u64, per_page: u64) -> Result<Page, SourceError> {
        // A page past the end may be an empty list or a 404 (4.1).
        if answer.status == http::StatusCode::NOT_FOUND && page > 1 {
            return Ok(past_the_end((page - 1) * per_page));
        }
        let no_store = response::no_store(&answer.headers);
        let (list, rows) = rows::list(
            answer,
            &self.client.row_cache,
            response::json::<wire::List>,
            |list| &list.assets,
            |wire, raw| Ok(mapping::asset(&self.profile.name, wire, raw)),
        )?;
        // Pages of another size begin at other positions, so a row could not be found again.
        if let Some(other) = list
            .pagination
            .per_page
            .filter(|actual| *actual != per_page)
        {
            return Err(SourceError::Malformed {
                status: 200,
                path: "pagination.per_page".to_owned(),
                message: format!("asked for pages of {per_page}, it sends pages of {other}"),
            });
        }
        let offset = (page - 1) * per_page;
        let end = offset + rows.len() as u64;
        Ok(Page {
            next: None,
            offset,
            // An empty page ends the list even if `has_next` is true.
            last: rows.is_empty()
                || !list
                    .pagination
                    .has_next
                    .unwrap_or(end < list.pagination.total),
            // Totals that JSON does not carry exactly are ignored.
            total: Some(list.pagination.total).filter(|total| *total < 1 << 53),
            is_total_exact: true,
            fetched_at: Timestamp::now(),
            can_prime_cache: true,
            no_store,
            rows,
        })
    }

    /// Decodes the response of a read by id.
    fn decode_one(&self, answer: &Answer) -> Result<Arc<Asset>, SourceError> {
        let raw: Box<serde_json::value::RawValue> = response::json(answer)?;
        let no_store = response::no_store(&answer.headers);
        rows::one(&raw, |wire, raw| {
            let asset = mapping::asset(&self.profile.name, wire, raw);
            Ok(Asset { no_store, ..asset })
        })
        .map(Arc::new)
        .map_err(|unfit| unfit.into_error("asset"))
    }
}

impl ProviderSettings for PiktidSettings {
    fn connect(&self, client: ApiClient) -> Arc<dyn Source> {
        Arc::new(Piktid::new(client, self))
    }

    fn for_caller(&self, credential: Secret) -> Arc<dyn ProviderSettings> {
        Arc::new(Self {
            credential: PiktidCredential::Verbatim(credential),
        })
    }

    fn account(&self) -> Vec<&str> {
        let (PiktidCredential::Token(secret) | PiktidCredential::Verbatim(secret)) =
            &self.credential;
        vec![secret.expose()]
    }
}

#[async_trait]
impl Source for Piktid {
    fn profile(&self) -> &SourceInfo {
        &self.profile
    }

    fn breaker(&self) -> Breaker {
        self.client.upstream.breaker().clone()
    }

    fn plan(&self, selection: ListSelection<'_>, by: SortBy) -> Result<ListPlan, NoCall> {
        let call = match selection {
            ListSelection::Merged(filter) => list_params::push_down(filter, by)?,
            ListSelection::Provider {
                listing,
                parameters,
                ..
            } => ListCall::new(listing, parameters.clone()),
        };
        let paging = Self::paging(call.listing, by);
        let paging = paging.ok_or(NoCall::Unsupported("it has no such order"))?;
        Ok(ListPlan { call, paging })
    }

    async fn list(
        &self,
        request: &ListRequest,
        context: &RequestContext,
    ) -> Result<Page, SourceError> {
        let offset = match request.position {
            Position::Offset(offset) => offset,
            Position::Start | Position::Token(_) => 0,
        };
        let (page, per_page) = page_holding(offset, u64::from(request.length.clamp(1, LIST_CAP)));
        let mut pairs = request.parameters.0.to_vec();
        pairs.push(("page", page.to_string()));
        pairs.push(("per_page", per_page.to_string()));
        let sort_by = match (request.listing, request.order.by) {
            (ListKind::Own, SortBy::CreatedAt) => "created_at",
            (ListKind::Own, SortBy::Name) => "filename",
            _ => return Err(SourceError::no_such_list()),
        };
        pairs.push(("sort_by", sort_by.to_owned()));
        let order = match request.order.direction {
            Direction::Descending => "desc",
            Direction::Ascending => "asc",
        };
        pairs.push(("order", order.to_owned()));
        let call = Call::get(
            "list",
            self.client.url(&["assets"], &pairs)?,
            self.headers(),
        );
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        self.decode_list(answer, page, per_page)
    }

    async fn get(
        &self,
        id: &str,
        _variant: DetailLevel,
        context: &RequestContext,
    ) -> Result<Arc<Asset>, SourceError> {
        let call = Call::get_item(
            "get",
            self.client.url(&["assets", id], &[])?,
            self.headers(),
        );
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        self.decode_one(&answer)
    }

    fn get_many<'a>(
        &'a self,
        ids: &'a [Arc<str>],
        detail_level: DetailLevel,
        context: &'a RequestContext,
    ) -> BoxStream<'a, (Arc<str>, Result<Arc<Asset>, SourceError>)> {
        fan_out(self, ids, detail_level, context)
    }

    fn check_tags(&self, tags: &[String]) -> Result<(), SourceError> {
        let is_unknown = |tag: &&String| !list_params::TAGS.contains(&tag.as_str());
        match tags.iter().find(is_unknown) {
            None => Ok(()),
            Some(tag) => Err(SourceError::Invalid(format!(
                "`{}` is not one of PiktID's tags: {}",
                tag.chars().take(40).collect::<String>(),
                list_params::TAGS.join(", ")
            ))),
        }
    }

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn uploader(&self) -> Option<&dyn Upload> {
        Some(self)
    }
}

impl Decode for Piktid {
    fn decode_page(&self, answer: Answer, request: &ListRequest) -> Result<Page, SourceError> {
        let length = u64::from(request.length);
        let page = match request.position {
            Position::Offset(offset) => offset / length + 1,
            Position::Start | Position::Token(_) => 1,
        };
        self.decode_list(answer, page, length)
    }

    fn decode_asset(&self, answer: &Answer) -> Result<Arc<Asset>, SourceError> {
        self.decode_one(answer)
    }
}

fn decoder() -> Option<&'static dyn Decode> {
    static SOURCE: OnceLock<Option<Piktid>> = OnceLock::new();
    let source = SOURCE.get_or_init(|| {
        let settings = PiktidSettings {
            credential: PiktidCredential::Verbatim(Secret::new("none".to_owned())),
        };
        Some(Piktid::new(offline_client(&KIND)?, &settings))
    });
    source.as_ref().map(|source| source as &dyn Decode)
}

fn capabilities() -> Capabilities {
    Capabilities {
        tag_vocabulary: Some(list_params::TAGS.to_vec()),
        max_tags: Some(10),
        has_exact_count: true,
        delete_effect: DeleteEffect::Permanent,
        delete_description: "The asset is gone for everybody; only its uploader can delete it.",
        max_upload_bytes: None,
        max_batch_size: 1,
    }
}

/// Returns the number and size of the page that holds rows `offset .. offset + length`. It is the
/// smallest `per_page` up to [`LIST_CAP`] that has all these rows on one page (`docs/paging.md`).
/// If none has, it is the page that reaches furthest, and the caller reads on.
fn page_holding(offset: u64, length: u64) -> (u64, u64) {
    let cap = u64::from(LIST_CAP);
    let reach = |per_page: u64| per_page - offset % per_page;
    let per_page = (length..=cap)
        .find(|per_page| reach(*per_page) >= length)
        .or_else(|| (1..=cap).max_by_key(|per_page| reach(*per_page)))
        .unwrap_or(cap);
    (offset / per_page + 1, per_page)
}

fn past_the_end(offset: u64) -> Page {
    Page {
        rows: Vec::new(),
        next: None,
        offset,
        last: true,
        total: None,
        is_total_exact: true,
        fetched_at: Timestamp::now(),
        can_prime_cache: true,
        no_store: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_stretch_of_25_rows_is_one_page() {
        for offset in 0..50_000 {
            let (page, per_page) = page_holding(offset, 25);
            let first = (page - 1) * per_page;
            assert!(per_page <= 100, "{offset}");
            assert!(
                first <= offset && offset + 25 <= first + per_page,
                "{offset}"
            );
        }
    }

    #[test]
    fn a_range_too_long_for_a_page_makes_progress() {
        for offset in 0..50_000 {
            let (page, per_page) = page_holding(offset, 100);
            let first = (page - 1) * per_page;
            assert!(per_page <= 100 && first <= offset, "{offset}");
            assert!(
                first + per_page - offset >= u64::from(LIST_REACH),
                "{offset}"
            );
        }
    }
}
