//! Small documents that could crash the process or keep it busy never reach the engine.

use std::time::Duration;

use asset_gateway::sandbox::Options;
use serde_json::json;

use crate::harness::{asset_id, error, world, world_with};

#[tokio::test]
async fn hostile_documents_are_refused_and_the_gateway_survives() {
    let world = world().await;
    let lists = format!("{{a(x:{}1{})}}", "[".repeat(100), "]".repeat(100));
    let objects = format!("{{a(x:{}1{})}}", "{k:".repeat(100), "}".repeat(100));
    let variables = format!(
        "query($x: [Int] = {}1{}) {{ a }}",
        "[".repeat(100),
        "]".repeat(100)
    );
    let unclosed = format!(
        "{{a(x:[\"\"\"b\" {}1{}])}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    let open = "{".repeat(100);
    let mut twice = "{...f0}".to_owned();
    for level in 0..13 {
        twice += &format!("fragment f{level} on Query{{...f{0} ...f{0}}}", level + 1);
    }
    twice += "fragment f13 on Query{assetSources{name}}";
    let circle = "{...a} fragment a on Query{...b} fragment b on Query{...a}".to_owned();
    let aliases: String = (0..2_000).map(|n| format!("a{n}:__typename ")).collect();
    for document in [
        unclosed,
        lists,
        objects,
        variables,
        open,
        twice,
        circle,
        format!("{{{aliases}}}"),
    ] {
        let answer = world.ask(&document).await;
        let (code, _) = error(&answer);
        assert!(
            [
                "LIMIT_EXCEEDED",
                "GRAPHQL_VALIDATION_FAILED",
                "GRAPHQL_PARSE_FAILED"
            ]
            .contains(&code.as_str()),
            "{answer}"
        );
        assert_eq!(answer.get("data"), None);
    }
    assert!(world.data("{ assetSources { name } }").await["assetSources"].is_array());
}

#[tokio::test]
async fn deeply_nested_variables_are_refused() {
    let world = world().await;
    let body = format!(
        "{{\"query\":\"query($x: Int){{assets(first:$x){{nodes{{id}}}}}}\",\"variables\":{{\"x\":{}1{}}}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    assert_eq!(world.post(&body).await.status(), 400);
}

#[tokio::test]
async fn the_standard_introspection_passes() {
    let world = world().await;
    let query = include_str!("../corpus/introspection.graphql");
    let data = world.data(query).await;
    assert!(
        data["__schema"]["types"]
            .as_array()
            .is_some_and(|all| all.len() > 30)
    );
}

#[tokio::test]
async fn a_page_of_a_hundred_with_every_detail_passes() {
    let world = world().await;
    let fields = world
        .data("{ m: __type(name: \"ScenarioMetadata\") { fields { name type { kind ofType { kind } } } } }")
        .await;
    let names: Vec<String> = fields["m"]["fields"]
        .as_array()
        .cloned()
        .unwrap_or_default()
        .iter()
        .filter(|f| {
            !["concepts", "contours", "thumbnail"].contains(&f["name"].as_str().unwrap_or_default())
        })
        .map(|f| f["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    let query = format!(
        "{{ assets(first: 100) {{ edges {{ cursor node {{ id name preview {{ id name }} parent {{ id }} raw
           details {{ ... on ScenarioDetails {{ metadata {{ {} }} }} }} }} }} }} }}",
        names.join(" ")
    );
    let data = world.data(&query).await;
    assert_eq!(data["assets"]["edges"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn an_operation_that_would_cause_too_many_calls_is_stopped() {
    let world = world_with(Options::default(), |config| {
        config.limits.upstream_calls = 10;
    })
    .await;
    let ids: Vec<String> = world
        .sandbox
        .store
        .piktid()
        .iter()
        .take(11)
        .map(|a| asset_id("piktid", &a.id))
        .collect();
    let answer = world
        .ask_with(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": ids }),
        )
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
    assert!(
        answer["errors"]
            .as_array()
            .is_some_and(|all| all.len() <= 10),
        "errors are bounded"
    );
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn an_operation_ends_with_its_deadline() {
    let world = world_with(Options::default(), |config| {
        config.limits.query_deadline = Duration::from_millis(200);
    })
    .await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    world
        .sandbox
        .piktid
        .faults
        .add("GET /", asset_gateway::sandbox::Fault::Hold(gate));
    let id = asset_id("piktid", &world.sandbox.store.piktid()[0].id.clone());
    let answer = world
        .ask(&format!("{{ asset(id: \"{id}\") {{ name }} }}"))
        .await;
    assert_eq!(error(&answer).0, "UPSTREAM_TIMEOUT");
}

#[tokio::test]
async fn a_variable_counts_at_each_spread_of_its_fragment() {
    let world = world_with(Options::default(), |config| config.limits.values = 1_000).await;
    let tags = vec!["x"; 100];
    for (spreads, is_refused) in [(5, false), (20, true)] {
        let sources: String = (0..spreads)
            .map(|number| format!("s{number}: assetSource(name: \"comfy\") {{ ...tagged }} "))
            .collect();
        let query = format!(
            "query($tags: [String!]) {{ {sources} }} fragment tagged on AssetSource {{ \
             assets(first: 1, filter: {{tagsAny: $tags}}) {{ totalCount }} }}"
        );
        let answer = world.ask_with(&query, json!({ "tags": tags })).await;
        let message = answer.to_string();
        let names_limit = message.contains("number of values in variables, counted at each use,");
        assert_eq!(names_limit, is_refused, "{spreads} spreads: {message}");
    }
}
