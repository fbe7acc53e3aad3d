//! `Asset`: the fields that all sources' assets share.

pub mod enums;
mod sync_fields;

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    connection::{self, AssetConnection, ListQuery, PageArguments},
    error::{Code, coded},
    fast_path::FastPath,
    loading::load_variant,
    operation::{Operation, operation, reading},
    scalars::{ByteSize, DateTime, Json, Url},
    source::SourceNode,
};
use crate::{
    access::Permission,
    asset::{Asset, AssetId, Details, Location, Provider, Rendition},
    source::{DetailLevel, Filter, ListKind, ListSelection, Order},
};

use enums::{AssetKind, AssetStatus, AssetThumbnailSize, AssetVisibility};

/// The GraphQL type `Asset`.
pub struct AssetNode(pub Arc<Asset>);

/// A file at a source, with the source's metadata: an image, a 3D model, a sound, a document or
/// another kind.
#[Object(name = "Asset")]
impl AssetNode {
    /// Global id, for `node` and `asset`. Opaque and stable.
    pub async fn id(&self) -> ID {
        self.0.global_id.to_string().into()
    }

    /// The account or server that holds the asset.
    async fn source(&self, context: &Context<'_>) -> async_graphql::Result<SourceNode> {
        let registry = &operation(context)?.registry;
        registry
            .named(&self.0.id.source)
            .map(|source| SourceNode(Arc::clone(source)))
            .ok_or_else(|| coded(Code::Internal, "the asset's source is gone"))
    }

    /// The provider of the asset's source.
    async fn provider(&self) -> Provider {
        self.0.provider
    }

    /// The asset's id at its source: opaque, case-sensitive, and unique only within the source.
    async fn upstream_id(&self) -> &str {
        &self.0.id.upstream
    }

    /// The asset's name, or its `upstreamId` when the source has no name. Never empty. It may
    /// contain anything that a user can type: escape it.
    async fn name(&self) -> &str {
        self.0.shown_name()
    }

    /// The kind of content, in any file format.
    async fn kind(&self) -> AssetKind {
        self.0.kind.into()
    }

    /// The file's media type; null when unknown. The source reports it, perhaps unverified. Where it
    /// does not, the gateway guesses it from the file name's extension.
    async fn mime_type(&self) -> Option<&str> {
        self.0.mime_type.as_deref()
    }

    /// The file's size in bytes; null when unknown. Some sources never report it.
    async fn size(&self) -> Option<ByteSize> {
        self.0.size_bytes.map(ByteSize)
    }

    /// Width in pixels; null when unknown.
    async fn width(&self) -> Option<u32> {
        self.0.width
    }

    /// Height in pixels; null when unknown.
    async fn height(&self) -> Option<u32> {
        self.0.height
    }

    /// Duration of audio and video in seconds; null when the source does not report it.
    async fn duration_seconds(&self) -> Option<f64> {
        self.0.duration_seconds
    }

    /// Hash of the file's bytes with its algorithm as prefix, such as `blake3:…`. Null
    /// where the source reports none. Several assets may share it.
    async fn content_hash(&self) -> Option<&str> {
        self.0.content_hash.as_deref()
    }

    /// When the asset was created. Lists are sorted by this time unless `orderBy` differs.
    async fn created_at(&self) -> DateTime {
        DateTime::at(self.0.created_at)
    }

    /// When the asset was last changed; null where the source does not report it. Changes of tags
    /// may not count.
    async fn updated_at(&self) -> Option<DateTime> {
        self.0.updated_at.map(DateTime::at)
    }

    /// Whether the asset's file is ready.
    async fn status(&self) -> AssetStatus {
        self.0.status.into()
    }

    /// Who can see the asset; null when the source sends no value known to this gateway.
    async fn visibility(&self) -> Option<AssetVisibility> {
        self.0.visibility.map(Into::into)
    }

    /// Who created the asset, in the source's terms: a user's id or name, or null. Not comparable
    /// across sources.
    async fn created_by(&self) -> Option<&str> {
        self.0.created_by.as_deref()
    }

    /// The asset's tags, case-sensitive: as many as the source has. Empty when there are none.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }

    /// A note that a person wrote, or null. Providers call it a description or a styling note. Never
    /// a generated caption.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    /// URL of the file, which a browser can load without a credential; null when there is none. It
    /// may expire at `urlExpiresAt`: query it again, do not store it. It costs no upstream call.
    async fn url(&self, context: &Context<'_>) -> Option<async_graphql::Result<Url>> {
        let location = self.location(context, Rendition::Original).transpose()?;
        Some(location.map(|(url, _)| Url(url)))
    }

    /// When `url` expires; null when it does not expire, or `url` is null.
    async fn url_expires_at(
        &self,
        context: &Context<'_>,
    ) -> Option<async_graphql::Result<DateTime>> {
        match self.location(context, Rendition::Original).transpose()? {
            Ok((_, end)) => end.map(DateTime::at).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    /// URL of a preview image, which a browser can load without a credential; null when there is
    /// none. The original stands in only up to 2 MiB. It may be missing right after an upload.
    async fn thumbnail_url(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Requested size.", default_with = "AssetThumbnailSize::Small")]
        size: AssetThumbnailSize,
    ) -> Option<async_graphql::Result<Url>> {
        let rendition = match size {
            AssetThumbnailSize::Small => Rendition::Small,
            AssetThumbnailSize::Large => Rendition::Large,
        };
        let location = self.location(context, rendition).transpose()?;
        Some(location.map(|(url, _)| Url(url)))
    }

    /// The asset that serves as this one's preview image; null when there is none or it is gone.
    /// Costs a read unless it is cached or in the same list: one upstream call for up to
    /// `capabilities.maxBatchSize` assets.
    async fn preview(
        &self,
        context: &Context<'_>,
    ) -> Option<async_graphql::Result<FastPath<AssetNode>>> {
        let related = self.0.preview.as_deref()?;
        self.relative(context, related).await
    }

    /// The asset that this one was made from; null when there is none or it is gone.
    /// Unless cached or in the same list, it costs a read: one upstream call for up to
    /// `capabilities.maxBatchSize` assets.
    async fn parent(
        &self,
        context: &Context<'_>,
    ) -> Option<async_graphql::Result<FastPath<AssetNode>>> {
        let related = self.0.parent.as_deref()?;
        self.relative(context, related).await
    }

    /// The first asset in the chain of parents; null when there is none or it is gone.
    /// Costs a read unless it is cached or in the same list: one upstream call for up to
    /// `capabilities.maxBatchSize` assets.
    async fn root(
        &self,
        context: &Context<'_>,
    ) -> Option<async_graphql::Result<FastPath<AssetNode>>> {
        let related = self.0.root.as_deref()?;
        self.relative(context, related).await
    }

    /// The assets made from this one, newest first; null when the source has no lineage.
    /// Costs up to five list calls for each parent asset: select it on few assets at once.
    async fn children(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Returns up to `first` assets after `after`. 0 to 100; default 20.")]
        first: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page begins after it.")] after: Option<String>,
        #[graphql(
            desc = "Returns up to `last` assets before `before`. 0 to 100; not together with `first`."
        )]
        last: Option<i32>,
        #[graphql(desc = "A cursor of this list: the page ends before it.")] before: Option<String>,
    ) -> Option<async_graphql::Result<FastPath<AssetConnection>>> {
        let paging = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(self.children_of(context, paging))
            .await
            .transpose()
    }

    /// Whether you may tag it; null when unknown. False without the scope `assets:write`.
    async fn viewer_can_tag(&self, context: &Context<'_>) -> async_graphql::Result<Option<bool>> {
        viewer_can(context, self.0.viewer_can.tag, Permission::Write)
    }

    /// Whether you may set its note; null when unknown. False without the scope `assets:write`.
    async fn viewer_can_note(&self, context: &Context<'_>) -> async_graphql::Result<Option<bool>> {
        viewer_can(context, self.0.viewer_can.note, Permission::Write)
    }

    /// Whether you may delete it; null when unknown. False without the scope `assets:delete`.
    async fn viewer_can_delete(
        &self,
        context: &Context<'_>,
    ) -> async_graphql::Result<Option<bool>> {
        viewer_can(context, self.0.viewer_can.delete, Permission::Delete)
    }

    /// The provider's own fields, typed.
    async fn details(&self) -> Details {
        self.0.details.clone()
    }

    /// The asset's JSON as the source sent it, without file paths of a server; null when it cannot
    /// be represented. Use it for fields that are newer than this gateway.
    async fn raw(&self, context: &Context<'_>) -> Option<async_graphql::Result<Json>> {
        if let Err(forbidden) = reading(context) {
            return Some(Err(forbidden));
        }
        let raw = serde_json::from_str(&self.0.raw).ok();
        raw.map(|value| Ok(Json(value)))
    }
}

impl AssetNode {
    async fn children_of(
        &self,
        context: &Context<'_>,
        paging: PageArguments,
    ) -> async_graphql::Result<Option<FastPath<AssetConnection>>> {
        let id = &self.0.id;
        let Some(source) = reading(context)?.registry.named(&id.source) else {
            return Ok(None);
        };
        let Some(parameters) = source.children(&id.upstream) else {
            return Ok(None);
        };
        let filter = Filter::default();
        let selection = ListSelection::Provider {
            listing: ListKind::Own,
            parameters: &parameters,
            filter: &filter,
        };
        let described = ListQuery {
            name: "children",
            arguments: vec![("of", self.0.global_id.to_string())],
            sources: vec![(Arc::clone(source), source.plan(selection, Order::NEWEST.by))],
            filter,
            order: Order::NEWEST,
        };
        connection::resolve(context, described, paging)
            .await
            .map(Some)
    }

    /// Returns a rendition's URL and its expiry, or `FORBIDDEN` when the caller may not read.
    fn location(
        &self,
        context: &Context<'_>,
        rendition: Rendition,
    ) -> async_graphql::Result<Option<(String, Option<Timestamp>)>> {
        // A caller that may only write can see an asset's metadata, but not its bytes.
        Ok(self.located(reading(context)?, rendition))
    }

    /// As [`Self::location`], for an operation that may read.
    fn located(
        &self,
        operation: &Operation,
        rendition: Rendition,
    ) -> Option<(String, Option<Timestamp>)> {
        let media = &self.0.media;
        let location = match rendition {
            Rendition::Original => &media.original,
            Rendition::Small => &media.small,
            Rendition::Large => &media.large,
        };
        match location.as_ref()? {
            Location::Direct { url, expires_at } => Some((url.clone(), *expires_at)),
            Location::Proxied => {
                let profile = operation.registry.named(&self.0.id.source)?.profile();
                if profile.passthrough {
                    // A browser would load the URL without the caller's credential.
                    return None;
                }
                let scope = &profile.scope;
                let now = Timestamp::now();
                let (url, end) = operation.media.url(&self.0.id, rendition, scope, now);
                let left = end.duration_since(now).unsigned_abs();
                operation.context.limit_freshness(Instant::now() + left);
                Some((url, Some(end)))
            }
        }
    }

    /// Loads another asset of the same source; `None` when it is gone. The future is boxed, because
    /// the engine allocates each `Asset` field as much memory as the largest future needs.
    async fn relative(
        &self,
        context: &Context<'_>,
        upstream: &str,
    ) -> Option<async_graphql::Result<FastPath<AssetNode>>> {
        let id = AssetId {
            source: self.0.id.source.clone(),
            upstream: upstream.into(),
        };
        let loaded = Box::pin(load(context, id)).await;
        loaded.transpose().map(|result| result.map(FastPath))
    }
}

/// Returns the source's own answer, or false when the caller lacks the gateway's permission.
fn viewer_can(
    context: &Context<'_>,
    granted: Option<bool>,
    permission: Permission,
) -> async_graphql::Result<Option<bool>> {
    Ok(viewer_may(operation(context)?, granted, permission))
}

pub fn viewer_may(
    operation: &Operation,
    granted: Option<bool>,
    permission: Permission,
) -> Option<bool> {
    if operation.caller.may(permission) {
        granted
    } else {
        Some(false)
    }
}

/// Reads an asset through the operation's loader; `None` when it is gone.
pub async fn load(context: &Context<'_>, id: AssetId) -> async_graphql::Result<Option<AssetNode>> {
    Ok(load_variant(context, id, DetailLevel::Plain)
        .await?
        .map(AssetNode))
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::ContainerType;

    use super::*;

    #[test]
    fn a_plain_field_takes_little_memory() {
        fn size<'a, F>(_: impl Fn(&'a AssetNode, &'a Context<'a>) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(<AssetNode as ContainerType>::resolve_field);
        assert!(size <= 1_024, "{size} bytes for each field");
    }
}
