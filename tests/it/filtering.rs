//! A filter means the same at every source: a list holds exactly the matches, in its order.

use std::collections::BTreeSet;

use asset_gateway::sandbox::{Dialect, Options};
use serde_json::{Value, json};

use crate::harness::{TestGateway, asset_id, error, texts, world, world_with};

const FIELDS: &str =
    "nodes { id name kind tags visibility createdBy createdAt updatedAt source { name } }
    pageInfo { hasNextPage endCursor } totalCount
    isComplete sourceResults { source { name } status reason totalCount execution { pushedFilters localFilters upstreamParameters { name value } notes calls } }";

/// Walks a filtered list to its end; returns its nodes and the first page.
async fn walk_filtered(world: &TestGateway, filter: &str) -> (Vec<Value>, Value) {
    let (mut nodes, mut first) = (Vec::new(), Value::Null);
    let mut after = Value::Null;
    for _ in 0..100 {
        let query = format!(
            "query($a: String) {{ assets(first: 50, after: $a, filter: {{ {filter} }}) {{ {FIELDS} }} }}"
        );
        let answer = world.ask_with(&query, json!({ "a": after })).await;
        assert_eq!(answer.get("errors"), None, "{filter}: {answer:#}");
        let page = &answer["data"]["assets"];
        nodes.extend(page["nodes"].as_array().cloned().unwrap_or_default());
        if first.is_null() {
            first = page.clone();
        }
        if page["pageInfo"]["hasNextPage"] != true {
            return (nodes, first);
        }
        after = page["pageInfo"]["endCursor"].clone();
        assert!(after.is_string(), "{page:#}");
    }
    panic!("{filter} does not end");
}

/// Whether an asset, as the unfiltered list shows it, matches.
type Judge = fn(&Value) -> bool;

fn has_tag(asset: &Value, tag: &str) -> bool {
    asset["tags"]
        .as_array()
        .is_some_and(|tags| tags.iter().any(|t| t == tag))
}

#[tokio::test]
async fn each_filter_field_shows_exactly_the_matches() {
    let world = world().await;
    let (everything, _) = walk_filtered(&world, "").await;
    let cases: [(&str, Judge); 16] = [
        ("kinds: [AUDIO]", |a| a["kind"] == "AUDIO"),
        ("kinds: [MODEL_WEIGHTS, VIDEO]", |a| {
            a["kind"] == "MODEL_WEIGHTS" || a["kind"] == "VIDEO"
        }),
        ("tagsAll: [\"concept\"]", |a| has_tag(a, "concept")),
        ("tagsAll: [\"model\", \"product\"]", |a| {
            has_tag(a, "model") && has_tag(a, "product")
        }),
        ("tagsAny: [\"product\", \"fox\"]", |a| {
            has_tag(a, "product") || has_tag(a, "fox")
        }),
        (
            "tagsAny: [\"fox\"], tagsNone: [\"models\", \"other\"]",
            |a| has_tag(a, "fox") && !has_tag(a, "models"),
        ),
        ("tagsNone: [\"output\", \"concept\", \"product\"]", |a| {
            !has_tag(a, "output") && !has_tag(a, "concept") && !has_tag(a, "product")
        }),
        ("nameContains: \"FOX\"", |a| {
            a["name"]
                .as_str()
                .is_some_and(|n| n.to_lowercase().contains("fox"))
        }),
        ("visibilities: [PLATFORM]", |a| {
            a["visibility"] == "PLATFORM"
        }),
        ("visibilities: [PRIVATE]", |a| a["visibility"] == "PRIVATE"),
        ("visibilities: [PUBLIC, UNLISTED]", |a| {
            a["visibility"] == "PUBLIC" || a["visibility"] == "UNLISTED"
        }),
        ("createdBy: \"ada\"", |a| a["createdBy"] == "ada"),
        ("createdBy: \"u77aa\"", |a| a["createdBy"] == "u77aa"),
        ("createdBefore: \"2026-11-01T08:00:00Z\"", |a| {
            a["createdAt"].as_str() < Some("2026-11-01T08:00:00.000Z")
        }),
        (
            "createdAfter: \"2026-11-01T02:00:00Z\", createdBefore: \"2026-11-01T12:00:00Z\"",
            |a| {
                a["createdAt"].as_str() > Some("2026-11-01T02:00:00.000Z")
                    && a["createdAt"].as_str() < Some("2026-11-01T12:00:00.000Z")
            },
        ),
        ("updatedAfter: \"2026-11-01T06:00:00Z\"", |a| {
            a["updatedAt"]
                .as_str()
                .is_some_and(|t| t > "2026-11-01T06:00:00.000Z")
        }),
    ];
    for (filter, fits) in cases {
        let expected: Vec<&Value> = everything.iter().filter(|asset| fits(asset)).collect();
        assert!(!expected.is_empty(), "{filter}: the sandbox holds some");
        let (shown, first) = walk_filtered(&world, filter).await;
        // Times print in milliseconds: rows within the bound's own millisecond may match or not.
        assert_eq!(shown.iter().collect::<Vec<_>>(), expected, "{filter}");
        for source in first["sourceResults"].as_array().into_iter().flatten() {
            assert!(
                source["execution"]["calls"]
                    .as_u64()
                    .is_some_and(|calls| calls <= 5),
                "{source}"
            );
        }
    }
}

#[tokio::test]
async fn a_source_that_can_hold_no_match_is_skipped_without_a_call() {
    let world = world().await;
    for (filter, skipped) in [
        ("kinds: [AUDIO]", vec!["piktid"]),
        ("kinds: [MODEL_WEIGHTS]", vec!["piktid", "scenario"]),
        ("createdBy: \"ada\"", vec!["comfy"]),
        ("visibilities: [PLATFORM]", vec!["comfy", "scenario"]),
        ("visibilities: [UNLISTED]", vec!["comfy", "piktid"]),
        ("tagsAll: [\"concept\"]", vec!["piktid"]),
        ("updatedBefore: \"2030-01-01T00:00:00Z\"", vec!["piktid"]),
    ] {
        world.forget_calls();
        let data = world
            .data(&format!(
                "{{ assets(first: 1, filter: {{ {filter} }}) {{ {FIELDS} }} }}"
            ))
            .await;
        let sources = data["assets"]["sourceResults"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        assert_eq!(sources.len(), 3, "every source is told");
        let reported: Vec<&str> = sources
            .iter()
            .filter(|s| s["status"] == "SKIPPED" && s["reason"].is_string())
            .filter_map(|s| s["source"]["name"].as_str())
            .collect();
        assert_eq!(reported, skipped, "{filter}");
        assert_eq!(data["assets"]["isComplete"], true, "{filter}");
        let calls = world.calls();
        for (name, calls) in [
            ("scenario", calls[0]),
            ("piktid", calls[1]),
            ("comfy", calls[2]),
        ] {
            assert!(
                !skipped.contains(&name) || calls == 0,
                "{filter}: {name} was called"
            );
        }
    }
}

#[tokio::test]
async fn pushed_filters_are_reported_and_follow_the_contracts() {
    let world = world().await;
    let filter = "tagsAll: [\"product\"], tagsNone: [\"other\", \"unknown\"], nameContains: \"fox\", visibilities: [PRIVATE], kinds: [IMAGE]";
    let data = world
        .data(&format!(
            "{{ assets(first: 1, filter: {{ {filter} }}) {{ {FIELDS} }} }}"
        ))
        .await;
    let execution = |index: usize| data["assets"]["sourceResults"][index]["execution"].clone();
    let parameters = |index: usize| -> Vec<String> {
        let execution = execution(index);
        let sent = execution["upstreamParameters"].as_array();
        let word =
            |parameter: &Value, part: &str| parameter[part].as_str().unwrap_or_default().to_owned();
        sent.into_iter()
            .flatten()
            .map(|parameter| format!("{}={}", word(parameter, "name"), word(parameter, "value")))
            .collect()
    };
    assert_eq!(
        parameters(0),
        [
            "include_public=false",
            "name_contains=fox",
            "tags_all=product",
            "tags_any=input,output,models",
            "tags_none=other,unknown,missing"
        ]
    );
    let pushed = json!(["TAGS_ALL", "TAGS_NONE", "NAME_CONTAINS"]);
    assert_eq!(execution(0)["pushedFilters"], pushed);
    assert_eq!(
        execution(0)["localFilters"],
        json!(["KINDS", "VISIBILITIES"])
    );
    assert_eq!(
        parameters(1),
        [
            "exclude_tags=other",
            "include_tags=product",
            "ownership=mine"
        ]
    );
    let pushed = json!(["TAGS_ALL", "TAGS_NONE"]);
    assert_eq!(execution(1)["pushedFilters"], pushed);
    assert_eq!(
        execution(1)["localFilters"],
        json!(["KINDS", "NAME_CONTAINS", "VISIBILITIES"])
    );
    assert!(
        parameters(2).is_empty(),
        "tags and privacy=public would leave the account"
    );
    assert_eq!(execution(2)["pushedFilters"], json!([]));
    let query = &world.sandbox.scenario.recorder.calls()[0].query;
    assert!(
        !query.contains("privacy") && !query.contains("tags"),
        "{query}"
    );
}

#[tokio::test]
async fn a_providers_own_list_names_parameters_and_no_fields() {
    let world = world().await;
    let data = world
        .data(
            "{ comfyAssets(first: 1, filter: {tagsAll: [\"output\"], nameContains: \"fox\", hash: \
             \"blake3:0000000000000000000000000000000000000000000000000000000000000000\"}) { \
             sourceResults { execution { pushedFilters localFilters notes upstreamParameters { name } } } } }",
        )
        .await;
    let execution = &data["comfyAssets"]["sourceResults"][0]["execution"];
    let lists = (&execution["pushedFilters"], &execution["localFilters"]);
    assert_eq!(lists, (&json!([]), &json!([])));
    assert_eq!(
        texts(&execution["upstreamParameters"], "/name"),
        ["hash", "name_contains", "tags_all", "tags_none"]
    );
    let notes = execution["notes"].to_string();
    assert!(notes.contains("`hash`"), "{notes}");
}

#[tokio::test]
async fn times_are_pushed_where_the_source_bounds_its_list_by_them() {
    let world = world().await;
    let filter = "createdAfter: \"2026-01-01T00:00:00Z\", createdBefore: \"2030-01-01T00:00:00Z\", \
                  tagsAny: [\"product\"]";
    let data = world
        .data(&format!(
            "{{ assets(first: 1, filter: {{ {filter} }}) {{ {FIELDS} }} assetSources {{ \
             capabilities {{ pushedFilters }} }} }}"
        ))
        .await;
    let times = ["CREATED_AFTER", "CREATED_BEFORE"];
    for (index, is_pushed) in [(0, false), (1, true), (2, true)] {
        let execution = &data["assets"]["sourceResults"][index]["execution"];
        let capabilities = &data["assetSources"][index]["capabilities"];
        for time in times {
            let has = |list: &Value| {
                list.as_array()
                    .is_some_and(|names| names.contains(&json!(time)))
            };
            assert_eq!(has(&execution["pushedFilters"]), is_pushed, "{execution:#}");
            assert_eq!(has(&execution["localFilters"]), !is_pushed, "{execution:#}");
            assert_eq!(has(&capabilities["pushedFilters"]), is_pushed);
        }
        let notes = execution["notes"].as_array().map(Vec::len);
        let expected = if index == 0 { 2 } else { 0 };
        assert_eq!(notes, Some(expected), "{execution:#}");
    }
}

#[tokio::test]
async fn a_client_finds_one_match_in_a_long_list() {
    let world = world().await;
    {
        let mut store = world.sandbox.store.scenario();
        let row = store[0].clone();
        for number in 0..1_500_i64 {
            let mut older = row.clone();
            older.id = format!("asset_old{number:04}");
            older.created -= 900_000_000 + number * 1_000;
            older.name = Some(if number == 1_400 { "needle" } else { "straw" }.to_owned());
            store.push(older);
        }
    }
    let (found, _) = walk_filtered(&world, "nameContains: \"needle\"").await;
    assert_eq!(texts(&json!(found), "/name"), ["needle"]);
}

/// ComfyUI lists an asset whose file has disappeared, with the tag `missing`.
#[tokio::test]
async fn an_asset_whose_file_is_missing_is_listed_on_request_only() {
    for dialect in [Dialect::Local, Dialect::Newest] {
        let options = Options {
            dialect,
            ..Options::default()
        };
        let world = world_with(options, |_| {}).await;
        let (id, total) = {
            let mut store = world.sandbox.store.comfy();
            store.retain(|asset| !asset.is_public);
            store[3].tags = ["missing", "output"].map(str::to_owned).to_vec();
            (asset_id("comfy", &store[3].id), store.len())
        };
        let shown = async |list: &str| {
            let query = format!(
                "{{ list: {list} {{ totalCount nodes {{ id }} sourceResults {{ execution {{ notes }} }} }} }}"
            );
            world.data(&query).await["list"].clone()
        };
        for (list, is_listed) in [
            (
                "assets(first: 100, filter: {sources: [\"comfy\"], createdAfter: \"2000-01-01T00:00:00Z\"})",
                false,
            ),
            (
                "assets(first: 100, filter: {sources: [\"comfy\"], tagsNone: [\"missing\"]})",
                false,
            ),
            (
                "assets(first: 100, filter: {sources: [\"comfy\"], statuses: [READY]})",
                false,
            ),
            (
                "assets(first: 100, filter: {sources: [\"comfy\"], statuses: [MISSING]})",
                true,
            ),
            (
                "assets(first: 100, filter: {sources: [\"comfy\"], statuses: [READY, MISSING]})",
                true,
            ),
            (
                "assets(first: 100, filter: {sources: [\"comfy\"], tagsAll: [\"missing\"]})",
                true,
            ),
            (
                "assets(first: 100, filter: {sources: [\"comfy\"], tagsAny: [\"missing\"]})",
                true,
            ),
            ("comfyAssets(first: 100)", false),
            (
                "comfyAssets(first: 100, filter: {tagsAny: [\"output\"]})",
                false,
            ),
            (
                "comfyAssets(first: 100, filter: {includeTags: [\"output\"]})",
                false,
            ),
            (
                "comfyAssets(first: 100, filter: {includeTags: [\"missing\"]})",
                true,
            ),
            (
                "comfyAssets(first: 100, filter: {tagsAll: [\"missing\"]})",
                true,
            ),
            (
                "comfyAssets(first: 100, filter: {statuses: [MISSING]})",
                true,
            ),
        ] {
            let list_data = shown(list).await;
            let ids = texts(&list_data["nodes"], "/id");
            assert_eq!(ids.contains(&id), is_listed, "{dialect:?} {list}");
            let notes = list_data["sourceResults"][0]["execution"]["notes"].to_string();
            assert_eq!(
                notes.contains("are left out"),
                !is_listed,
                "{list}: {notes}"
            );
            if list.contains("statuses: [MISSING]") {
                assert_eq!(ids.len(), 1, "{list}");
            }
        }
        let whole =
            shown("comfyAssets(first: 1, filter: {tagsAny: [\"input\", \"output\", \"models\"]})");
        assert_eq!(whole.await["totalCount"], json!(total - 1));
        let query = format!(
            "{{ asset(id: \"{id}\") {{ status url thumbnailUrl viewerCanTag }}
               assets(filter: {{ statuses: [FAILED] }}) {{ sourceResults {{ status source {{ name }} }} }} }}"
        );
        let data = world.data(&query).await;
        let asset = &data["asset"];
        let seen = (&asset["status"], &asset["url"], &asset["thumbnailUrl"]);
        assert_eq!(seen, (&json!("MISSING"), &Value::Null, &Value::Null));
        let results = data["assets"]["sourceResults"].to_string();
        assert_eq!(results.matches("SKIPPED").count(), 2, "{results}");
        // The gateway keeps the server's tag out of the change.
        let change = |field: &str, tags: &str| {
            format!(
                "mutation {{ r: {field}(input: {{assetIds: [\"{id}\"], tags: [{tags}]}}) {{ \
                 assets {{ tags }} errors {{ code message }} }} }}"
            )
        };
        let set = world
            .data(&change("setAssetTags", "\"output\", \"fav\""))
            .await["r"]
            .clone();
        assert_eq!(set["errors"], json!([]), "{set}");
        let mut tags = texts(&set["assets"], "/tags/0");
        tags.extend(texts(&set["assets"], "/tags/1"));
        tags.extend(texts(&set["assets"], "/tags/2"));
        tags.sort();
        assert_eq!(tags, ["fav", "missing", "output"]);
        for field in ["setAssetTags", "addAssetTags", "removeAssetTags"] {
            let refused = world.data(&change(field, "\"missing\"")).await["r"].clone();
            assert_eq!(refused["assets"], json!([]), "{field} {refused}");
            assert_eq!(
                refused["errors"][0]["code"], "BAD_USER_INPUT",
                "{field} {refused}"
            );
        }
    }
}

/// Names that could be parts of an id, and names without ASCII, cost one call.
#[tokio::test]
async fn a_name_of_hex_letters_or_of_ideographs_is_looked_up_upstream() {
    let world = world().await;
    let nameless = {
        let mut store = world.sandbox.store.comfy();
        let rows: Vec<usize> = (0..store.len())
            .filter(|at| !store[*at].is_public && store[*at].tags.iter().any(|tag| tag == "output"))
            .collect();
        for (at, name) in rows
            .iter()
            .zip(["bad-face 2026.png", "\u{65e5}\u{672c}.png", ""])
        {
            store[*at].name = name.to_owned();
        }
        store[rows[2]].id.clone()
    };
    for (part, sent, found) in [
        ("FACE", "FACE", "bad-face 2026.png"),
        ("bad", "bad", "bad-face 2026.png"),
        ("2026", "2026", "bad-face 2026.png"),
        (
            "\u{65e5}\u{672c}",
            "\u{65e5}\u{672c}",
            "\u{65e5}\u{672c}.png",
        ),
        ("\u{672c}.PNG", "\u{672c}.PNG", "\u{65e5}\u{672c}.png"),
        // Some spelling of a name with the mark has another letter before it.
        ("\u{e9}\u{65e5}\u{672c}.p", "\u{65e5}\u{672c}.p", ""),
    ] {
        world.forget_calls();
        let query = format!(
            "{{ assets(filter: {{ sources: [\"comfy\"], nameContains: \"{part}\" }}) {{ \
             nodes {{ name }} sourceResults {{ execution {{ upstreamParameters {{ name value }} }} }} }} }}"
        );
        let assets = &world.data(&query).await["assets"];
        let names = texts(&assets["nodes"], "/name");
        let expected: Vec<&str> = [found]
            .into_iter()
            .filter(|name| !name.is_empty())
            .collect();
        assert_eq!(names, expected, "{part}");
        let parameters = assets["sourceResults"][0]["execution"]["upstreamParameters"].to_string();
        let parameter = json!({"name": "name_contains", "value": sent}).to_string();
        assert!(parameters.contains(&parameter), "{part}: {parameters}");
        assert_eq!(world.calls()[2], 1, "{part}");
    }
    // An asset without a name shows its id, and is not found by it.
    let part: String = nameless.chars().take(8).collect();
    let query = format!(
        "{{ found: assets(filter: {{ sources: [\"comfy\"], nameContains: \"{part}\" }}) {{ nodes {{ id }} }} \
         shown: asset(id: \"{}\") {{ name }} }}",
        asset_id("comfy", &nameless)
    );
    let data = world.data(&query).await;
    assert_eq!(data["found"]["nodes"], json!([]));
    assert_eq!(data["shown"]["name"], json!(nameless));
}

#[tokio::test]
async fn a_server_that_ignores_a_filter_changes_nothing() {
    for dialect in [Dialect::Local, Dialect::Published] {
        let world = world_with(
            Options {
                dialect,
                ..Options::default()
            },
            |_| {},
        )
        .await;
        world.sandbox.store.comfy().retain(|a| !a.is_public);
        // This asset has no listed category: neither the plain nor a filtered list shows it.
        world.sandbox.store.comfy()[4].tags = vec!["temp".to_owned(), "fox".to_owned()];
        let hidden = world.sandbox.store.comfy()[4].id.clone();
        for filter in [
            "sources: [\"comfy\"]",
            "sources: [\"comfy\"], tagsAny: [\"fox\"]",
        ] {
            let (shown, first) = walk_filtered(&world, filter).await;
            assert!(
                !json!(shown).to_string().contains(&hidden),
                "{dialect:?} {filter}"
            );
            assert!(!shown.is_empty());
            let counted = &first["totalCount"];
            assert!(
                counted.is_null() || *counted == json!(shown.len()),
                "{dialect:?} {filter}: {counted}"
            );
        }
    }
}

#[tokio::test]
async fn counts_stay_exact_or_null_under_a_filter() {
    let world = world().await;
    for filter in [
        "tagsAll: [\"product\"]",
        "kinds: [IMAGE]",
        "createdBy: \"ada\"",
        "createdAfter: \"2026-11-01T00:00:00Z\"",
        "nameContains: \"fox\"",
        "kinds: [VIDEO], sources: [\"scenario\"]",
    ] {
        let (shown, first) = walk_filtered(&world, filter).await;
        let counted = &first["totalCount"];
        assert!(
            counted.is_null() || *counted == json!(shown.len()),
            "{filter}: {counted} of {}",
            shown.len()
        );
    }
}

#[tokio::test]
async fn unsatisfiable_filters_are_refused_before_any_call() {
    let world = world().await;
    for (filter, field) in [
        ("tagsAll: [\"a\", \"\"]", "tagsAll.1"),
        ("tagsAny: [\" \"]", "tagsAny.0"),
        ("tagsAll: [\"a\"], tagsNone: [\"a\"]", "tagsNone"),
        ("tagsAny: [\"a\"], tagsNone: [\"a\", \"b\"]", "tagsNone"),
        (
            "createdAfter: \"2026-01-01T00:00:00Z\", createdBefore: \"2026-01-01T00:00:00Z\"",
            "createdBefore",
        ),
        (
            "updatedAfter: \"2026-01-02T00:00:00Z\", updatedBefore: \"2026-01-01T00:00:00Z\"",
            "updatedBefore",
        ),
    ] {
        let answer = world
            .ask(&format!(
                "{{ assets(filter: {{ {filter} }}) {{ totalCount }} }}"
            ))
            .await;
        assert_eq!(error(&answer).0, "BAD_USER_INPUT", "{filter}");
        assert_eq!(
            answer["errors"][0]["extensions"]["field"],
            json!(format!("filter.{field}").split('.').collect::<Vec<_>>()),
            "{filter}"
        );
    }
    let unknown = world
        .ask("{ assets(filter: { kinds: [NOPE] }) { totalCount } }")
        .await;
    assert_eq!(error(&unknown).0, "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn an_empty_condition_is_none_and_empty_sources_match_nothing() {
    let world = world().await;
    let page = async |filter: &str| {
        let query =
            format!("{{ assets(first: 3{filter}) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}");
        world.data(&query).await
    };
    let without = page("").await;
    for filter in [
        ", filter: {}",
        ", filter: null",
        ", filter: {search: \"\", nameContains: \" \", createdBy: \"\"}",
        ", filter: {search: null, nameContains: null, createdBy: null, kinds: null}",
        ", filter: {kinds: [], tagsAll: [], tagsAny: [], tagsNone: [], visibilities: []}",
    ] {
        assert_eq!(page(filter).await, without, "{filter}");
    }
    world.forget_calls();
    for list in [
        "assets(filter: {sources: []})",
        "assets(filter: {providers: []})",
        "assets(filter: {sources: [], providers: [COMFY]})",
        "assets(filter: {sources: [\"comfy\"], providers: []})",
        "assets(filter: {sources: []}, orderBy: {field: NAME, direction: ASC})",
        "comfyAssets(sources: [])",
    ] {
        let query = format!(
            "{{ list: {list} {{ nodes {{ id }} totalCount isComplete pageInfo {{ hasNextPage endCursor }} \
             sourceResults {{ status }} }} }}"
        );
        assert_eq!(
            world.data(&query).await["list"],
            json!({
                "nodes": [], "totalCount": 0, "isComplete": true, "sourceResults": [],
                "pageInfo": { "hasNextPage": false, "endCursor": null },
            }),
            "{list}"
        );
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn an_invalid_date_is_refused_with_its_path_and_fails_no_sibling() {
    let world = world().await;
    for (field, date) in [
        ("createdAfter", json!("yesterday")),
        ("updatedBefore", json!(1_700_000_000)),
        ("createdBefore", json!("2026-02-30T00:00:00Z")),
        ("updatedAfter", json!("2026-01-01T00:00:00")),
    ] {
        let answer = world
            .ask_with(
                "query($filter: AssetFilter) { bad: assets(filter: $filter) { totalCount } \
                 good: assetSource(name: \"comfy\") { name } }",
                json!({ "filter": { field: date } }),
            )
            .await;
        let (code, message) = error(&answer);
        assert_eq!(code, "BAD_USER_INPUT", "{message}");
        assert_eq!(
            answer["errors"][0]["extensions"]["field"],
            json!(["filter", field])
        );
        assert!(answer["data"]["bad"].is_null());
        assert_eq!(answer["data"]["good"]["name"], "comfy", "{answer}");
    }
    assert_eq!(world.calls(), [0, 0, 0]);
    // Clients write this date for "no bound".
    let page = world
        .data("{ assets(first: 1, filter: {createdBefore: \"9999-12-31T23:59:59Z\"}) { nodes { id } } }")
        .await;
    assert_eq!(page["assets"]["nodes"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_cursor_is_valid_for_every_spelling_of_its_filter() {
    let world = world().await;
    let page = world.data(&format!("{{ assets(first: 2, filter: {{ kinds: [IMAGE, VIDEO], tagsNone: [\"a\", \"b\"] }}) {{ {FIELDS} }} }}")).await;
    let cursor = page["assets"]["pageInfo"]["endCursor"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let again = world
        .ask(&format!("{{ assets(first: 2, after: \"{cursor}\", filter: {{ tagsNone: [\"b\", \"a\", \"a\"], kinds: [VIDEO, IMAGE] }}) {{ {FIELDS} }} }}"))
        .await;
    let shown: BTreeSet<String> = texts(&again["data"]["assets"]["nodes"], "/id")
        .into_iter()
        .collect();
    assert!(shown.is_disjoint(&texts(&page["assets"]["nodes"], "/id").into_iter().collect()));
    let unfiltered = world
        .ask(&format!(
            "{{ assets(first: 2, after: \"{cursor}\") {{ {FIELDS} }} }}"
        ))
        .await;
    assert_eq!(error(&unfiltered).0, "BAD_CURSOR");
}

#[tokio::test]
async fn names_and_tags_are_found_in_either_spelling() {
    let world = world().await;
    let (composed, decomposed) = ("Caf\u{e9} kit 7", "Cafe\u{301} kit 7");
    let (tag, tag_decomposed) = ("\u{e9}t\u{e9}", "e\u{301}te\u{301}");
    // As other programs put them there.
    let id = {
        let mut comfy = world.sandbox.store.comfy();
        let asset = comfy.first_mut().expect("an asset");
        asset.name = format!("{decomposed}.png");
        asset.tags.push(tag_decomposed.to_owned());
        asset_id("comfy", &asset.id)
    };
    let find = async |filter: &str| {
        let query = format!("{{ assets(filter: {{ {filter} }}) {{ nodes {{ id }} }} }}");
        texts(&world.data(&query).await["assets"]["nodes"], "/id")
    };
    for filter in [
        format!("nameContains: \"{composed}\""),
        format!("nameContains: \"{decomposed}\""),
        "nameContains: \"caf\u{e9}\"".to_owned(),
        format!("tagsAll: [\"{tag}\"]"),
        format!("tagsAny: [\"{tag_decomposed}\"]"),
    ] {
        assert_eq!(find(&filter).await, [&*id], "{filter}");
    }
    // A letter before a mark is another letter.
    assert_eq!(find("nameContains: \"cafe kit\"").await, [""; 0]);
    let none = find(&format!(
        "nameContains: \"{composed}\", tagsNone: [\"{tag}\"]"
    ))
    .await;
    assert_eq!(none, [""; 0]);
    let change = |field: &str, tag: &str| {
        format!(
            "mutation {{ {field}(input: {{assetIds: [\"{id}\"], tags: [\"{tag}\"]}}) {{ assets {{ tags }} errors {{ message }} }} }}"
        )
    };
    let removed = world.data(&change("removeAssetTags", tag)).await;
    let tags = removed["removeAssetTags"]["assets"][0]["tags"].to_string();
    assert!(
        !tags.contains('t') || !tags.contains('\u{301}'),
        "{removed}"
    );
    let added = world.data(&change("addAssetTags", tag_decomposed)).await;
    let tags = added["addAssetTags"]["assets"][0]["tags"].to_string();
    assert!(tags.contains(tag) && !tags.contains('\u{301}'), "{added}");
    // Uploads are written composed.
    let upload = format!(
        "mutation {{ uploadAsset(input: {{source: \"comfy\", name: \"{decomposed}.txt\", base64: \"aGk=\"}}) {{ asset {{ name }} }} }}"
    );
    let uploaded = world.data(&upload).await;
    assert_eq!(
        uploaded["uploadAsset"]["asset"]["name"],
        format!("{composed}.txt")
    );
}
