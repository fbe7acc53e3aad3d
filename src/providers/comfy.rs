//! Comfy (docs/providers/comfy.md): offsets with a total, no batch read, files behind a key.
//!
//! The client supports the published and the newest contract, of the cloud and of a self-hosted
//! ComfyUI. It reads the JSON of both and sends only parameters that both understand.

pub mod config;
pub mod list_params;
mod mapping;
mod responses;
mod upload;
pub mod upload_rules;
mod wire;
mod write;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use url::Url;

use self::{
    config::{ComfySettings, is_cloud},
    responses::{read, refusal},
};
use crate::{
    asset::{Asset, Details, MISSING_TAG, Provider, Rendition},
    providers::{
        ApiClient, ProviderKind, ProviderSettings,
        api_client::secret_header,
        decode::{Decode, response, rows},
        fuzz_entry::offline_client,
    },
    settings::{Secret, keys},
    source::{
        Breaker, Capabilities, DeleteEffect, DetailLevel, Direction, ListCall, ListKind, ListPlan,
        ListRequest, ListSelection, MediaAnswer, NoCall, Page, Paging, Position, RequestContext,
        Row, SortBy, Source, SourceError, SourceInfo, TieOrder, Upload, Write, check_commas,
        fan_out,
    },
    upstream::{Answer, Call, UpstreamError},
};

/// Maximum rows per list call (4.1).
const LIST_CAP: u32 = 500;

/// Totals from here on are ignored, as JSON does not carry them exactly.
const MAX_TOTAL: u64 = 1 << 53;

/// Registers Comfy.
pub const KIND: ProviderKind = ProviderKind {
    provider: Provider::Comfy,
    default_url: "https://cloud.comfy.org",
    variables: &[("COMFY_API_KEY", "api_key"), ("COMFY_URL", "url")],
    is_payment_429: responses::is_payment_429,
    keys: keys::<ComfySettings>,
    read: config::read,
    decoder,
};

/// One Comfy Cloud account or one ComfyUI server.
pub struct Comfy {
    profile: SourceInfo,
    client: ApiClient,
    headers: HeaderMap,
    /// The merged list only has assets with one of these tags.
    listed_tags: Vec<String>,
}

impl Comfy {
    /// Returns how this list is paged in this order; `None` if there is no such list or order.
    /// A self-hosted ComfyUI sorts equal times by id (docs/providers/comfy.md O29).
    fn paging(&self, listing: ListKind) -> Option<Paging> {
        (listing == ListKind::Own).then_some(Paging::Index {
            cap: LIST_CAP,
            reach: LIST_CAP,
            ties: if is_cloud(&self.client.config.url) {
                TieOrder::Free
            } else {
                TieOrder::ById
            },
        })
    }

    fn new(client: ApiClient, config: ComfySettings) -> Self {
        let mut headers = HeaderMap::new();
        let mut credential = String::new();
        if let Some(key) = &config.api_key {
            headers.insert(
                HeaderName::from_static("x-api-key"),
                secret_header(key.expose()),
            );
            credential.push_str(key.expose());
        }
        if let Some(token) = &config.token {
            let authorization = format!("Bearer {}", token.expose());
            headers.insert(header::AUTHORIZATION, secret_header(&authorization));
            credential.push_str(&authorization);
        }
        for (name, value) in [
            ("comfy-user", &config.user),
            ("x-comfy-workspace-id", &config.workspace),
        ] {
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), secret_header(value));
                credential.push('\n');
                credential.push_str(value);
            }
        }
        Self {
            profile: client.profile(&credential, capabilities(is_cloud(&client.config.url))),
            headers,
            listed_tags: config.listed_tags,
            client,
        }
    }

    /// Decodes a list's response as a page, which begins at `offset` unless a cursor was sent.
    fn decode_list(
        &self,
        answer: Answer,
        request: &ListRequest,
        offset: u64,
    ) -> Result<Page, SourceError> {
        let no_store = response::no_store(&answer.headers);
        let (list, rows) = rows::list(
            answer,
            &self.client.row_cache,
            read::<wire::List>,
            |list| &list.assets,
            |wire, raw| self.map(wire, raw),
        )?;
        let read = offset + rows.len() as u64;
        Ok(Page {
            next: list.next_cursor,
            offset,
            // An empty page ends the list even if `has_more` is true: no more rows would come.
            last: rows.is_empty() || !list.has_more.unwrap_or(read < list.total),
            total: Some(list.total).filter(|total| *total < MAX_TOTAL),
            is_total_exact: !uses_newer_tag_filters(request) || is_newer(&rows, list.total),
            fetched_at: Timestamp::now(),
            can_prime_cache: true,
            no_store,
            rows,
        })
    }

    /// Decodes the response of a read by id.
    fn decode_one(&self, answer: &Answer) -> Result<Arc<Asset>, SourceError> {
        let raw: Box<serde_json::value::RawValue> = read(answer)?;
        let no_store = response::no_store(&answer.headers);
        let asset = rows::one(&raw, |wire, raw| self.map(wire, raw));
        asset
            .map(|asset| Arc::new(Asset { no_store, ..asset }))
            .map_err(|unfit| unfit.into_error("asset"))
    }

    fn map(&self, wire: wire::Asset, raw: &str) -> Result<Asset, rows::RowError> {
        mapping::asset(&self.profile.name, &self.client.config.url, wire, raw)
    }

    async fn open(
        &self,
        asset: &Asset,
        rendition: Rendition,
        range: Option<&HeaderValue>,
        context: &RequestContext,
    ) -> Result<MediaAnswer, SourceError> {
        let Details::Comfy(details) = &asset.details else {
            return Err(SourceError::NotFound);
        };
        let content = self.client.url(
            &["api", "assets", &asset.id.upstream, "content"],
            &[("disposition", "inline".to_owned())],
        )?;
        let preview = details
            .preview_url
            .as_deref()
            .and_then(|url| mapping::absolute(&self.client.config.url, url));
        let first = match rendition {
            Rendition::Original => content.clone(),
            Rendition::Small | Rendition::Large => preview.clone().unwrap_or(content.clone()),
        };
        let tried_content = first == content;
        match self.fetch(first, range, context).await {
            // The published contract has no content route: its view route returns the bytes (4.10).
            Err(SourceError::NotFound) if tried_content => {
                let url = preview.ok_or(SourceError::NotFound)?;
                self.fetch(url, range, context).await
            }
            result => result,
        }
    }

    async fn fetch(
        &self,
        url: Url,
        range: Option<&HeaderValue>,
        context: &RequestContext,
    ) -> Result<MediaAnswer, SourceError> {
        // The key is sent only to the source's own address.
        if url.origin() != self.client.config.url.origin() {
            return self.redirect(url);
        }
        let mut headers = self.headers.clone();
        // Without it, a self-hosted ComfyUI sends an SVG as a download (docs/providers/comfy.md,
        // Changed by November 2026).
        headers.insert(
            HeaderName::from_static("sec-fetch-dest"),
            HeaderValue::from_static("image"),
        );
        if let Some(range) = range {
            headers.insert(header::RANGE, range.clone());
        }
        let call = Call::get_file("media", url.clone(), headers);
        let answer = self.client.upstream.open(call, context.deadline()).await?;
        match answer.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                Ok(MediaAnswer::Body {
                    status: answer.status,
                    headers: answer.headers.clone(),
                    body: answer.into_body(),
                })
            }
            status if status.is_redirection() => {
                let target = answer
                    .headers
                    .get(header::LOCATION)
                    .and_then(|value| value.to_str().ok())
                    .and_then(|text| url.join(text).ok())
                    .filter(|target| matches!(target.scheme(), "http" | "https"))
                    // A redirect back to the source would need the key, which is not sent again.
                    .filter(|target| target.origin() != self.client.config.url.origin());
                match target {
                    Some(target) => self.redirect(target),
                    None => Err(SourceError::Malformed {
                        status: status.as_u16(),
                        path: "Location".to_owned(),
                        message: "the redirect has no target that a browser can load".to_owned(),
                    }),
                }
            }
            status => Err(refusal(status, &answer.headers, b"")),
        }
    }

    /// Redirects a browser to the file, unless only the gateway can reach its address.
    fn redirect(&self, target: Url) -> Result<MediaAnswer, SourceError> {
        if self.client.upstream.allows_file_url(&target) {
            return Ok(MediaAnswer::Redirect(target.into()));
        }
        Err(SourceError::from(UpstreamError::NotAllowed))
    }
}

impl ProviderSettings for ComfySettings {
    fn connect(&self, client: ApiClient) -> Arc<dyn Source> {
        Arc::new(Comfy::new(client, self.clone()))
    }

    /// A caller sends a key, or `Bearer` and a token.
    fn for_caller(&self, credential: Secret) -> Arc<dyn ProviderSettings> {
        let token = credential
            .expose()
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| Secret::new(token.trim_start().to_owned()));
        Arc::new(Self {
            api_key: token.is_none().then_some(credential),
            token,
            ..self.clone()
        })
    }

    fn account(&self) -> Vec<&str> {
        let credential = self.api_key.as_ref().or(self.token.as_ref());
        vec![
            credential.map(Secret::expose).unwrap_or_default(),
            self.user.as_deref().unwrap_or_default(),
            self.workspace.as_deref().unwrap_or_default(),
        ]
    }

    fn passthrough_remark(&self, url: &Url) -> Option<&'static str> {
        (!is_cloud(url)).then_some(
            "a self-hosted ComfyUI checks no keys: unless a proxy in front of it does, anyone can \
             read and delete there",
        )
    }
}

#[async_trait]
impl Source for Comfy {
    fn profile(&self) -> &SourceInfo {
        &self.profile
    }

    fn breaker(&self) -> Breaker {
        self.client.upstream.breaker().clone()
    }

    fn plan(&self, selection: ListSelection<'_>, by: SortBy) -> Result<ListPlan, NoCall> {
        let call = match selection {
            ListSelection::Merged(filter) => list_params::push_down(filter, by, &self.listed_tags)?,
            ListSelection::Provider {
                listing,
                parameters,
                filter,
            } => list_params::leave_out_missing(ListCall::new(listing, parameters.clone()), filter),
        };
        let paging = self.paging(call.listing);
        let paging = paging.ok_or(NoCall::Unsupported("it has no such order"))?;
        Ok(ListPlan { call, paging })
    }

    async fn list(
        &self,
        request: &ListRequest,
        context: &RequestContext,
    ) -> Result<Page, SourceError> {
        if request.listing != ListKind::Own {
            return Err(SourceError::no_such_list());
        }
        let mut pairs = request.parameters.0.to_vec();
        let mut offset = 0;
        match &request.position {
            Position::Offset(rows) => offset = *rows,
            Position::Token(cursor) => pairs.push(("after", cursor.to_string())),
            Position::Start => {}
        }
        if !matches!(request.position, Position::Token(_)) {
            pairs.push(("offset", offset.to_string()));
        }
        pairs.push(("limit", request.length.clamp(1, LIST_CAP).to_string()));
        let sort = match request.order.by {
            SortBy::CreatedAt => "created_at",
            SortBy::UpdatedAt => "updated_at",
            SortBy::Name => "name",
            SortBy::Size => "size",
            SortBy::LastAccessTime => "last_access_time",
        };
        pairs.push(("sort", sort.to_owned()));
        let order = match request.order.direction {
            Direction::Descending => "desc",
            Direction::Ascending => "asc",
        };
        pairs.push(("order", order.to_owned()));
        let url = self.client.url(&["api", "assets"], &pairs)?;
        let call = Call::get("list", url, self.headers.clone());
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        self.decode_list(answer, request, offset)
    }

    async fn get(
        &self,
        id: &str,
        _variant: DetailLevel,
        context: &RequestContext,
    ) -> Result<Arc<Asset>, SourceError> {
        let url = self.client.url(&["api", "assets", id], &[])?;
        let call = Call::get_item("get", url, self.headers.clone());
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
        check_system_tags(tags)?;
        check_commas(tags)
    }

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn uploader(&self) -> Option<&dyn Upload> {
        Some(self)
    }

    async fn media(
        &self,
        asset: &Asset,
        rendition: Rendition,
        range: Option<&HeaderValue>,
        context: &RequestContext,
    ) -> Result<MediaAnswer, SourceError> {
        self.open(asset, rendition, range, context).await
    }
}

impl Decode for Comfy {
    fn decode_page(&self, answer: Answer, request: &ListRequest) -> Result<Page, SourceError> {
        self.decode_list(answer, request, 0)
    }

    fn decode_asset(&self, answer: &Answer) -> Result<Arc<Asset>, SourceError> {
        self.decode_one(answer)
    }
}

fn decoder() -> Option<&'static dyn Decode> {
    static SOURCE: OnceLock<Option<Comfy>> = OnceLock::new();
    let source = SOURCE.get_or_init(|| {
        let settings = ComfySettings::default();
        Some(Comfy::new(offline_client(&KIND)?, settings))
    });
    source.as_ref().map(|source| source as &dyn Decode)
}

fn capabilities(is_cloud: bool) -> Capabilities {
    Capabilities {
        tag_vocabulary: None,
        max_tags: None,
        has_exact_count: true,
        delete_effect: if is_cloud {
            DeleteEffect::Permanent
        } else {
            DeleteEffect::EntryOnly
        },
        delete_description: if is_cloud {
            "Comfy Cloud removes the asset and its file, and refuses while something uses it."
        } else {
            "ComfyUI removes the entry; the file stays on the server's disk."
        },
        max_upload_bytes: None,
        max_batch_size: 1,
    }
}

/// Refuses the tag that only the server sets (docs/providers/comfy.md, Changed by November 2026).
///
/// # Errors
/// [`SourceError::Invalid`] names it.
fn check_system_tags(tags: &[String]) -> Result<(), SourceError> {
    if tags.iter().any(|tag| tag == MISSING_TAG) {
        return Err(SourceError::Invalid(format!(
            "`{MISSING_TAG}` is a tag that the server gives to assets whose file is missing: it \
             cannot be added or removed"
        )));
    }
    Ok(())
}

/// Whether the request relies on the newer spelling of tag filters.
fn uses_newer_tag_filters(request: &ListRequest) -> bool {
    let newer = ["tags_all", "tags_any", "tags_none"];
    request
        .parameters
        .0
        .iter()
        .any(|(name, _)| newer.contains(name))
}

/// Whether the rows show a server that knows the newer spelling. An older one silently ignores it
/// and counts rows that do not match (4.1). An empty list has nothing to miscount.
fn is_newer(rows: &[Row], total: u64) -> bool {
    let has = |row: &Row| match row {
        Row::Asset(asset) => {
            matches!(&asset.details, Details::Comfy(comfy_details) if comfy_details.is_newer)
        }
        Row::Unreadable(_) | Row::Gone(..) => false,
    };
    (rows.is_empty() && total == 0) || rows.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_page_does_not_show_how_its_server_counts() {
        assert!(is_newer(&[], 0), "any server counts an empty list right");
        assert!(
            !is_newer(&[], 61),
            "an older server counts rows that do not match"
        );
    }
}
