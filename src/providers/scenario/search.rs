//! Scenario's search: hits are not assets, so it reads each page of hits again by id.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::{BULK_CAP, LIST_CAP, Scenario, direction, wire};
use crate::{
    providers::decode::response,
    source::{
        ListKind, ListRequest, Page, Position, RequestContext, Row, SortBy, SourceError, Unreadable,
    },
    upstream::Call,
};

impl Scenario {
    /// Searches in order of creation (5.12). Hits are not assets, so it reads them by id.
    pub(super) async fn search(
        &self,
        request: &ListRequest,
        context: &RequestContext,
    ) -> Result<Page, SourceError> {
        if request.order.by != SortBy::CreatedAt || self.is_public_only() {
            return Err(SourceError::no_such_list());
        }
        let offset = match request.position {
            Position::Offset(offset) => offset,
            Position::Start | Position::Token(_) => 0,
        };
        let limit = request.length.clamp(1, LIST_CAP);
        let mut body = json!({
            "limit": limit,
            "offset": offset,
            // A semantic search would return hits in no order of time (5.12).
            "querySemanticRatio": 0,
            "imageSemanticRatio": 0,
            "sortBy": [format!("createdAt:{}", direction(request))],
        });
        for (name, value) in request.parameters.0.iter() {
            body[*name] = json!(value);
        }
        let pairs: Vec<_> = self.project(ListKind::Search).into_iter().collect();
        let call = Call::read_by_post(
            "search",
            self.client.url(&["search", "assets"], &pairs)?,
            self.headers(ListKind::Search),
            Bytes::from(body.to_string()),
        );
        let answer = self.client.upstream.send(call, context.deadline()).await?;
        let no_store = response::no_store(&answer.headers);
        let found: wire::Hits = response::json(&answer)?;
        let total = found.estimated_total_hits;
        Ok(Page {
            next: None,
            offset,
            // A short page ends the list, even if the estimate is higher (5.12).
            last: found.hits.len() < limit as usize,
            total,
            is_total_exact: false,
            fetched_at: Timestamp::now(),
            can_prime_cache: true,
            no_store,
            rows: self.hydrate(&found.hits, context).await?,
        })
    }

    /// Reads the assets behind hits, each in its hit's position.
    async fn hydrate(
        &self,
        hits: &[wire::Hit],
        context: &RequestContext,
    ) -> Result<Vec<Row>, SourceError> {
        let ids: Vec<Arc<str>> = hits.iter().filter_map(|hit| hit.id.clone()).collect();
        let mut found = HashMap::new();
        for chunk in ids.chunks(BULK_CAP) {
            for row in self.read_bulk(chunk, context).await? {
                found.insert(row.shared_id(), row);
            }
        }
        Ok(hits
            .iter()
            .enumerate()
            .map(|(index, hit)| {
                let row = hit.id.as_ref().and_then(|id| found.remove(id));
                match (row, &hit.id, hit.created_at) {
                    (Some(row), ..) => row,
                    (None, Some(id), Some(at)) => Row::Gone(id.clone(), at),
                    (None, id, created_at) => Row::Unreadable(Arc::new(Unreadable {
                        upstream_id: id.clone(),
                        created_at,
                        updated_at: None,
                        path: format!("hits[{index}]"),
                        message: "the hit has no id or no creation time".to_owned(),
                    })),
                }
            })
            .collect())
    }
}
