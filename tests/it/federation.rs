//! The graph as a subgraph, queried as a federated gateway queries it.

use serde_json::{Value, json};

use crate::harness::{TestGateway, asset_id, texts, world};

const ENTITIES: &str = "query($r: [_Any!]!) { _entities(representations: $r) { __typename \
                        ... on Asset { id name source { name } } ... on AssetSource { id provider } } }";

async fn ids(world: &TestGateway, source: &str, count: usize) -> Vec<String> {
    let query = format!(
        "{{ assets(first: {count}, filter: {{ sources: [\"{source}\"] }}) {{ nodes {{ id }} }} }}"
    );
    texts(&world.data(&query).await["assets"]["nodes"], "/id")
}

fn representations<'a>(ids: impl IntoIterator<Item = &'a String>) -> Value {
    let entries = ids
        .into_iter()
        .map(|id| json!({ "__typename": "Asset", "id": id }));
    json!({ "r": entries.collect::<Vec<_>>() })
}

#[tokio::test]
async fn fifty_representations_are_one_batched_read_of_each_source() {
    let world = crate::harness::world_with(asset_gateway::sandbox::Options::default(), |config| {
        // Without cached rows of the list, the gateway must read the entities.
        config.cache.size_bytes = 0;
    })
    .await;
    let scenario = ids(&world, "scenario", 50).await;
    world.forget_calls();
    let answer = world.ask_with(ENTITIES, representations(&scenario)).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    assert_eq!(texts(&answer["data"]["_entities"], "/id"), scenario);
    let recorder = &world.sandbox.scenario.recorder;
    assert_eq!(recorder.count("POST /v1/assets/get-bulk"), 1);
    assert_eq!(recorder.calls().len(), 1);

    // The same where each half has its own variable and field.
    let (first, last) = scenario.split_at(25);
    let two = "query($r: [_Any!]!, $s: [_Any!]!) { a: _entities(representations: $r) { ... on Asset \
               { id } } b: _entities(representations: $s) { ... on Asset { id } } }";
    let variables = json!({ "r": representations(first)["r"], "s": representations(last)["r"] });
    world.forget_calls();
    let answer = world.ask_with(two, variables).await;
    assert_eq!(texts(&answer["data"]["b"], "/id"), last);
    assert_eq!(world.calls(), [1, 0, 0]);
}

#[tokio::test]
async fn one_bad_representation_never_fails_the_others() {
    let world = world().await;
    let good = &ids(&world, "scenario", 1).await[0];
    let gone = asset_id("scenario", "asset_gone");
    let unknown = asset_id("nowhere", "x");
    let variables = json!({ "r": [
        { "__typename": "Asset", "id": good },
        { "__typename": "Asset", "id": "not an id" },
        { "__typename": "Asset", "id": gone },
        { "__typename": "Asset", "id": unknown },
        { "__typename": "Robot", "id": good },
        { "__typename": "PageInfo" },
        { "__typename": "Asset" },
        { "id": good },
        { "__typename": "Asset", "id": [17] },
        17,
        { "__typename": "AssetSource", "id": good },
        { "__typename": "Asset", "id": good, "name": "known elsewhere" },
    ] });
    let answer = world.ask_with(ENTITIES, variables).await;
    let entities = answer["data"]["_entities"].as_array().expect("a list");
    assert_eq!(entities.len(), 12, "{answer}");
    for (index, entity) in entities.iter().enumerate() {
        let is_good = index == 0 || index == 11;
        assert_eq!(entity.is_null(), !is_good, "{index}: {answer:#}");
    }
    // A missing asset is no error; every other bad entry has an error at its own index.
    let errors = answer["errors"].as_array().expect("errors");
    let mut paths: Vec<_> = errors.iter().map(|error| error["path"].clone()).collect();
    paths.sort_by_key(|path| path[1].as_u64());
    let expected: Vec<_> = [1, 3, 4, 5, 6, 7, 8, 9, 10]
        .map(|index| json!(["_entities", index]))
        .into();
    assert_eq!(paths, expected, "{answer:#}");
    for error in errors {
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
    }
}

#[tokio::test]
async fn a_source_is_an_entity_too() {
    let world = world().await;
    let sources = world.data("{ assetSources { id provider } }").await;
    let id = &sources["assetSources"][0]["id"];
    let variables = json!({ "r": [{ "__typename": "AssetSource", "id": id }] });
    let answer = world.ask_with(ENTITIES, variables).await;
    assert_eq!(answer["data"]["_entities"][0]["id"], *id, "{answer}");
}

#[tokio::test]
async fn the_subgraphs_schema_is_served() {
    let world = world().await;
    let sdl = world.data("{ _service { sdl } }").await;
    let sdl = sdl["_service"]["sdl"].as_str().expect("a text");
    assert_eq!(sdl, asset_gateway::schema::subgraph_sdl());
    assert!(sdl.contains("type Asset implements Node @key(fields: \"id\")"));
}
