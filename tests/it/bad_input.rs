//! Invalid input gets a typed error that says how to correct it.

use asset_gateway::sandbox::Options;
use base64::Engine;
use serde_json::{Value, json};

use crate::harness::{asset_id, error, texts, world, world_with};

#[tokio::test]
async fn malformed_ids_are_refused() {
    let world = world().await;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let padded = base64::engine::general_purpose::URL_SAFE.encode("s:comfy0");
    for id in [
        "",
        "nonsense!",
        &engine.encode("x:scenario:1"),
        &engine.encode("a:scenario:"),
        &engine.encode("a:Scenario:1"),
        &padded,
        &"A".repeat(5_000),
    ] {
        let answer = world
            .ask_with(
                "query($id: ID!) { node(id: $id) { id } }",
                json!({ "id": id }),
            )
            .await;
        let (code, message) = error(&answer);
        assert_eq!(code, "BAD_USER_INPUT", "{id}");
        assert!(
            message.contains("exactly as an earlier answer gave it"),
            "{message}"
        );
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn a_non_canonical_id_is_refused() {
    let world = world().await;
    // The encoding of "s:ab" leaves two unused bits in its last letter.
    let answer = world.ask("{ node(id: \"czphYh\") { id } }").await;
    assert_eq!(error(&answer).0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn an_id_of_an_unknown_source_names_the_configured_ones() {
    let world = world().await;
    let answer = world
        .ask(&format!(
            "{{ asset(id: \"{}\") {{ id }} }}",
            asset_id("elsewhere", "1")
        ))
        .await;
    let (code, message) = error(&answer);
    assert_eq!(code, "BAD_USER_INPUT");
    assert_eq!(
        message,
        "no source is named `elsewhere`; configured are: comfy, piktid, scenario"
    );
    assert_eq!(answer["errors"][0]["extensions"]["field"], json!(["id"]));
}

#[tokio::test]
async fn a_missing_asset_is_null() {
    let world = world().await;
    for (source, upstream) in [
        ("scenario", "asset_gone"),
        ("piktid", "gone"),
        ("comfy", "00000000-0000-4000-8000-000000000000"),
        ("comfy", "not-a-uuid"),
    ] {
        let data = world
            .data(&format!(
                "{{ asset(id: \"{}\") {{ id }} }}",
                asset_id(source, upstream)
            ))
            .await;
        assert_eq!(data["asset"], Value::Null, "{source} {upstream}");
    }
}

#[tokio::test]
async fn nodes_keep_their_order_and_a_bad_id_is_one_error() {
    let world = world().await;
    let good = asset_id("piktid", &world.sandbox.store.piktid()[3].id.clone());
    let answer = world
        .ask_with(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }",
            json!({ "ids": [good, asset_id("piktid", "gone"), "nonsense!", "czpjb21meQ", good] }),
        )
        .await;
    let nodes = &answer["data"]["nodes"];
    assert_eq!(nodes[0]["id"], json!(good));
    assert_eq!((&nodes[1], &nodes[2]), (&Value::Null, &Value::Null));
    assert_eq!(nodes[3]["__typename"], "AssetSource");
    assert_eq!(nodes[4]["id"], json!(good));
    assert_eq!(error(&answer).0, "BAD_USER_INPUT");
    assert_eq!(answer["errors"][0]["path"], json!(["nodes", 2]));
    assert_eq!(
        answer["errors"][0]["extensions"]["field"],
        json!(["ids", "2"])
    );
}

#[tokio::test]
async fn page_sizes_have_a_range() {
    let world = world().await;
    for (arguments, part) in [
        ("first: -1", "`first` must be 0 to 100; it is -1"),
        ("first: 101", "`first` must be 0 to 100; it is 101"),
        ("last: -1", "`last` must be 0 to 100; it is -1"),
        (
            "first: 1, last: 1",
            "`first` and `last` cannot be used together",
        ),
        (
            "filter: { sources: [\"nope\"] }",
            "no source is named `nope`",
        ),
        (
            "filter: { sources: [\"comfy\"], providers: [PIKTID] }",
            "no source in `filter.sources`",
        ),
    ] {
        let answer = world
            .ask(&format!("{{ assets({arguments}) {{ nodes {{ id }} }} }}"))
            .await;
        let (code, message) = error(&answer);
        assert_eq!(code, "BAD_USER_INPUT", "{arguments}");
        assert!(message.contains(part), "{message}");
        assert_eq!(answer["data"]["assets"], Value::Null);
    }
    let many: Vec<String> = (0..101)
        .map(|n| asset_id("piktid", &n.to_string()))
        .collect();
    let answer = world
        .ask_with(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": many }),
        )
        .await;
    assert!(error(&answer).1.contains("100 is the most"));
    assert_eq!(world.calls(), [0, 0, 0], "refused before any call");
}

#[tokio::test]
async fn a_wrong_credential_is_named_with_its_source() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            let wrong = asset_gateway::config::Secret::new("wrong".to_owned());
            source.settings = source.settings.for_caller(wrong);
        }
    })
    .await;
    for source in ["scenario", "piktid", "comfy"] {
        let answer = world
            .ask(&format!(
                "{{ assets(filter: {{ sources: [\"{source}\"] }}) {{ nodes {{ id }} }} }}"
            ))
            .await;
        let (code, message) = error(&answer);
        assert_eq!(code, "UNAUTHENTICATED");
        assert!(
            message.starts_with(&format!("source `{source}`: ")),
            "{message}"
        );
        assert_eq!(answer["errors"][0]["extensions"]["upstreamStatus"], 401);
        assert!(
            !answer.to_string().contains("wrong"),
            "no credential in an answer"
        );
    }
}

#[tokio::test]
async fn ids_with_a_former_source_name_still_resolve() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            if source.common.name.as_str() == "piktid" {
                source.common.former_names =
                    vec![asset_gateway::asset::SourceName::parse("studio").expect("a name")];
            }
        }
    })
    .await;
    let upstream = world.sandbox.store.piktid()[0].id.clone();
    let data = world
        .data(&format!(
            "{{ asset(id: \"{}\") {{ id }} }}",
            asset_id("studio", &upstream)
        ))
        .await;
    assert_eq!(
        data["asset"]["id"],
        json!(asset_id("piktid", &upstream)),
        "under its current name"
    );
    let data = world
        .data("{ assetSource(name: \"studio\") { name } assetSources { name } }")
        .await;
    assert_eq!(data["assetSource"]["name"], "piktid");
    assert_eq!(
        texts(&data["assetSources"], "/name"),
        ["comfy", "piktid", "scenario"]
    );
}

#[tokio::test]
async fn an_id_that_cannot_be_a_path_segment_is_refused_before_any_call() {
    let world = world().await;
    for source in ["scenario", "piktid", "comfy"] {
        for upstream in [
            "\t", "\n", ".\t.", "..", ".", "a\tb", "a\r\nb", "a\u{7f}", "\u{85}a", "\0",
        ] {
            let id = asset_id(source, upstream);
            let reads = world
                .ask(&format!("{{ asset(id: \"{id}\") {{ id }} }}"))
                .await;
            assert_eq!(error(&reads).0, "BAD_USER_INPUT", "{upstream:?}: {reads:#}");
            for (field, input) in [
                ("deleteAsset", format!("{{assetId: \"{id}\"}}")),
                (
                    "setAssetNote",
                    format!("{{assetId: \"{id}\", note: \"x\"}}"),
                ),
                (
                    "addAssetTags",
                    format!("{{assetIds: [\"{id}\"], tags: [\"model\"]}}"),
                ),
                ("bulkDeleteAssets", format!("{{assetIds: [\"{id}\"]}}")),
            ] {
                let query =
                    format!("mutation {{ {field}(input: {input}) {{ errors {{ code }} }} }}");
                let answer = world.ask(&query).await;
                let code = answer
                    .pointer("/errors/0/extensions/code")
                    .or(answer.pointer(&format!("/data/{field}/errors/0/code")));
                assert_eq!(
                    code,
                    Some(&json!("BAD_USER_INPUT")),
                    "{upstream:?}: {answer:#}"
                );
            }
        }
    }
    assert_eq!(world.calls(), [0, 0, 0]);
    // An unusual but valid id is looked up like any other.
    for upstream in ["a/b", "a%09b", "...", "ü", "a b", "%2e%2e", "?x=1#y"] {
        let id = asset_id("piktid", upstream);
        let answer = world
            .ask(&format!("{{ asset(id: \"{id}\") {{ id }} }}"))
            .await;
        assert_eq!(answer, json!({ "data": { "asset": null } }), "{upstream}");
    }
    let calls = world.sandbox.piktid.recorder.calls();
    assert_eq!(calls.len(), 7);
    for call in calls {
        let below = call.path.strip_prefix("/assets/");
        assert!(below.is_some_and(|id| !id.contains('/')), "{}", call.path);
    }
}
