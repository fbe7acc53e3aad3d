//! Tags, notes and deletes: an outcome for each asset, and no stale read afterwards.

use std::{sync::Arc, time::Duration};

use asset_gateway::sandbox::{Dialect, Fault, Options, Rule};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{TestGateway, asset_id, error, texts, world, world_with};

/// Runs a mutation that must not be refused, and returns its payload.
pub async fn payload(world: &TestGateway, field: &str, input: Value, selection: &str) -> Value {
    let kind = match field {
        "addAssetTags" => "AddAssetTagsInput",
        "removeAssetTags" => "RemoveAssetTagsInput",
        "setAssetTags" => "SetAssetTagsInput",
        "setAssetNote" => "SetAssetNoteInput",
        "deleteAsset" => "DeleteAssetInput",
        _ => "BulkDeleteAssetsInput",
    };
    let query = format!(
        "mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} \
         errors {{ code message assetId field retryAfterSeconds }} clientMutationId }} }}"
    );
    let answer = world.ask_with(&query, json!({ "input": input })).await;
    assert_eq!(answer.get("errors"), None, "{answer:#}");
    answer["data"][field].clone()
}

/// At each source, one asset that the user owns.
pub fn own_assets(world: &TestGateway) -> [String; 3] {
    let store = &world.sandbox.store;
    let scenario = store
        .scenario()
        .iter()
        .find(|a| a.owner_id == "proj_sandbox" && a.deleted.is_none())
        .map(|a| a.id.clone());
    let piktid = store
        .piktid()
        .iter()
        .find(|a| a.created_by == "ada" && a.tags.is_empty())
        .map(|a| a.id.clone());
    let comfy = store
        .comfy()
        .iter()
        .find(|a| !a.is_immutable && !a.user_metadata.is_empty())
        .map(|a| a.id.clone());
    [
        asset_id("scenario", &scenario.expect("one")),
        asset_id("piktid", &piktid.expect("one")),
        asset_id("comfy", &comfy.expect("one")),
    ]
}

#[tokio::test]
async fn tags_change_at_every_source_and_reads_after_show_it() {
    let world = world().await;
    let ids = own_assets(&world);
    // Fills the caches: the old values must not come back.
    let all = json!({ "ids": ids });
    let read = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Asset { id tags } } \
                assets(first: 100) { nodes { id tags } } }";
    world.ask_with(read, all.clone()).await;
    let steps = [
        (
            "addAssetTags",
            vec![" model ", "product", "product"],
            vec!["model", "product"],
            vec![],
        ),
        (
            "removeAssetTags",
            vec!["model"],
            vec!["product"],
            vec!["model"],
        ),
        (
            "setAssetTags",
            vec!["other"],
            vec!["other"],
            vec!["model", "product"],
        ),
    ];
    for (field, tags, has, lacks) in steps {
        let input = json!({ "assetIds": ids, "tags": tags, "clientMutationId": "m1" });
        let changed = payload(&world, field, input, "assets { id tags }").await;
        assert_eq!(changed["errors"], json!([]), "{field}");
        assert_eq!(changed["clientMutationId"], "m1");
        assert_eq!(texts(&changed["assets"], "/id"), ids);
        let after = world.ask_with(read, all.clone()).await;
        for list in [&changed["assets"], &after["data"]["nodes"]] {
            for asset in list.as_array().into_iter().flatten() {
                if !ids.iter().any(|id| asset["id"] == **id) {
                    continue;
                }
                let tags = asset["tags"].as_array().expect("tags");
                let carries = |tag: &&str| tags.iter().any(|own_assets| own_assets == tag);
                assert!(has.iter().all(carries), "{field}: {asset}");
                assert!(!lacks.iter().any(carries), "{field}: {asset}");
            }
        }
    }
    let none = json!({ "assetIds": [ids[1]], "tags": [] });
    let cleared = payload(&world, "setAssetTags", none, "assets { tags }").await;
    assert_eq!(cleared["assets"][0]["tags"], json!([]));
}

#[tokio::test]
async fn unsupported_tags_fail_for_the_assets_of_their_source_alone() {
    let world = world().await;
    let ids = own_assets(&world);
    let foreign = world
        .sandbox
        .store
        .piktid()
        .iter()
        .find(|a| a.visibility == "default")
        .map(|a| asset_id("piktid", &a.id))
        .expect("one");
    let gone = asset_id("scenario", "asset_gone");
    let input = json!({
        "assetIds": [ids[0], ids[1], ids[2], gone, "c29tZXRoaW5n", foreign],
        "tags": ["harbour"],
    });
    let changed = payload(&world, "addAssetTags", input, "assets { id }").await;
    assert_eq!(texts(&changed["assets"], "/id"), [&*ids[0], &*ids[2]]);
    let reported: Vec<(&str, &str)> = changed["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| Some((e["assetId"].as_str()?, e["code"].as_str()?)))
        .collect();
    assert_eq!(
        reported,
        [
            (&*ids[1], "BAD_USER_INPUT"),
            (&*gone, "NOT_FOUND"),
            ("c29tZXRoaW5n", "BAD_USER_INPUT"),
            (&*foreign, "BAD_USER_INPUT"),
        ]
    );
    let fields: Vec<&Value> = changed["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| &error["field"])
        .collect();
    let tags = json!(["input", "tags"]);
    let id = json!(["input", "assetIds", "4"]);
    assert_eq!(fields, [&tags, &Value::Null, &id, &tags]);
    // With a tag that PiktID supports, the asset of another user is FORBIDDEN.
    let input = json!({ "assetIds": [foreign], "tags": ["model"] });
    let changed = payload(&world, "addAssetTags", input, "assets { id }").await;
    assert_eq!(changed["errors"][0]["code"], "FORBIDDEN");
    let field = |asset: &str| {
        let errors = changed["errors"].as_array().into_iter().flatten();
        let mut errors = errors.filter(|error| error["assetId"] == asset);
        errors.next().map(|error| error["field"].clone())
    };
    assert_eq!(field(&foreign), Some(Value::Null));
}

#[tokio::test]
async fn invalid_input_is_refused_before_any_call() {
    let world = world().await;
    let id = asset_id("scenario", "x");
    let long = "x".repeat(101);
    for (field, input, path) in [
        (
            "addAssetTags",
            json!({ "assetIds": [], "tags": ["a"] }),
            "assetIds",
        ),
        (
            "addAssetTags",
            json!({ "assetIds": [id], "tags": [] }),
            "tags",
        ),
        (
            "addAssetTags",
            json!({ "assetIds": [id], "tags": ["a", "  "] }),
            "tags.1",
        ),
        (
            "addAssetTags",
            json!({ "assetIds": [id], "tags": [long] }),
            "tags.0",
        ),
        (
            "addAssetTags",
            json!({ "assetIds": [id], "tags": ["a", "b,c"] }),
            "tags.1",
        ),
        (
            "setAssetTags",
            json!({ "assetIds": [id], "tags": vec!["a"; 11] }),
            "tags",
        ),
        (
            "addAssetTags",
            json!({ "assetIds": vec![&id; 101], "tags": ["a"] }),
            "assetIds",
        ),
        (
            "setAssetNote",
            json!({ "assetId": id, "note": "x".repeat(10_001) }),
            "note",
        ),
        ("bulkDeleteAssets", json!({ "assetIds": [] }), "assetIds"),
        (
            "bulkDeleteAssets",
            json!({ "assetIds": vec![&id; 1_001] }),
            "assetIds",
        ),
    ] {
        let kind = match field {
            "addAssetTags" => "AddAssetTagsInput",
            "setAssetTags" => "SetAssetTagsInput",
            "setAssetNote" => "SetAssetNoteInput",
            "deleteAsset" => "DeleteAssetInput",
            _ => "BulkDeleteAssetsInput",
        };
        let query = format!(
            "mutation($input: {kind}!) {{ {field}(input: $input) {{ clientMutationId }} }}"
        );
        let answer = world.ask_with(&query, json!({ "input": input })).await;
        let (code, message) = error(&answer);
        assert_eq!(code, "BAD_USER_INPUT", "{message}");
        let field_path = format!("input.{path}");
        assert_eq!(
            answer["errors"][0]["extensions"]["field"],
            json!(field_path.split('.').collect::<Vec<_>>()),
            "{message}"
        );
        assert!(answer["data"][field].is_null());
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn a_single_id_that_names_nothing_is_reported_in_the_payload() {
    let world = world().await;
    let source = world.data("{ assetSources { id } }").await;
    let source = &texts(&source["assetSources"], "/id")[0];
    for id in ["nonsense", "", &asset_id("nowhere", "x"), source] {
        let note = json!({ "assetId": id, "note": "x", "clientMutationId": "7" });
        let delete = json!({ "assetId": id, "clientMutationId": "7" });
        for (field, input, result) in [
            ("setAssetNote", note, "asset { id }"),
            ("deleteAsset", delete, "deletedId"),
        ] {
            let report = payload(&world, field, input, result).await;
            let error = json!([{
                "code": "BAD_USER_INPUT",
                "message": report["errors"][0]["message"],
                "assetId": id,
                "field": ["input", "assetId"],
                "retryAfterSeconds": null,
            }]);
            assert_eq!(report["errors"], error, "{field}: {report:#}");
            assert_eq!(report["clientMutationId"], "7");
            assert!(report["asset"].is_null() && report["deletedId"].is_null());
        }
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn concurrent_tags_on_one_asset_lose_none() {
    let world = world().await;
    let [_, piktid, _] = own_assets(&world);
    // Without a lock, all mutations would read the asset before the first one writes.
    let tags = ["model", "product", "background", "other"];
    let adds = (0..200).map(|n| {
        let input = json!({ "assetIds": [piktid], "tags": [tags[n % 4]] });
        payload(&world, "addAssetTags", input, "assets { tags }")
    });
    for changed in join_all(adds).await {
        assert_eq!(changed["errors"], json!([]));
    }
    let data = world
        .data(&format!("{{ asset(id: \"{piktid}\") {{ tags }} }}"))
        .await;
    assert_eq!(
        data["asset"]["tags"],
        json!(["background", "model", "other", "product"])
    );
}

#[tokio::test]
async fn notes_are_set_and_cleared_at_every_source() {
    for dialect in [Dialect::Local, Dialect::Published, Dialect::Newest] {
        let options = Options {
            dialect,
            ..Options::default()
        };
        let world = world_with(options, |_| {}).await;
        let ids = own_assets(&world);
        for id in &ids {
            for (note, shown) in [
                (json!("for the trailer"), json!("for the trailer")),
                (json!("  "), Value::Null),
                (json!("again"), json!("again")),
                (json!(""), Value::Null),
            ] {
                let input = json!({ "assetId": id, "note": note });
                let set = payload(&world, "setAssetNote", input, "asset { id note }").await;
                assert_eq!(set["errors"], json!([]));
                assert_eq!(set["asset"]["note"], shown);
                let read = world
                    .data(&format!("{{ asset(id: \"{id}\") {{ note }} }}"))
                    .await;
                assert_eq!(read["asset"]["note"], shown);
            }
        }
        // Other keys of Comfy's metadata survive.
        let store = world.sandbox.store.comfy();
        let rated = store
            .iter()
            .find(|a| !a.user_metadata.is_empty())
            .expect("one");
        assert!(rated.user_metadata.contains_key("rating"));
    }
}

#[tokio::test]
async fn a_read_begun_before_a_write_is_never_served_after_it() {
    let world = world().await;
    let [_, id, _] = own_assets(&world);
    let upstream = world
        .sandbox
        .store
        .piktid()
        .iter()
        .find(|a| a.created_by == "ada" && a.tags.is_empty())
        .map(|a| a.id.clone())
        .expect("one");
    // The read's answer is made before the write and arrives after it.
    let gate = Arc::new(Semaphore::new(0));
    world.sandbox.piktid.faults.push(Rule {
        beginning: format!("GET /assets/{upstream}"),
        times: Some(1),
        fault: Fault::Late(Arc::clone(&gate)),
    });
    let query = format!("{{ asset(id: \"{id}\") {{ note }} }}");
    let slow = world.data(&query);
    let write = async {
        while world.sandbox.piktid.recorder.count("GET /assets/") == 0 {
            tokio::task::yield_now().await;
        }
        let input = json!({ "assetId": id, "note": "new" });
        let set = payload(&world, "setAssetNote", input, "asset { note }").await;
        assert_eq!(set["asset"]["note"], "new");
        gate.add_permits(1);
    };
    let (old, ()) = tokio::join!(slow, write);
    assert_ne!(old["asset"]["note"], "new", "it was read before");
    for _ in 0..3 {
        assert_eq!(world.data(&query).await["asset"]["note"], "new");
    }
}

#[tokio::test]
async fn a_bulk_delete_spans_all_sources_and_reports_each_id() {
    let world = world().await;
    let store = Arc::clone(&world.sandbox.store);
    let mine: Vec<String> = store
        .piktid()
        .iter()
        .filter(|a| a.created_by == "ada")
        .map(|a| asset_id("piktid", &a.id))
        .collect();
    let (theirs, reason_of_theirs) = store
        .piktid()
        .iter()
        .find(|a| a.created_by != "ada")
        .map(|a| {
            let reason = match a.visibility.as_str() {
                "default" => "IMMUTABLE",
                _ => "FORBIDDEN",
            };
            (asset_id("piktid", &a.id), reason)
        })
        .expect("one");
    let scenario: Vec<String> = store
        .scenario()
        .iter()
        .filter(|a| a.owner_id == "proj_sandbox")
        .take(150)
        .map(|a| asset_id("scenario", &a.id))
        .collect();
    let comfy: Vec<String> = store
        .comfy()
        .iter()
        .take(40)
        .map(|a| asset_id("comfy", &a.id))
        .collect();
    let public = store
        .scenario()
        .iter()
        .find(|a| a.owner_id != "proj_sandbox")
        .map(|a| a.id.clone())
        .expect("one");
    let gone = asset_id("scenario", "asset_gone");
    let twice = scenario[0].clone();
    let mut ids = [mine.clone(), scenario.clone(), comfy.clone()].concat();
    ids.extend([theirs.clone(), gone.clone(), twice, "bad id".to_owned()]);
    ids.push(asset_id("scenario", &public));
    let input = json!({ "assetIds": ids });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds notTriedIds").await;
    let mut deleted: Vec<String> =
        serde_json::from_value(report["deletedIds"].clone()).expect("ids");
    deleted.sort();
    let is_kept = |id: &String| {
        let store = store.comfy();
        store.iter().any(|a| asset_id("comfy", &a.id) == *id)
    };
    let immutable: Vec<String> = comfy.iter().filter(|id| is_kept(id)).cloned().collect();
    assert_eq!(immutable.len(), 1, "one of them is immutable");
    let mut expected = [mine, scenario, comfy].concat();
    expected.retain(|id| !immutable.contains(id));
    expected.sort();
    assert_eq!(deleted, expected);
    assert_eq!(report["notTriedIds"], json!([]));
    let mut reported: Vec<(String, String)> = report["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|e| {
            (
                e["assetId"].as_str().unwrap_or_default().to_owned(),
                e["code"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    reported.sort();
    let mut reasons = vec![
        (theirs, reason_of_theirs.to_owned()),
        (gone, "NOT_FOUND".to_owned()),
        ("bad id".to_owned(), "BAD_USER_INPUT".to_owned()),
        (immutable[0].clone(), "IMMUTABLE".to_owned()),
        (asset_id("scenario", &public), "UNKNOWN_OUTCOME".to_owned()),
    ];
    reasons.sort();
    assert_eq!(reported, reasons);
    let list = world
        .data("{ assets(first: 100, filter: {sources: [\"piktid\"]}) { nodes { id } } }")
        .await;
    let shown = texts(&list["assets"]["nodes"], "/id");
    assert!(
        !shown.iter().any(|id| deleted.contains(id)),
        "no stale page"
    );
    let calls = &world.sandbox.scenario.recorder;
    assert_eq!(calls.count("DELETE /v1/assets"), 2, "100 a call");
}

#[tokio::test]
async fn piktids_bulk_deletes_are_paced_and_its_429_is_waited_out() {
    let world = world().await;
    let ids: Vec<String> = world
        .sandbox
        .store
        .piktid()
        .iter()
        .filter(|a| a.created_by == "ada")
        .take(5)
        .map(|a| asset_id("piktid", &a.id))
        .collect();
    // Five deletes at once: the emulator refuses the fourth within a second.
    let deletes = ids.iter().map(|id| {
        let input = json!({ "assetIds": [id] });
        payload(&world, "bulkDeleteAssets", input, "deletedIds")
    });
    for (report, id) in join_all(deletes).await.iter().zip(&ids) {
        assert_eq!(report["deletedIds"], json!([id]), "{report}");
    }
    let calls = &world.sandbox.piktid.recorder;
    let sent = calls.count("POST /assets/bulk-delete");
    assert_eq!(sent, 5, "none of them was refused: they were paced");
    // Another client has used up the rate limit.
    world.sandbox.piktid.faults.push(Rule {
        beginning: "POST /assets/bulk-delete".to_owned(),
        times: Some(1),
        fault: Fault::Answer {
            status: 429,
            content_type: "text/plain",
            body: String::new(),
        },
    });
    let another = world.sandbox.store.piktid()[0].id.clone();
    let input = json!({ "assetIds": [asset_id("piktid", &another)] });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(
        report["deletedIds"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
}

#[tokio::test]
async fn a_lost_answer_to_a_delete_is_looked_up() {
    let world = world().await;
    let [scenario, piktid, comfy] = own_assets(&world);
    // The deletes take effect, but their answers are lost.
    for (emulator, beginning) in [
        (&world.sandbox.scenario, "DELETE /v1/assets"),
        (&world.sandbox.piktid, "POST /assets/bulk-delete"),
        (&world.sandbox.comfy, "DELETE /api/assets"),
    ] {
        emulator.faults.add(beginning, Fault::Lose);
    }
    let input = json!({ "assetIds": [scenario, piktid, comfy] });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(report["errors"], json!([]));
    assert_eq!(report["deletedIds"].as_array().map(Vec::len), Some(3));
    // The deletes fail without effect: each asset reports it.
    for emulator in [
        &world.sandbox.scenario,
        &world.sandbox.piktid,
        &world.sandbox.comfy,
    ] {
        emulator.faults.clear();
    }
    let ids = own_assets(&world);
    for (emulator, beginning) in [
        (&world.sandbox.scenario, "DELETE /v1/assets"),
        (&world.sandbox.piktid, "POST /assets/bulk-delete"),
        (&world.sandbox.comfy, "DELETE /api/assets"),
    ] {
        emulator.faults.add(
            beginning,
            Fault::Answer {
                status: 503,
                content_type: "text/html",
                body: "<h1>no</h1>".to_owned(),
            },
        );
    }
    let input = json!({ "assetIds": ids });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(report["deletedIds"], json!([]));
    assert_eq!(
        texts(&report["errors"], "/code"),
        ["UPSTREAM_UNAVAILABLE"; 3]
    );
}

#[tokio::test]
async fn one_asset_is_deleted_and_its_reads_are_null() {
    let world = world().await;
    for id in own_assets(&world) {
        world
            .data(&format!("{{ asset(id: \"{id}\") {{ id }} }}"))
            .await;
        let input = json!({ "assetId": id });
        let report = payload(&world, "deleteAsset", input.clone(), "deletedId").await;
        assert_eq!(report["deletedId"], *id);
        let data = world
            .data(&format!("{{ asset(id: \"{id}\") {{ id }} }}"))
            .await;
        assert!(data["asset"].is_null());
        let again = payload(&world, "deleteAsset", input, "deletedId").await;
        assert!(again["deletedId"].is_null());
        assert_eq!(again["errors"][0]["code"], "NOT_FOUND");
    }
}

#[tokio::test]
async fn deletes_without_time_left_are_not_tried() {
    let world = world_with(Options::default(), |config| {
        config.limits.mutation_deadline = Duration::ZERO;
    })
    .await;
    let [scenario, ..] = own_assets(&world);
    let input = json!({ "assetIds": [scenario] });
    let answer = world
        .ask_with(
            "mutation($input: BulkDeleteAssetsInput!) { bulkDeleteAssets(input: $input) { \
             deletedIds notTriedIds } }",
            json!({ "input": input }),
        )
        .await;
    assert_eq!(
        answer["data"]["bulkDeleteAssets"]["notTriedIds"],
        json!([scenario])
    );
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn the_second_mutation_failing_leaves_the_firsts_payload_whole() {
    let world = world().await;
    let [scenario, ..] = own_assets(&world);
    let answer = world
        .ask(&format!(
            "mutation {{ first: setAssetNote(input: {{assetId: \"{scenario}\", note: \"one\"}}) {{ asset {{ note }} }} \
             second: addAssetTags(input: {{assetIds: [], tags: [\"a\"]}}) {{ assets {{ id }} }} }}"
        ))
        .await;
    assert_eq!(answer["data"]["first"]["asset"]["note"], "one");
    assert!(answer["data"]["second"].is_null());
    assert_eq!(error(&answer).0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn unverified_and_half_done_writes_are_unknown_outcomes() {
    let world = world().await;
    let [_, piktid, comfy] = own_assets(&world);
    let unavailable = || Fault::Answer {
        status: 503,
        content_type: "text/plain",
        body: String::new(),
    };
    // The note is written; the read after it fails.
    world
        .sandbox
        .piktid
        .faults
        .add("GET /assets/", unavailable());
    let input = json!({ "assetId": piktid, "note": "new" });
    let set = payload(&world, "setAssetNote", input, "asset { note }").await;
    assert!(set["asset"].is_null());
    assert_eq!(set["errors"][0]["code"], "UNKNOWN_OUTCOME", "{set}");
    // The new tag is added; the source refuses to remove the old ones.
    let refused = Fault::Answer {
        status: 403,
        content_type: "application/json",
        body: "{}".to_owned(),
    };
    world
        .sandbox
        .comfy
        .faults
        .add("DELETE /api/assets/", refused);
    let input = json!({ "assetIds": [comfy], "tags": ["fresh"] });
    let set = payload(&world, "setAssetTags", input, "assets { id }").await;
    assert_eq!(set["errors"][0]["code"], "UNKNOWN_OUTCOME", "{set}");
}

#[tokio::test]
async fn errors_of_a_bulk_delete_stand_in_the_order_of_its_ids() {
    let world = world().await;
    let unknown =
        |source: &str, n: usize| asset_id(source, &format!("00000000-0000-4000-8000-{n:012}"));
    let ids: Vec<String> = (0..4)
        .flat_map(|n| {
            [
                unknown("piktid", n),
                format!("bad {n}"),
                unknown("comfy", n),
            ]
        })
        .collect();
    let document = "mutation($ids: [ID!]!) { bulkDeleteAssets(input: {assetIds: $ids}) { deletedIds \
                    errors { assetId } } }";
    let answer = world.ask_with(document, json!({ "ids": ids })).await;
    let errors = answer["data"]["bulkDeleteAssets"]["errors"]
        .as_array()
        .expect("errors");
    let named: Vec<&str> = errors
        .iter()
        .filter_map(|error| error["assetId"].as_str())
        .collect();
    assert_eq!(named, ids, "{answer}");
}
