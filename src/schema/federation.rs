//! The schema as an Apollo Federation v2 subgraph (subgraph specification).
//!
//! The engine's own support is not used: there, one failing representation fails all of them, and
//! the SDL imports directives that it does not use.

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

/// The function that prints the subgraph's SDL. Resolvers get it from the context.
pub struct SubgraphSdl(pub fn() -> &'static str);

/// The `Query` fields for federated gateways. Other clients use `node`, `nodes` and `asset`.
pub struct FederationQueries;

/// The `Query` fields for federated gateways.
#[Object]
impl FederationQueries {
    /// For federated gateways: the SDL of this subgraph.
    #[graphql(name = "_service")]
    async fn service(&self, context: &Context<'_>) -> Service {
        let sdl = context.data_opt::<SubgraphSdl>();
        Service {
            sdl: sdl.map(|SubgraphSdl(print)| print().to_owned()),
        }
    }

    /// For federated gateways: assets and sources by key, in the order of `representations`. Null
    /// for each that is gone or not visible. One that cannot be read is null with its own error.
    #[graphql(name = "_entities")]
    async fn entities(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Each with `__typename` and `id`.")] representations: Vec<Representation>,
    ) -> Vec<Option<async_graphql::Result<Entity>>> {
        let indexed = representations.into_iter().enumerate();
        let read =
            join_all(indexed.map(|(index, representation)| entity(context, index, representation)))
                .await;
        read.into_iter().map(Result::transpose).collect()
    }
}

/// The SDL of this subgraph.
#[derive(SimpleObject)]
#[graphql(name = "_Service")]
struct Service {
    /// The subgraph's SDL, with the keys of its entities.
    sdl: Option<String>,
}

/// An entity that other subgraphs can refer to.
#[derive(Union)]
#[graphql(name = "_Entity")]
enum Entity {
    Asset(AssetNode),
    Source(SourceNode),
}

/// A reference to an entity: `__typename` and its key.
struct Representation(Value);

/// A federated gateway's reference to an entity: an object with `__typename` and its key.
#[Scalar(name = "_Any")]
impl ScalarType for Representation {
    fn parse(value: Value) -> InputValueResult<Self> {
        // `entity` rejects a value that is not an object, at its own index.
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
    representation: Representation,
) -> async_graphql::Result<Option<Entity>> {
    let index = index.to_string();
    let path = ["representations", &index, "id"];
    let wrong = |what: &str| bad_input(&["representations", &index], what);
    let id = || {
        representation
            .text("id")
            .map(ID::from)
            .ok_or_else(|| wrong("a representation has no `id`"))
    };
    match representation.text("__typename") {
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
