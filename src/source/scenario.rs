//! Scenario (scenario.md): tokens and time windows, batch reads, signed URLs.

mod map;
pub mod parameters;
mod wire;

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

use super::{
    Audience, Capabilities, Context, Direction, Filter, Link, ListRequest, Narrowed, Page, Paging,
    Position, Profile, SortBy, Source, SourceError, Variant, answer, row,
};
use crate::{
    asset::Asset,
    config::{PublicEndpoint, ScenarioCredential, ScenarioSource},
    upstream::Call,
};

/// Rows a list call gives at most (5.1 [seed 001]).
const LIST_CAP: u32 = 100;
/// Ids a batch read takes at most (5.4 [SDK]).
const BULK_CAP: usize = 200;
/// The literal word that opens public assets (2 [seed 000]).
const PUBLIC: &str = "public-auth-token";

/// One Scenario project or team.
pub struct Scenario {
    profile: Profile,
    link: Link,
    /// `Authorization`, exactly.
    authorization: HeaderValue,
    config: ScenarioSource,
}

impl Scenario {
    pub(super) fn new(link: Link, config: ScenarioSource) -> Self {
        let credential = match &config.credential {
            ScenarioCredential::Key { key, secret } => {
                let pair = format!("{}:{}", key.expose(), secret.expose());
                format!("Basic {}", STANDARD.encode(pair))
            }
            ScenarioCredential::Jwt(token) => format!("Bearer {}", token.expose()),
            ScenarioCredential::Public => PUBLIC.to_owned(),
        };
        let own = !matches!(config.credential, ScenarioCredential::Public);
        let profile = link.profile(
            &credential,
            capabilities(own),
            Paging::Window {
                cap: LIST_CAP,
                resolution: Duration::from_millis(1),
            },
        );
        Self {
            profile,
            link,
            authorization: super::secret_header(&credential),
            config,
        }
    }

    /// A source with the public token sees public assets, whatever it is asked for.
    fn audience(&self, asked: Audience) -> Audience {
        if self.is_public_only() {
            Audience::Public
        } else {
            asked
        }
    }

    fn headers(&self, audience: Audience) -> HeaderMap {
        let authorization = match audience {
            Audience::Account => self.authorization.clone(),
            Audience::Public => HeaderValue::from_static(PUBLIC),
        };
        HeaderMap::from_iter([(AUTHORIZATION, authorization)])
    }

    /// The account's own scoping; the public list knows none.
    fn project(&self, audience: Audience) -> Option<(&'static str, String)> {
        match audience {
            Audience::Account => Some(("projectId", self.config.project_id.clone()?)),
            Audience::Public => None,
        }
    }

    fn is_public_only(&self) -> bool {
        matches!(self.config.credential, ScenarioCredential::Public)
    }

    async fn read_page(
        &self,
        request: &ListRequest,
        context: &Context,
    ) -> Result<Page, SourceError> {
        let audience = self.audience(request.audience);
        let mut pairs = request.parameters.0.clone();
        pairs.extend(self.project(audience));
        let sort_by = match request.by {
            SortBy::CreatedAt => "createdAt",
            SortBy::UpdatedAt => "updatedAt",
            SortBy::Name | SortBy::Size | SortBy::LastAccessTime => {
                return Err(SourceError::Unsupported(
                    "Scenario lists by creation or update time only".to_owned(),
                ));
            }
        };
        // Deleted assets have an order of their own and take no other (5.1).
        let deleted = pairs.contains(&("deleted", "true".to_owned()));
        if !deleted {
            pairs.push(("sortBy", sort_by.to_owned()));
            let direction = match request.direction {
                Direction::Newest => "desc",
                Direction::Oldest => "asc",
            };
            pairs.push(("sortDirection", direction.to_owned()));
            if let Some(after) = request.created_after {
                pairs.push(("createdAfter", milliseconds(after)));
            }
            if let Some(before) = request.created_before {
                pairs.push(("createdBefore", milliseconds(before)));
            }
        }
        pairs.push(("pageSize", request.length.clamp(1, LIST_CAP).to_string()));
        if let Position::Token(token) = &request.position {
            pairs.push(("paginationToken", token.to_string()));
        }
        let path: &[&str] = match (audience, self.config.public_endpoint) {
            (Audience::Public, PublicEndpoint::AssetsPublic) => &["assets", "public"],
            _ => &["assets"],
        };
        let call = Call::get("list", self.link.url(path, &pairs), self.headers(audience));
        let answer = self.link.upstream.send(call, context.deadline).await?;
        let no_store = answer::no_store(&answer.headers);
        let (list, lossy) = answer::list(answer, answer::json::<wire::List>)?;
        let original = pairs.contains(&("originalAssets", "true".to_owned()));
        Ok(Page {
            rows: row::decode("assets", &list.assets, lossy, |wire, raw| {
                Ok(map::asset(&self.profile.name, wire, raw))
            }),
            last: list.next_pagination_token.is_none(),
            next: list.next_pagination_token,
            offset: 0,
            total: None,
            fetched_at: Timestamp::now(),
            // `originalAssets` changes URLs: such rows are not what a read by id gives.
            primes: !original && !deleted,
            no_store,
        })
    }

    async fn read_one(
        &self,
        id: &str,
        variant: Variant,
        context: &Context,
    ) -> Result<Arc<Asset>, SourceError> {
        let mut pairs: Vec<_> = self
            .project(self.audience(Audience::Account))
            .into_iter()
            .collect();
        if variant == Variant::Full {
            pairs.push(("withEmbedding", "true".to_owned()));
            pairs.push(("withQualityGateDetails", "true".to_owned()));
        }
        let call = Call::get(
            "get",
            self.link.url(&["assets", id], &pairs),
            self.headers(Audience::Account),
        );
        let answer = self.link.upstream.send(call, context.deadline).await?;
        let one: wire::One = answer::json(&answer)?;
        row::one(&one.asset, |wire, raw| {
            Ok(map::asset(&self.profile.name, wire, raw))
        })
        .map(Arc::new)
        .map_err(|unfit| unfit.into_error("asset"))
    }

    /// One `get-bulk` of at most [`BULK_CAP`] ids. Absent ids are gone (5.4 [inferred]).
    async fn read_bulk(
        &self,
        ids: &[Box<str>],
        context: &Context,
    ) -> HashMap<Box<str>, Result<Arc<Asset>, SourceError>> {
        let everything = |error: SourceError| {
            ids.iter()
                .map(|id| (id.clone(), Err(error.clone())))
                .collect()
        };
        let pairs: Vec<_> = self
            .project(self.audience(Audience::Account))
            .into_iter()
            .collect();
        let call = Call::post_json(
            "get-bulk",
            self.link.url(&["assets", "get-bulk"], &pairs),
            self.headers(Audience::Account),
            Bytes::from(json!({ "assetIds": ids }).to_string()),
        );
        let answer = match self.link.upstream.send(call, context.deadline).await {
            Ok(answer) => answer,
            Err(error) => return everything(error.into()),
        };
        let (list, lossy) = match answer::list(answer, answer::json::<wire::Bulk>) {
            Ok(list) => list,
            Err(error) => return everything(error),
        };
        let mut found: HashMap<Box<str>, Result<Arc<Asset>, SourceError>> = ids
            .iter()
            .map(|id| (id.clone(), Err(SourceError::NotFound)))
            .collect();
        for row in row::decode("assets", &list.assets, lossy, |wire, raw| {
            Ok(map::asset(&self.profile.name, wire, raw))
        }) {
            let (id, result) = match row {
                super::Row::Asset(asset) => (asset.id.upstream.clone(), Ok(asset)),
                super::Row::Unreadable(bad) => match &bad.upstream_id {
                    Some(id) => (id.clone(), Err(SourceError::from(&*bad))),
                    None => continue, // its id stays "not found": nobody can say which it was
                },
            };
            if let Some(slot) = found.get_mut(&id) {
                *slot = result;
            }
        }
        found
    }
}

impl Source for Scenario {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn narrow(&self, filter: &Filter) -> Narrowed {
        parameters::narrow(filter, self.is_public_only())
    }

    fn list<'a>(
        &'a self,
        request: &'a ListRequest,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Page, SourceError>> {
        Box::pin(self.read_page(request, context))
    }

    fn get<'a>(
        &'a self,
        id: &'a str,
        variant: Variant,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Arc<Asset>, SourceError>> {
        Box::pin(self.read_one(id, variant, context))
    }

    fn get_many<'a>(
        &'a self,
        ids: &'a [Box<str>],
        variant: Variant,
        context: &'a Context,
    ) -> BoxStream<'a, (Box<str>, Result<Arc<Asset>, SourceError>)> {
        // The public token opens no batch read (2), and a batch read brings no embeddings (5.4).
        if self.is_public_only() || variant == Variant::Full {
            return super::fan_out(self, ids, variant, context);
        }
        let mut reads = Vec::new();
        for chunk in ids.chunks(BULK_CAP) {
            reads.push(self.read_bulk(chunk, context));
        }
        futures_util::stream::iter(reads)
            .buffer_unordered(self.profile.in_flight)
            .flat_map(futures_util::stream::iter)
            .boxed()
    }

    fn calls_to_get(&self, ids: usize, variant: Variant) -> usize {
        if self.is_public_only() || variant == Variant::Full {
            ids
        } else {
            ids.div_ceil(BULK_CAP)
        }
    }
}

fn capabilities(own: bool) -> Capabilities {
    Capabilities {
        can_upload: own,
        can_tag: own,
        can_note: own,
        can_delete: own,
        tag_vocabulary: None,
        max_tags: None,
        counts_exactly: false,
        delete_meaning: "The asset is gone for everybody; Scenario keeps it recoverable for 30 \
                         days on its Max plan and above.",
        // Multipart uploads have no published limit (5.6).
        max_upload_bytes: None,
        batch_read: if own { 200 } else { 1 },
    }
}

/// `2025-01-16T11:19:41.579Z`: Scenario's own form (1 [seed 001]).
fn milliseconds(time: Timestamp) -> String {
    format!("{time:.3}")
}
