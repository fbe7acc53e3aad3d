//! The graph as a subgraph (Apollo Federation v2, subgraph specification).
//!
//! Ours rather than the engine's: there one representation that fails fails all, and its schema
//! imports what it does not use.

use async_graphql::{
    Context, ID, InputValueResult, Object, Scalar, ScalarType, SimpleObject, Union, Value,
};
use futures_util::future::join_all;

use super::{
    asset::AssetNode,
    error::bad_input,
    node::{one_asset, one_source},
    source::SourceNode,
};

/// Prints the subgraph's schema. In the context, as the schema is made of this file too.
pub struct SubgraphSdl(pub fn() -> &'static str);

/// How federated gateways ask. Other clients have `node`, `nodes` and `asset`.
pub struct Federation;

/// How federated gateways ask.
#[Object]
impl Federation {
    /// For federated gateways: this graph as a subgraph.
    #[graphql(name = "_service")]
    async fn service(&self, context: &Context<'_>) -> Service {
        let sdl = context.data_opt::<SubgraphSdl>();
        Service {
            sdl: sdl.map(|SubgraphSdl(print)| print().to_owned()),
        }
    }

    /// For federated gateways: assets and sources by their keys, in the order asked for. Null for
    /// what is gone or not visible; what cannot be read leaves null and an error of its own.
    #[graphql(name = "_entities")]
    async fn entities(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Each with `__typename` and `id`.")] representations: Vec<Representation>,
    ) -> Vec<Option<async_graphql::Result<Entity>>> {
        let all = representations.into_iter().enumerate();
        let read = join_all(all.map(|(index, own)| entity(context, index, own))).await;
        read.into_iter().map(Result::transpose).collect()
    }
}

/// This graph as a subgraph.
#[derive(SimpleObject)]
#[graphql(name = "_Service")]
struct Service {
    /// Its schema, with the keys of its entities.
    sdl: Option<String>,
}

/// What other subgraphs can refer to.
#[derive(Union)]
#[graphql(name = "_Entity")]
enum Entity {
    Asset(AssetNode),
    Source(SourceNode),
}

/// What a gateway knows of an entity: `__typename` and its key.
struct Representation(Value);

/// What a federated gateway knows of an entity: an object with `__typename` and its key.
#[Scalar(name = "_Any")]
impl ScalarType for Representation {
    fn parse(value: Value) -> InputValueResult<Self> {
        // What is no object is refused in its own place.
        Ok(Self(value))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

impl Representation {
    fn text(&self, name: &str) -> Option<&str> {
        let Value::Object(fields) = &self.0 else {
            return None;
        };
        match fields.get(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

async fn entity(
    context: &Context<'_>,
    index: usize,
    own: Representation,
) -> async_graphql::Result<Option<Entity>> {
    let index = index.to_string();
    let path = ["representations", &index, "id"];
    let wrong = |what: &str| bad_input(&["representations", &index], what);
    let id = || {
        own.text("id")
            .map(ID::from)
            .ok_or_else(|| wrong("a representation has no `id`"))
    };
    match own.text("__typename") {
        Some("Asset") => {
            let asset = one_asset(context, &path, &id()?).await?;
            Ok(asset.map(Entity::Asset))
        }
        Some("AssetSource") => Ok(one_source(context, &path, &id()?)?.map(Entity::Source)),
        Some(_) => Err(wrong(
            "only `Asset` and `AssetSource` are entities of this subgraph",
        )),
        None => Err(wrong("a representation has no `__typename`")),
    }
}
