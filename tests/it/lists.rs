//! Orders, searches and the rules of each provider.

use asset_gateway::providers::scenario::config::{
    PublicEndpoint, ScenarioCredential, ScenarioSettings,
};
use asset_gateway::sandbox::{Dialect, Options, PiktidAsset};
use serde_json::{Value, json};

use crate::harness::{TestGateway, error, texts, world, world_with};

#[tokio::test]
async fn input_that_breaks_a_providers_rule_is_refused_before_any_call() {
    let world = world().await;
    let long = "x".repeat(1_001);
    let many: Vec<String> = (0..60).map(|n| format!("\"a{n}\"")).collect();
    let more: Vec<String> = (0..60).map(|n| format!("\"b{n}\"")).collect();
    let many = format!(
        r"comfyAssets(filter: {{tagsAny: [{}], tagsNone: [{}]}})",
        many.join(","),
        more.join(",")
    );
    let long = format!(r#"scenarioAssets(filter: {{modelId: "{long}"}})"#);
    let wide = format!(
        r#"comfyAssets(filter: {{metadataFilter: [{{key: "a", anyOf: ["{}"]}}]}})"#,
        "x".repeat(3_000)
    );
    for (field, path, says) in [
        (
            r#"scenarioAssets(filter: {type: "canvas", types: ["upscale"]})"#,
            "filter types",
            "not both",
        ),
        (
            r#"scenarioAssets(filter: {types: ["canvas", "a,b"]})"#,
            "filter types 1",
            "a,b",
        ),
        (
            r#"scenarioAssets(filter: {type: "a,b"})"#,
            "filter type",
            "a,b",
        ),
        (
            r#"scenarioPublicAssets(filter: {type: "a,b"})"#,
            "filter type",
            "a,b",
        ),
        (
            r"scenarioAssets(filter: {types: []})",
            "filter types",
            "1 to 100",
        ),
        (
            r#"scenarioAssets(filter: {tags: ["concept"]})"#,
            "filter tags",
            "privacy: PUBLIC",
        ),
        (
            r#"scenarioPublicAssets(filter: {tags: ["a,b"]})"#,
            "filter tags 0",
            "comma",
        ),
        (
            r#"scenarioAssets(filter: {modelId: ""})"#,
            "filter modelId",
            "empty",
        ),
        (&long, "filter modelId", "1000"),
        (
            r#"scenarioAssets(filter: {updatedAfter: "2026-11-01T00:00:00Z"})"#,
            "filter updatedAfter",
            "UPDATED_AT",
        ),
        (
            r#"scenarioAssets(filter: {createdAfter: "2026-11-01T00:00:00Z"}, orderBy: {field: UPDATED_AT, direction: ASC})"#,
            "filter createdAfter",
            "CREATED_AT",
        ),
        (
            r#"scenarioPublicAssets(filter: {createdAfter: "2026-11-02T00:00:00Z", createdBefore: "2026-11-01T00:00:00Z"})"#,
            "filter createdBefore",
            "not later",
        ),
        (
            r#"piktidAssets(filter: {includeTags: ["fox"]})"#,
            "filter includeTags 0",
            "model, product",
        ),
        (
            r#"piktidAssets(filter: {excludeTags: ["fox"]})"#,
            "filter excludeTags 0",
            "model, product",
        ),
        (
            r#"piktidAssets(filter: {includeTags: ["model"], excludeTags: ["model"]})"#,
            "filter excludeTags 0",
            "both",
        ),
        (
            r#"piktidAssets(filter: {createdAfter: "2026-11-02T00:00:00Z", createdBefore: "2026-11-01T00:00:00Z"})"#,
            "filter createdBefore",
            "earlier",
        ),
        (
            r#"piktidAssets(filter: {search: ""})"#,
            "filter search",
            "empty",
        ),
        (
            r#"comfyAssets(filter: {tagsAll: ["a"], includeTags: ["a"]})"#,
            "filter tagsAll",
            "older spelling",
        ),
        (
            r#"comfyAssets(filter: {tagsAll: ["a"], tagsNone: ["a"]})"#,
            "filter tagsNone",
            "unwanted",
        ),
        (
            r#"comfyAssets(filter: {includeTags: ["a"], excludeTags: ["a"]})"#,
            "filter excludeTags",
            "unwanted",
        ),
        (
            r#"comfyAssets(filter: {tagsAny: ["a,b"]})"#,
            "filter tagsAny 0",
            "comma",
        ),
        (&many, "filter tagsAny", "100"),
        (
            r#"comfyAssets(filter: {hash: "blake3:xyz"})"#,
            "filter hash",
            "64",
        ),
        (
            r#"comfyAssets(filter: {metadataFilter: [{key: "a", anyOf: []}]})"#,
            "filter metadataFilter",
            "empty",
        ),
        (
            r#"comfyAssets(filter: {metadataFilter: [{key: "a", anyOf: [1]}, {key: "a", anyOf: [2]}]})"#,
            "filter metadataFilter",
            "twice",
        ),
        (
            r#"comfyAssets(filter: {metadataFilter: [{key: "a", anyOf: [[1]]}]})"#,
            "filter metadataFilter",
            "one by one",
        ),
        (
            r"comfyAssets(filter: {metadataFilter: []})",
            "filter metadataFilter",
            "empty",
        ),
        (
            r#"comfyAssets(filter: {tagsAny: ["a"], tagsNone: ["a"]})"#,
            "filter tagsNone",
            "no asset fits",
        ),
        (
            r#"assets(filter: {providers: [COMFY], sources: ["piktid"]})"#,
            "filter providers",
            "no asset fits",
        ),
        (&wide, "filter", "2500"),
        (
            r#"scenarioAssets(sources: ["piktid"])"#,
            "sources 0",
            "no SCENARIO source",
        ),
        (
            r#"comfyAssets(sources: ["comfy", "nobody"])"#,
            "sources 1",
            "configured are",
        ),
        (r"piktidAssets(first: 101)", "first", "0 to 100"),
        (r"comfyAssets(first: 1, last: 1)", "last", "together"),
    ] {
        let answer = world
            .ask(&format!("{{ {field} {{ nodes {{ id }} }} }}"))
            .await;
        let (code, message) = error(&answer);
        assert_eq!(code, "BAD_USER_INPUT", "{field}: {message}");
        assert!(message.contains(says), "{field}: {message}");
        let reported: Vec<&str> = answer["errors"][0]["extensions"]["field"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(reported.join(" "), path, "{field}");
    }
    // Values that the schema does not define.
    for field in [
        "piktidAssets(orderBy: {field: SIZE, direction: ASC})",
        "scenarioAssets(orderBy: {field: NAME, direction: ASC})",
        "scenarioAssets(filter: {privacy: SECRET})",
        "piktidAssets(filter: {ownership: NOBODY})",
        "comfyAssets(filter: {createdAfter: \"2026-11-01T00:00:00Z\"})",
    ] {
        let answer = world
            .ask(&format!("{{ {field} {{ nodes {{ id }} }} }}"))
            .await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
            "{answer}"
        );
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn an_unsupported_order_names_the_source() {
    let world = world().await;
    for (arguments, names) in [
        (
            "orderBy: {field: UPDATED_AT, direction: DESC}",
            vec!["`piktid`"],
        ),
        ("orderBy: {field: NAME, direction: ASC}", vec!["`scenario`"]),
        (
            "orderBy: {field: SIZE, direction: ASC}",
            vec!["`piktid`", "`scenario`"],
        ),
        (
            "orderBy: {field: NAME, direction: ASC}, filter: {sources: [\"comfy\", \"piktid\"]}",
            vec!["comfy", "piktid", "one source"],
        ),
        (
            "orderBy: {field: UPDATED_AT, direction: ASC}, filter: {providers: [SCENARIO], search: \"fox\"}",
            vec!["`scenario`", "leave out `search`"],
        ),
    ] {
        let answer = world
            .ask(&format!("{{ assets({arguments}) {{ nodes {{ id }} }} }}"))
            .await;
        let (code, message) = error(&answer);
        assert_eq!(code, "UNSUPPORTED_BY_SOURCE", "{message}");
        for name in names {
            assert!(message.contains(name), "{arguments}: {message}");
        }
    }
    assert_eq!(world.calls(), [0, 0, 0]);
    // A skipped source need not support the order.
    let data = world
        .data(
            "{ assets(first: 1, orderBy: {field: UPDATED_AT, direction: DESC}, \
             filter: {updatedAfter: \"2026-11-01T00:00:00Z\"}) { nodes { id } } }",
        )
        .await;
    assert_eq!(data["assets"]["nodes"].as_array().map(Vec::len), Some(1));
}

/// Walks a list to its end, forward or backward, and returns its ids.
async fn walk(world: &TestGateway, arguments: &str, forward: bool, page: usize) -> Vec<String> {
    let (mut ids, mut from) = (Vec::new(), String::new());
    loop {
        let paging = if forward { "first" } else { "last" };
        let data = world
            .data(&format!(
                "{{ assets({paging}: {page} {from} {arguments}) {{ edges {{ cursor node {{ upstreamId }} }} \
                 pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
            ))
            .await;
        let (list, info) = (&data["assets"], &data["assets"]["pageInfo"]);
        let mut shown = texts(&list["edges"], "/node/upstreamId");
        for cursor in texts(&list["edges"], "/cursor") {
            assert!(cursor.len() <= 64, "{cursor}");
        }
        let (more, cursor) = if forward {
            ids.append(&mut shown);
            (&info["hasNextPage"], &info["endCursor"])
        } else {
            shown.append(&mut ids);
            ids = shown;
            (&info["hasPreviousPage"], &info["startCursor"])
        };
        if more == false {
            return ids;
        }
        let side = if forward { "after" } else { "before" };
        from = format!("{side}: \"{}\"", cursor.as_str().expect("a cursor"));
    }
}

#[tokio::test]
async fn every_order_gives_one_sequence_in_both_directions() {
    let world = world().await;
    for (arguments, total) in [
        ("orderBy: {field: CREATED_AT, direction: ASC}", 505),
        (
            "orderBy: {field: UPDATED_AT, direction: DESC}, filter: {providers: [SCENARIO, COMFY]}",
            385,
        ),
        (
            "orderBy: {field: UPDATED_AT, direction: ASC}, filter: {providers: [SCENARIO, COMFY]}",
            385,
        ),
        (
            "orderBy: {field: NAME, direction: ASC}, filter: {providers: [PIKTID]}",
            120,
        ),
        (
            "orderBy: {field: NAME, direction: DESC}, filter: {providers: [COMFY]}",
            160,
        ),
        (
            "orderBy: {field: SIZE, direction: DESC}, filter: {providers: [COMFY]}",
            160,
        ),
        (
            "orderBy: {field: LAST_ACCESS_TIME, direction: ASC}, filter: {providers: [COMFY]}",
            160,
        ),
        (
            "orderBy: {field: NAME, direction: ASC}, filter: {providers: [COMFY], kinds: [AUDIO]}",
            20,
        ),
    ] {
        let forward = walk(&world, arguments, true, 37).await;
        assert_eq!(forward.len(), total, "{arguments}");
        let mut distinct = forward.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), forward.len(), "{arguments}: nothing twice");
        assert_eq!(
            walk(&world, arguments, false, 23).await,
            forward,
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn a_list_sorted_by_name_counts_exactly_at_one_call_a_page() {
    let world = world().await;
    let field = |after: &str| {
        format!(
            "{{ assets(first: 20 {after}, orderBy: {{field: NAME, direction: ASC}}, \
             filter: {{sources: [\"comfy\"]}}) {{ totalCount nodes {{ name }} \
             pageInfo {{ endCursor }} sourceResults {{ execution {{ calls }} }} }} }}"
        )
    };
    let mut after = String::new();
    for page in 0..6 {
        world.forget_calls();
        let data = world.data(&field(&after)).await;
        assert_eq!(data["assets"]["totalCount"], 160, "page {page}");
        assert_eq!(world.calls(), [0, 0, 1], "page {page}");
        let names = texts(&data["assets"]["nodes"], "/name");
        assert!(names.is_sorted(), "{names:?}");
        after = format!(
            "after: \"{}\"",
            data["assets"]["pageInfo"]["endCursor"]
                .as_str()
                .expect("more")
        );
    }
}

#[tokio::test]
async fn a_walk_by_name_survives_inserts_and_deleted_anchors() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = std::time::Duration::ZERO;
    })
    .await;
    let steady: Vec<String> = {
        let mut assets: Vec<_> = world
            .sandbox
            .store
            .piktid()
            .iter()
            .enumerate()
            .filter(|(number, _)| number % 3 != 0)
            .map(|(_, a)| (a.filename.clone(), a.id.clone()))
            .collect();
        assets.sort();
        assets.into_iter().map(|(_, id)| id).collect()
    };
    for forward in [true, false] {
        let (mut shown, mut from, mut fresh) = (Vec::new(), String::new(), 0);
        loop {
            let (paging, side) = if forward {
                ("first", "after")
            } else {
                ("last", "before")
            };
            let data = world
                .data(&format!(
                    "{{ assets({paging}: 7 {from}, filter: {{sources: [\"piktid\"]}}, \
                     orderBy: {{field: NAME, direction: ASC}}) {{ nodes {{ upstreamId }} \
                     pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
                ))
                .await;
            let (list, info) = (&data["assets"], &data["assets"]["pageInfo"]);
            let mut page = texts(&list["nodes"], "/upstreamId");
            let anchor = if forward { page.last() } else { page.first() }.cloned();
            if forward {
                shown.append(&mut page);
            } else {
                page.append(&mut shown);
                shown = page;
            }
            let (more, cursor) = if forward {
                (&info["hasNextPage"], &info["endCursor"])
            } else {
                (&info["hasPreviousPage"], &info["startCursor"])
            };
            if more == false {
                break;
            }
            from = format!("{side}: \"{}\"", cursor.as_str().expect("a cursor"));
            // Deletes the row at the cursor unless it is a steady one, and adds rows at both ends.
            let mut store = world.sandbox.store.piktid();
            store.retain(|a| steady.contains(&a.id) || Some(&a.id) != anchor.as_ref());
            let like = store[0].clone();
            for name in ["aaa", "zzz"] {
                fresh += 1;
                store.push(PiktidAsset {
                    id: format!("fresh-{name}-{forward}-{fresh}"),
                    filename: format!("{name}-{fresh}.png"),
                    ..like.clone()
                });
            }
        }
        let mut distinct = shown.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), shown.len(), "nothing twice");
        shown.retain(|id| steady.contains(id));
        assert_eq!(shown, steady, "forward: {forward}");
    }
}

#[tokio::test]
async fn a_search_uses_each_sources_search_and_hydrates_hits() {
    let world = world().await;
    let query = "{ assets(first: 50, filter: {search: \"fox\"}) { totalCount nodes { name upstreamId \
                 provider size } pageInfo { hasNextPage } sourceResults { source { name } totalCount \
                 execution { upstreamParameters { name value } calls } } } }";
    let data = world.data(query).await;
    let nodes = &data["assets"]["nodes"];
    let providers = texts(nodes, "/provider");
    for provider in ["SCENARIO", "PIKTID", "COMFY"] {
        assert!(providers.iter().any(|own| own == provider), "{provider}");
    }
    assert!(
        texts(nodes, "/name")
            .iter()
            .any(|name| name.contains("fox"))
    );
    assert_eq!(
        world.calls(),
        [2, 1, 1],
        "Scenario: one search, one batch read"
    );
    let pushed: Vec<String> = data["assets"]["sourceResults"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|source| source["execution"]["upstreamParameters"].to_string())
        .collect();
    assert!(
        pushed[0].contains(r#"{"name":"name_contains","value":"fox"}"#),
        "{pushed:?}"
    );
    assert!(
        pushed[1].contains(r#"{"name":"search","value":"fox"}"#),
        "{pushed:?}"
    );
    assert!(
        pushed[2].contains(r#"{"name":"query","value":"fox"}"#),
        "{pushed:?}"
    );
    let part = world
        .data(
            "{ assets(first: 5, filter: {search: \"fox\"}) { totalCount sourceResults { totalCount } } }",
        )
        .await;
    assert!(
        part["assets"]["totalCount"].is_null(),
        "Scenario only estimates"
    );
    assert_eq!(part["assets"]["sourceResults"][1]["totalCount"], 10);
    let all = walk(&world, "filter: {search: \"fox\"}", true, 7).await;
    assert_eq!(
        walk(&world, "filter: {search: \"fox\"}", false, 9).await,
        all
    );
}

#[tokio::test]
async fn a_missing_search_hit_is_not_shown() {
    let world = world().await;
    let hits = walk(
        &world,
        "filter: {search: \"fox\", providers: [SCENARIO]}",
        true,
        100,
    )
    .await;
    // The search index lags: the batch read lacks one of its hits.
    world.sandbox.scenario.faults.add(
        "POST /v1/assets/get-bulk",
        asset_gateway::sandbox::Fault::Replace(hits[1].clone(), b"asset_somethingelse".to_vec()),
    );
    let (address, task) = crate::harness::gateway(crate::harness::config(&world.sandbox)).await;
    let answer = crate::harness::ask_at(
        address,
        "{ assets(first: 100, filter: {search: \"fox\", providers: [SCENARIO]}) { nodes { upstreamId } \
         sourceResults { unreadableAssets { path } } } }",
    )
    .await;
    task.abort();
    let shown = texts(&answer["data"]["assets"]["nodes"], "/upstreamId");
    let mut rest = hits.clone();
    rest.remove(1);
    assert_eq!(shown, rest, "{answer}");
}

#[tokio::test]
async fn a_public_source_has_no_search_and_says_so() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            if source.common.name.as_str() == "scenario" {
                source.settings = std::sync::Arc::new(ScenarioSettings {
                    credential: ScenarioCredential::Public,
                    project_id: None,
                    public_endpoint: PublicEndpoint::Assets,
                });
            }
        }
    })
    .await;
    let answer = world
        .ask("{ assets(filter: {search: \"fox\"}) { nodes { id } } }")
        .await;
    let (code, message) = error(&answer);
    assert_eq!(code, "UNSUPPORTED_BY_SOURCE");
    assert!(message.contains("`scenario`"), "{message}");
    // Under another credential, a cursor is a position and never data.
    let own = crate::harness::gateway(crate::harness::config(&world.sandbox)).await;
    let first = crate::harness::ask_at(
        own.0,
        "{ assets(first: 30, filter: {sources: [\"scenario\"]}) { pageInfo { endCursor } } }",
    )
    .await;
    own.1.abort();
    let end = &first["data"]["assets"]["pageInfo"]["endCursor"];
    let page = world
        .data(&format!(
            "{{ assets(first: 100, after: {end}, filter: {{sources: [\"scenario\"]}}) {{ nodes {{ visibility }} }} }}"
        ))
        .await;
    let visible = texts(&page["assets"]["nodes"], "/visibility");
    assert!(!visible.is_empty() && visible.iter().all(|own| own == "PUBLIC"));
    let data = world
        .data("{ scenarioPublicAssets(first: 100) { nodes { visibility } } }")
        .await;
    let nodes = &data["scenarioPublicAssets"]["nodes"];
    assert!(
        texts(nodes, "/visibility")
            .iter()
            .all(|own| own == "PUBLIC")
    );
}

#[tokio::test]
async fn a_server_that_ignores_a_filter_shows_nothing_that_does_not_fit() {
    let world = world_with(
        Options {
            dialect: Dialect::Published,
            ..Options::default()
        },
        |_| {},
    )
    .await;
    let hash = world
        .sandbox
        .store
        .comfy()
        .iter()
        .find(|a| a.name.contains("_00003_"))
        .and_then(|a| a.hash.clone())
        .expect("a hash");
    let data = world
        .data(&format!(
            "{{ byHash: comfyAssets(first: 100, filter: {{hash: \"{hash}\"}}) {{ totalCount nodes {{ contentHash }} }} \
             byTag: comfyAssets(first: 100, filter: {{tagsAny: [\"models\"]}}) {{ totalCount nodes {{ tags }} }} }}"
        ))
        .await;
    assert_eq!(texts(&data["byHash"]["nodes"], "/contentHash"), [hash]);
    let tagged = data["byTag"]["nodes"].as_array().expect("nodes");
    assert!(!tagged.is_empty());
    for node in tagged {
        assert!(node["tags"].to_string().contains("models"), "{node}");
    }
    assert!(data["byTag"]["totalCount"].is_null() || data["byTag"]["totalCount"] == tagged.len());
}

#[tokio::test]
async fn a_sources_list_equals_the_merged_list_of_that_source() {
    let world = world().await;
    let page = "nodes { id } totalCount pageInfo { endCursor }";
    let data = world
        .data(&format!(
            "{{ assetSource(name: \"comfy\") {{ assets(first: 5, filter: {{kinds: [IMAGE]}}) {{ {page} }} }} \
             assets(first: 5, filter: {{sources: [\"comfy\"], kinds: [IMAGE]}}) {{ {page} }} }}"
        ))
        .await;
    assert_eq!(data["assetSource"]["assets"], data["assets"]);
    // Both lists accept the same cursors.
    let cursor = &data["assets"]["pageInfo"]["endCursor"];
    let data = world
        .data(&format!(
            "{{ assetSource(name: \"comfy\") {{ assets(first: 5, after: {cursor}, filter: {{sources: \
             [\"comfy\"], providers: [COMFY], kinds: [IMAGE]}}) {{ {page} }} }} \
             assets(first: 5, after: {cursor}, filter: {{sources: [\"comfy\"], kinds: [IMAGE]}}) {{ {page} }} }}"
        ))
        .await;
    assert_eq!(data["assetSource"]["assets"], data["assets"]);
    assert_eq!(texts(&data["assets"]["nodes"], "/id").len(), 5);
    let sorted = world
        .data(
            "{ assetSource(name: \"piktid\") { assets(first: 3, orderBy: {field: NAME, direction: ASC}) \
             { nodes { name } } } }",
        )
        .await;
    let names = texts(&sorted["assetSource"]["assets"]["nodes"], "/name");
    assert!(names.is_sorted() && names.len() == 3, "{names:?}");
    for filter in ["sources: [\"piktid\"]", "providers: [SCENARIO]"] {
        let answer = world
            .ask(&format!(
                "{{ assetSource(name: \"comfy\") {{ name assets(filter: {{{filter}}}) {{ totalCount }} }} }}"
            ))
            .await;
        assert_eq!(error(&answer).0, "BAD_USER_INPUT", "{filter}");
        let source = json!({ "name": "comfy", "assets": null });
        assert_eq!(answer["data"]["assetSource"], source, "{filter}");
    }
}

#[tokio::test]
async fn errors_of_sources_and_mutations_share_an_interface() {
    let world = world().await;
    world.sandbox.comfy.faults.add(
        "GET /api/assets",
        asset_gateway::sandbox::Fault::Unavailable("7"),
    );
    let data = world
        .data(
            "fragment Told on AssetError { __typename code retryAfterSeconds } \
             { assets(first: 1) { sourceResults { error { ...Told } } } }",
        )
        .await;
    let reported = &data["assets"]["sourceResults"][0]["error"];
    let error = json!({
        "__typename": "AssetSourceError", "code": "UPSTREAM_UNAVAILABLE", "retryAfterSeconds": 7,
    });
    assert_eq!(*reported, error);
    let data = world
        .data(
            "fragment Told on AssetError { __typename code } \
             mutation { deleteAsset(input: {assetId: \"x\"}) { errors { ...Told } } }",
        )
        .await;
    let error = json!([{ "__typename": "AssetMutationError", "code": "BAD_USER_INPUT" }]);
    assert_eq!(data["deleteAsset"]["errors"], error);
}

#[tokio::test]
async fn capabilities_list_the_orders_and_pushed_filters() {
    let world = world().await;
    let data = world
        .data(
            "{ assetSources { name capabilities { orderFields pushedFilters hasExactCount \
             maxPageSize maxBatchSize deleteEffect deleteDescription } } }",
        )
        .await;
    let of = |index: usize| &data["assetSources"][index]["capabilities"];
    assert_eq!(
        of(0)["orderFields"].to_string(),
        r#"["CREATED_AT","UPDATED_AT","NAME","SIZE","LAST_ACCESS_TIME"]"#
    );
    assert_eq!(of(1)["orderFields"].to_string(), r#"["CREATED_AT","NAME"]"#);
    assert_eq!(
        of(2)["orderFields"].to_string(),
        r#"["CREATED_AT","UPDATED_AT"]"#
    );
    let filters = |index: usize| of(index)["pushedFilters"].to_string();
    assert_eq!(
        filters(0),
        r#"["TAGS_ALL","TAGS_ANY","TAGS_NONE","NAME_CONTAINS","SEARCH","STATUSES"]"#
    );
    assert_eq!(
        filters(1),
        r#"["TAGS_ALL","TAGS_NONE","SEARCH","CREATED_AFTER","CREATED_BEFORE","CREATED_BY"]"#
    );
    assert_eq!(
        filters(2),
        r#"["SEARCH","CREATED_AFTER","CREATED_BEFORE","CREATED_BY"]"#
    );
    for (index, effect, numbers) in [
        (0, "ENTRY_ONLY", json!([true, 500, 1])),
        (1, "PERMANENT", json!([true, 100, 1])),
        (2, "RECOVERABLE", json!([false, 100, 200])),
    ] {
        let source_capabilities = of(index);
        assert_eq!(source_capabilities["deleteEffect"], effect);
        assert!(source_capabilities["deleteDescription"].is_string());
        let values = json!([
            source_capabilities["hasExactCount"],
            source_capabilities["maxPageSize"],
            source_capabilities["maxBatchSize"]
        ]);
        assert_eq!(values, numbers);
    }
}

#[tokio::test]
async fn a_cursor_by_name_belongs_to_its_source_and_may_be_lost() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = std::time::Duration::ZERO;
    })
    .await;
    let field = |source: &str, after: &str| {
        format!(
            "{{ assets(first: 10 {after}, filter: {{sources: [\"{source}\"]}}, \
             orderBy: {{field: NAME, direction: ASC}}) {{ nodes {{ upstreamId }} pageInfo {{ endCursor }} }} }}"
        )
    };
    let data = world.data(&field("piktid", "")).await;
    let shown = texts(&data["assets"]["nodes"], "/upstreamId");
    let end = data["assets"]["pageInfo"]["endCursor"]
        .as_str()
        .expect("more");
    let after = format!("after: \"{end}\"");
    // The list of another source.
    let answer = world.ask(&field("comfy", &after)).await;
    assert_eq!(error(&answer).0, "BAD_CURSOR");
    assert_eq!(answer["errors"][0]["extensions"]["field"][0], "after");
    // All shown rows are deleted: the next row still marks the position.
    let next = world.data(&field("piktid", &after)).await;
    let next = texts(&next["assets"]["nodes"], "/upstreamId");
    world
        .sandbox
        .store
        .piktid()
        .retain(|asset| !shown.contains(&asset.id));
    let again = world.data(&field("piktid", &after)).await;
    assert_eq!(texts(&again["assets"]["nodes"], "/upstreamId"), next);
    // The next row is deleted too: the position is lost, and the gateway reports it.
    world
        .sandbox
        .store
        .piktid()
        .retain(|asset| asset.id != next[0]);
    let (code, message) = error(&world.ask(&field("piktid", &after)).await);
    assert_eq!(code, "BAD_CURSOR");
    assert!(message.contains("without a cursor"), "{message}");
}

#[tokio::test]
async fn tags_are_pushed_up_to_the_length_of_a_url() {
    let world = world().await;
    let tags: Vec<String> = (0..100).map(|n| format!("\"{n:040}\"")).collect();
    let none = tags.join(",");
    let data = world
        .data(&format!(
            "{{ assets(first: 5, filter: {{sources: [\"comfy\"], tagsNone: [{none}]}}) {{ \
             nodes {{ id }} sourceResults {{ status execution {{ localFilters }} }} }} }}"
        ))
        .await;
    assert_eq!(data["assets"]["nodes"].as_array().map(Vec::len), Some(5));
    assert_eq!(
        data["assets"]["sourceResults"][0]["execution"]["localFilters"][0],
        "TAGS_NONE"
    );
    let query = &world.sandbox.comfy.recorder.calls()[0].query;
    assert!(
        query.contains("tags_none=0") && query.len() < 8_000,
        "{}",
        query.len()
    );
}
