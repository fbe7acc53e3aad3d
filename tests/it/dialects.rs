//! Comfy's generations: the same graph over the published cloud, the newest cloud and a
//! self-hosted ComfyUI.

use asset_gateway::sandbox::{Dialect, Options};
use serde_json::{Value, json};

use crate::harness::{configured, texts, world_from, world_with};

#[tokio::test]
async fn every_generation_gives_the_same_assets() {
    let mut answers = Vec::new();
    for dialect in [Dialect::Local, Dialect::Published, Dialect::Newest] {
        let world = world_with(
            Options {
                dialect,
                ..Options::default()
            },
            |_| {},
        )
        .await;
        // Drops the assets that the cloud shares with all users: a local server has none.
        world.sandbox.store.comfy().retain(|a| !a.is_public);
        let data = world
            .data(
                "{ assets(first: 100, filter: { sources: [\"comfy\"] }) { totalCount nodes {
                upstreamId name kind createdAt size contentHash note tags
                details { ... on ComfyDetails { hash jobId } } } } }",
            )
            .await;
        // The published contract ignores the newer tag filters, so its count is of another list.
        let counts = data["assets"]["totalCount"].is_u64();
        assert_eq!(counts, dialect != Dialect::Published, "{dialect:?}");
        answers.push(data["assets"]["nodes"].clone());
    }
    assert_eq!(answers[0].as_array().map(Vec::len), Some(100));
    assert_eq!(answers[0], answers[1], "local and published");
    assert_eq!(answers[0], answers[2], "local and newest");
    let jobs = answers[0].as_array().map_or(0, |nodes| {
        nodes
            .iter()
            .filter(|n| n["details"]["jobId"].is_string())
            .count()
    });
    assert!(jobs > 10, "prompt_id and job_id are both read");
}

#[tokio::test]
async fn the_clouds_hidden_category_filter_hides_nothing() {
    let world = world_with(
        Options {
            dialect: Dialect::Newest,
            ..Options::default()
        },
        |_| {},
    )
    .await;
    let data = world
        .data("{ assets(first: 20, filter: { sources: [\"comfy\"] }) { nodes { kind } } }")
        .await;
    assert!(texts(&data["assets"]["nodes"], "/kind").contains(&"MODEL_WEIGHTS".to_owned()));
    let query = &world.sandbox.comfy.recorder.calls()[0].query;
    assert!(
        query.contains("tags_any=input%2Coutput%2Cmodels"),
        "{query}"
    );
    assert!(query.contains("include_public=false"), "{query}");
}

#[tokio::test]
async fn both_error_shapes_give_their_reason() {
    for dialect in [Dialect::Local, Dialect::Newest] {
        let options = Options {
            dialect,
            ..Options::default()
        };
        let tags: Vec<String> = (0..101).map(|n| format!("\"t{n}\"")).collect();
        let toml = format!("[sources.comfy]\nlisted_tags = [{}]\n", tags.join(", "));
        let world = world_from(options, |sandbox| {
            configured(sandbox, &toml).expect("the file holds")
        })
        .await;
        let answer = world
            .ask("{ assets(filter: { sources: [\"comfy\"] }) { nodes { id } } }")
            .await;
        assert_eq!(answer["data"]["assets"], Value::Null);
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains("more than 100 tags"), "{message}");
        assert_eq!(
            answer["errors"][0]["extensions"]["code"],
            json!("UPSTREAM_REJECTED")
        );
    }
}

/// ComfyUI of the 0.38 line.
#[tokio::test]
async fn a_server_without_a_metadata_filter_is_named() {
    let world = world_with(Options::default(), |_| {}).await;
    let refusal =
        json!({ "error": { "code": "UNSUPPORTED_PARAM", "message": "no", "details": {} } });
    world.sandbox.comfy.faults.add(
        "GET /api/assets",
        asset_gateway::sandbox::Fault::Answer {
            status: 400,
            content_type: "application/json",
            body: refusal.to_string(),
        },
    );
    let answer = world
        .ask("{ comfyAssets(filter: { metadataFilter: [{key: \"rating\", anyOf: [4]}] }) { nodes { id } } }")
        .await;
    let (code, message) = crate::harness::error(&answer);
    assert_eq!(code, "UNSUPPORTED_BY_SOURCE", "{answer}");
    assert!(message.contains("`metadataFilter`"), "{message}");
}

#[tokio::test]
async fn a_local_server_with_assets_off_says_how_to_switch_them_on() {
    let world = world_with(Options::default(), |_| {}).await;
    world.sandbox.comfy.faults.add(
        "GET /api/assets",
        asset_gateway::sandbox::Fault::Answer {
            status: 503,
            content_type: "application/json",
            body: json!({ "error": { "code": "SERVICE_DISABLED", "message": "disabled", "details": {} } }).to_string(),
        },
    );
    let answer = world
        .ask("{ assets(filter: { sources: [\"comfy\"] }) { nodes { id } } }")
        .await;
    let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("--enable-assets"), "{message}");
}
