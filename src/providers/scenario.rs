//! Scenario (docs/providers/scenario.md): page tokens and time windows, batch reads, signed URLs.

mod capabilities;
pub mod config;
mod file_slices;
pub mod list_params;
mod mapping;
mod search;
mod upload;
pub mod upload_rules;
mod wire;
mod write;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{json, value::RawValue};

use self::{
    capabilities::capabilities,
    config::{PublicEndpoint, ScenarioCredential, ScenarioSettings},
    list_params::{ScenarioParameters, direction, milliseconds},
};
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
        Breaker, DetailLevel, ListCall, ListKind, ListPlan, ListRequest, ListSelection, NoCall,
        Page, Paging, Parameters, Position, RequestContext, Row, SortBy, Source, SourceError,
        SourceInfo, TieOrder, Upload, Write, check_commas, fan_out,
    },
    upstream::{Answer, Call},
};

/// Maximum rows per list call (5.1).
const LIST_CAP: u32 = 100;
/// Maximum ids per batch read (5.4).
const BULK_CAP: usize = 200;
/// The literal token that gives access to public assets (2).
const PUBLIC: &str = "public-auth-token";

/// Registers Scenario.
pub const KIND: ProviderKind = ProviderKind {
    provider: Provider::Scenario,
    default_url: "https://api.cloud.scenario.com/v1",
    variables: &[
        ("SCENARIO_API_KEY", "api_key"),
        ("SCENARIO_API_SECRET", "api_secret"),
        ("SCENARIO_JWT", "jwt"),
        ("SCENARIO_PROJECT_ID", "project_id"),
        ("SCENARIO_URL", "url"),
    ],
    is_payment_429: |_| false,
    keys: keys::<config::Keys>,
    read: config::read,
    decoder,
};

/// One Scenario project or team.
pub struct Scenario {
    profile: SourceInfo,
    client: ApiClient,
    /// The exact value of `Authorization`.
    authorization: HeaderValue,
    config: ScenarioSettings,
}

impl Scenario {
    /// Returns how this list is paged in this order; `None` if there is no such list or order.
    fn paging(&self, listing: ListKind, by: SortBy) -> Option<Paging> {
        match (listing, by) {
            (ListKind::Own | ListKind::Public, SortBy::CreatedAt | SortBy::UpdatedAt) => {
                Some(Paging::Window {
                    cap: LIST_CAP,
                    resolution: Duration::from_millis(1),
                })
            }
            (ListKind::Search, SortBy::CreatedAt) if !self.is_public_only() => {
                Some(Paging::Index {
                    cap: LIST_CAP,
                    reach: LIST_CAP,
                    ties: TieOrder::Free,
                })
            }
            _ => None,
        }
    }

    /// Returns why this account or path does not have the list with these parameters.
    fn declines(&self, listing: ListKind, parameters: &Parameters) -> Option<NoCall> {
        let asks = |name: &str| parameters.0.iter().any(|(parameter, _)| *parameter == name);
        if listing == ListKind::Own
            && self.uses_deprecated_path()
            && list_params::OWN_ONLY.iter().any(|n| asks(n))
        {
            return Some(NoCall::Unsupported(
                "the deprecated public path has none of these filters: set `public_endpoint = \
                 \"assets\"`",
            ));
        }
        let project = self.config.project_id.as_ref()?;
        let is_other = |(name, value): &(&str, String)| *name == "projectId" && value != project;
        parameters.0.iter().any(is_other).then_some(NoCall::Skip(
            "the configuration binds this source to another project",
        ))
    }

    fn new(client: ApiClient, config: ScenarioSettings) -> Self {
        let credential = match &config.credential {
            ScenarioCredential::Key { key, secret } => {
                let pair = format!("{}:{}", key.expose(), secret.expose());
                format!("Basic {}", STANDARD.encode(pair))
            }
            ScenarioCredential::Jwt(token) => format!("Bearer {}", token.expose()),
            ScenarioCredential::Public => PUBLIC.to_owned(),
            ScenarioCredential::Verbatim(authorization) => authorization.expose().to_owned(),
        };
        let has_account = credential != PUBLIC;
        Self {
            profile: client.profile(&credential, capabilities(has_account)),
            client,
            authorization: secret_header(&credential),
            config,
        }
    }

    /// Returns the list to read: with the public token, always the public list.
    fn listing(&self, requested: ListKind) -> ListKind {
        if self.is_public_only() {
            ListKind::Public
        } else {
            requested
        }
    }

    fn headers(&self, listing: ListKind) -> HeaderMap {
        let authorization = match listing {
            ListKind::Own | ListKind::Search => self.authorization.clone(),
            ListKind::Public => HeaderValue::from_static(PUBLIC),
        };
        HeaderMap::from_iter([(AUTHORIZATION, authorization)])
    }

    /// Returns the parameter for the account's project; the public list takes none.
    fn project(&self, listing: ListKind) -> Option<(&'static str, String)> {
        match listing {
            ListKind::Own | ListKind::Search => {
                Some(("projectId", self.config.project_id.clone()?))
            }
            ListKind::Public => None,
        }
    }

    /// Whether the source reads the deprecated public path, which has fewer filters (5.2).
    fn uses_deprecated_path(&self) -> bool {
        self.is_public_only() && self.config.public_endpoint == PublicEndpoint::AssetsPublic
    }

    fn is_public_only(&self) -> bool {
        self.authorization == PUBLIC
    }

    async fn read_page(
        &self,
        request: &ListRequest,
        context: &RequestContext,
    ) -> Result<Page, SourceError> {
        let listing = self.listing(request.listing);
        let mut pairs = request.parameters.0.to_vec();
        if !pairs.iter().any(|(name, _)| *name == "projectId") {
            pairs.extend(self.project(listing));
        }
        let (sort_by, after, before) = match request.order.by {
            SortBy::CreatedAt => ("createdAt", "createdAfter", "createdBefore"),
            SortBy::UpdatedAt => ("updatedAt", "updatedAfter", "updatedBefore"),
            SortBy::Name | SortBy::Size | SortBy::LastAccessTime => {
                return Err(SourceError::no_such_list());
            }
        };
        // The list of deleted assets has a fixed order (5.1).
        let deleted = pairs.contains(&("deleted", "true".to_owned()));
        if !deleted {
            pairs.push(("sortBy", sort_by.to_owned()));
            pairs.push(("sortDirection", direction(request).to_owned()));
            for (name, bound) in [(after, request.after), (before, request.before)] {
                if let Some(time) = bound {
                    pairs.push((name, milliseconds(time)));
                }
            }
        }
        pairs.push(("pageSize", request.length.clamp(1, LIST_CAP).to_string()));
        if let Position::Token(token) = &request.position {
            pairs.push(("paginationToken", token.to_string()));
        }
        let path: &[&str] = match (listing, self.config.public_endpoint) {
            (ListKind::Public, PublicEndpoint::AssetsPublic) => &["assets", "public"],
            _ => &["assets"],
        };
        let call = Call::get(
            "list",
            self.client.url(path, &pairs)?,
            self.headers(listing),
        );
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        let original = pairs.contains(&("originalAssets", "true".to_owned()));
        // `originalAssets` changes URLs, so such rows differ from reads by id.
        self.decode_list(answer, !original && !deleted)
    }

    /// Decodes a list's response as a page.
    fn decode_list(&self, answer: Answer, can_prime_cache: bool) -> Result<Page, SourceError> {
        let no_store = response::no_store(&answer.headers);
        let (list, rows) = self.rows(answer, |list: &wire::List| &list.assets)?;
        Ok(Page {
            rows,
            last: list.next_pagination_token.is_none(),
            next: list.next_pagination_token,
            offset: 0,
            total: None,
            is_total_exact: false,
            fetched_at: Timestamp::now(),
            can_prime_cache,
            no_store,
        })
    }

    /// Decodes the response of a read by id.
    fn decode_one(&self, answer: &Answer) -> Result<Arc<Asset>, SourceError> {
        let body: wire::One = response::json(answer)?;
        let no_store = response::no_store(&answer.headers);
        rows::one(&body.asset, self.asset_mapper(no_store))
            .map(Arc::new)
            .map_err(|unfit| unfit.into_error("asset"))
    }

    /// Returns the function that maps rows to assets.
    fn asset_mapper(
        &self,
        no_store: bool,
    ) -> impl Fn(wire::Asset, &str) -> Result<Asset, rows::RowError> {
        move |wire, raw| {
            let asset = mapping::asset(&self.profile.name, wire, raw);
            Ok(Asset { no_store, ..asset })
        }
    }

    /// Decodes a response into the fields beside its assets, and the assets.
    fn rows<L: DeserializeOwned>(
        &self,
        answer: Answer,
        assets: impl Fn(&L) -> &[Box<RawValue>],
    ) -> Result<(L, Vec<Row>), SourceError> {
        let asset_mapper = self.asset_mapper(response::no_store(&answer.headers));
        rows::list(
            answer,
            &self.client.row_cache,
            response::json,
            assets,
            asset_mapper,
        )
    }

    /// One unordered `get-bulk` of at most [`BULK_CAP`] ids. Absent ids are gone (5.4).
    async fn read_bulk(
        &self,
        ids: &[Arc<str>],
        context: &RequestContext,
    ) -> Result<Vec<Row>, SourceError> {
        let pairs: Vec<_> = self
            .project(self.listing(ListKind::Own))
            .into_iter()
            .collect();
        let call = Call::read_by_post(
            "get-bulk",
            self.client.url(&["assets", "get-bulk"], &pairs)?,
            self.headers(ListKind::Own),
            Bytes::from(json!({ "assetIds": ids }).to_string()),
        );
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        let (_, rows) = self.rows(answer, |bulk: &wire::Bulk| &bulk.assets)?;
        Ok(rows)
    }

    /// Returns the result of a batch read for each id.
    async fn read_each(
        &self,
        ids: &[Arc<str>],
        context: &RequestContext,
    ) -> HashMap<Arc<str>, Result<Arc<Asset>, SourceError>> {
        let all_as = |error: &SourceError| -> HashMap<_, _> {
            ids.iter()
                .map(|id| (id.clone(), Err(error.clone())))
                .collect()
        };
        let rows = match self.read_bulk(ids, context).await {
            Ok(rows) => rows,
            Err(error) => return all_as(&error),
        };
        let mut found = all_as(&SourceError::NotFound);
        for row in rows {
            let (id, result) = match row {
                Row::Asset(asset) => (asset.id.upstream.clone(), Ok(asset)),
                Row::Unreadable(bad) => match &bad.upstream_id {
                    Some(id) => (id.clone(), Err(SourceError::from(&*bad))),
                    None => continue, // a row without an id leaves its id "not found"
                },
                Row::Gone(..) => continue,
            };
            if let Some(slot) = found.get_mut(&id) {
                *slot = result;
            }
        }
        found
    }
}

impl ProviderSettings for ScenarioSettings {
    fn connect(&self, client: ApiClient) -> Arc<dyn Source> {
        Arc::new(Scenario::new(client, self.clone()))
    }

    fn for_caller(&self, credential: Secret) -> Arc<dyn ProviderSettings> {
        Arc::new(Self {
            credential: ScenarioCredential::Verbatim(credential),
            ..self.clone()
        })
    }

    fn account(&self) -> Vec<&str> {
        let project = self.project_id.as_deref().unwrap_or_default();
        match &self.credential {
            ScenarioCredential::Key { key, secret } => vec![project, key.expose(), secret.expose()],
            ScenarioCredential::Jwt(secret) | ScenarioCredential::Verbatim(secret) => {
                vec![project, secret.expose()]
            }
            ScenarioCredential::Public => vec![project],
        }
    }
}

#[async_trait]
impl Source for Scenario {
    fn profile(&self) -> &SourceInfo {
        &self.profile
    }

    fn breaker(&self) -> Breaker {
        self.client.upstream.breaker().clone()
    }

    fn plan(&self, selection: ListSelection<'_>, by: SortBy) -> Result<ListPlan, NoCall> {
        let call = match selection {
            ListSelection::Merged(filter) => {
                list_params::push_down(filter, by, self.is_public_only())?
            }
            ListSelection::Provider {
                listing,
                parameters,
                ..
            } => ListCall::new(listing, parameters.clone()),
        };
        if let Some(declined) = self.declines(call.listing, &call.parameters) {
            return Err(declined);
        }
        let paging = self.paging(call.listing, by).ok_or_else(|| {
            NoCall::Unsupported(if call.listing == ListKind::Search {
                "its search sorts by CREATED_AT alone: leave out `search`, or this order"
            } else {
                "it has no such order"
            })
        })?;
        Ok(ListPlan { call, paging })
    }

    fn children(&self, id: &str) -> Option<Parameters> {
        (!self.uses_deprecated_path()).then(|| {
            let children = ScenarioParameters {
                parent_asset_id: Some(id.to_owned()),
                ..ScenarioParameters::default()
            };
            children.query()
        })
    }

    async fn list(
        &self,
        request: &ListRequest,
        context: &RequestContext,
    ) -> Result<Page, SourceError> {
        match request.listing {
            ListKind::Search => self.search(request, context).await,
            ListKind::Own | ListKind::Public => self.read_page(request, context).await,
        }
    }

    async fn get(
        &self,
        id: &str,
        detail_level: DetailLevel,
        context: &RequestContext,
    ) -> Result<Arc<Asset>, SourceError> {
        let mut pairs: Vec<_> = self
            .project(self.listing(ListKind::Own))
            .into_iter()
            .collect();
        if detail_level == DetailLevel::Full {
            pairs.push(("withEmbedding", "true".to_owned()));
            pairs.push(("withQualityGateDetails", "true".to_owned()));
        }
        let call = Call::get_item(
            "get",
            self.client.url(&["assets", id], &pairs)?,
            self.headers(ListKind::Own),
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
        // The public token allows no batch read (2), and a batch read has no embeddings (5.4).
        if self.is_public_only() || detail_level == DetailLevel::Full {
            return fan_out(self, ids, detail_level, context);
        }
        let mut reads = Vec::new();
        for chunk in ids.chunks(BULK_CAP) {
            reads.push(self.read_each(chunk, context));
        }
        futures_util::stream::iter(reads)
            .buffer_unordered(self.profile.in_flight)
            .flat_map(futures_util::stream::iter)
            .boxed()
    }

    fn calls_to_get(&self, ids: usize, detail_level: DetailLevel) -> usize {
        if self.is_public_only() || detail_level == DetailLevel::Full {
            ids
        } else {
            ids.div_ceil(BULK_CAP)
        }
    }

    fn check_tags(&self, tags: &[String]) -> Result<(), SourceError> {
        check_commas(tags)
    }

    fn writer(&self) -> Option<&dyn Write> {
        (!self.is_public_only()).then_some(self as &dyn Write)
    }

    fn uploader(&self) -> Option<&dyn Upload> {
        (!self.is_public_only()).then_some(self as &dyn Upload)
    }
}

impl Decode for Scenario {
    fn decode_page(&self, answer: Answer, _: &ListRequest) -> Result<Page, SourceError> {
        self.decode_list(answer, true)
    }

    fn decode_asset(&self, answer: &Answer) -> Result<Arc<Asset>, SourceError> {
        self.decode_one(answer)
    }
}

fn decoder() -> Option<&'static dyn Decode> {
    static SOURCE: OnceLock<Option<Scenario>> = OnceLock::new();
    let source = SOURCE.get_or_init(|| {
        let settings = ScenarioSettings {
            credential: ScenarioCredential::Jwt(Secret::new("none".to_owned())),
            project_id: None,
            public_endpoint: PublicEndpoint::Assets,
        };
        Some(Scenario::new(offline_client(&KIND)?, settings))
    });
    source.as_ref().map(|source| source as &dyn Decode)
}
