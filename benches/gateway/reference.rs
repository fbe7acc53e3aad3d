//! The references: a route that sends fixed bytes, and the engine without a gateway.

use std::{collections::HashMap, sync::Arc};

use asset_gateway::asset::Provider;
use async_graphql::{
    ComplexObject, Context, EmptyMutation, EmptySubscription, ID, Object, Request, Schema,
    SimpleObject,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::post,
};

use crate::upstream::{LISTED, global_id, rows};

/// Responds to every request with the bytes of `file`.
pub fn fixed(file: &str) -> Router {
    let bytes = Bytes::from(std::fs::read(file).expect("the response file"));
    let respond = |State(bytes): State<Bytes>, _body: Bytes| async move { json(bytes) };
    Router::new()
        .route("/graphql", post(respond))
        .with_state(bytes)
}

/// Serves assets in memory through async-graphql with its default settings.
pub fn engine() -> Router {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
        .data(Store::new())
        .finish();
    Router::new()
        .route("/graphql", post(execute))
        .with_state(schema)
}

type Graph = Schema<Query, EmptyMutation, EmptySubscription>;

async fn execute(State(schema): State<Graph>, body: Bytes) -> Response {
    let request: Request = serde_json::from_slice(&body).expect("a request of this bench");
    let response = schema.execute(request).await;
    json(serde_json::to_vec(&response).expect("JSON").into())
}

fn json(bytes: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// All assets: the listed ones first, then their previews.
struct Store {
    all: Vec<Arc<Asset>>,
    by_id: HashMap<String, Arc<Asset>>,
}

impl Store {
    fn new() -> Self {
        let rows = rows(Provider::Comfy).into_iter();
        let assets: Vec<Arc<Asset>> = rows
            .map(|row| {
                Arc::new(Asset {
                    id: ID(global_id(&row.id)),
                    name: row.name,
                    size: row.size,
                    mime_type: "image/png".to_owned(),
                    tags: row.tags,
                    created_at: row.created_at,
                    preview_id: global_id(&row.preview_id),
                })
            })
            .collect();
        let by_id = assets
            .iter()
            .map(|asset| (asset.id.0.clone(), Arc::clone(asset)));
        Self {
            by_id: by_id.collect(),
            all: assets,
        }
    }

    fn get(&self, id: &str) -> Option<Arc<Asset>> {
        self.by_id.get(id).cloned()
    }
}

#[derive(SimpleObject)]
#[graphql(complex)]
struct Asset {
    id: ID,
    name: String,
    size: u64,
    mime_type: String,
    tags: Vec<String>,
    created_at: String,
    #[graphql(skip)]
    preview_id: String,
}

#[ComplexObject]
impl Asset {
    async fn preview(&self, context: &Context<'_>) -> Option<Arc<Asset>> {
        context.data_unchecked::<Store>().get(&self.preview_id)
    }
}

#[derive(SimpleObject)]
struct AssetList {
    nodes: Vec<Arc<Asset>>,
}

struct Query;

#[Object]
impl Query {
    async fn assets(&self, context: &Context<'_>, first: Option<usize>) -> AssetList {
        let listed = &context.data_unchecked::<Store>().all[..LISTED];
        let nodes = listed.iter().take(first.unwrap_or(LISTED));
        AssetList {
            nodes: nodes.cloned().collect(),
        }
    }

    async fn asset(&self, context: &Context<'_>, id: ID) -> Option<Arc<Asset>> {
        context.data_unchecked::<Store>().get(&id)
    }

    async fn nodes(&self, context: &Context<'_>, ids: Vec<ID>) -> Vec<Option<Arc<Asset>>> {
        let store = context.data_unchecked::<Store>();
        ids.iter().map(|id| store.get(id)).collect()
    }
}
