//! Writes during failures: each asset reports its actual outcome, or an unknown one.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use asset_gateway::{
    asset::SourceName,
    sandbox::{Emulator, Fault, Options, Rule, Store, json as raw},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    harness::{TestGateway, asset_id, error, texts, world, world_with},
    writes::{own_assets, payload},
};

fn status(status: u16, body: &str) -> Fault {
    Fault::Answer {
        status,
        content_type: "application/json",
        body: body.to_owned(),
    }
}

fn rule(emulator: &Emulator, beginning: &str, times: usize, fault: Fault) {
    emulator.faults.push(Rule {
        beginning: beginning.to_owned(),
        times: Some(times),
        fault,
    });
}

fn is_there(store: &Store, source: &str, id: &str) -> bool {
    match source {
        "scenario" => store
            .scenario()
            .iter()
            .any(|a| a.id == id && a.deleted.is_none()),
        "piktid" => store.piktid().iter().any(|a| a.id == id),
        _ => store.comfy().iter().any(|a| a.id == id),
    }
}

/// Assets of the user at each source, up to `most`: (source, upstream id).
fn mine(world: &TestGateway, most: usize) -> Vec<(&'static str, String)> {
    let store = &world.sandbox.store;
    let scenario = store.scenario();
    let scenario = scenario
        .iter()
        .filter(|a| a.owner_id == "proj_sandbox" && a.deleted.is_none())
        .take(most)
        .map(|a| ("scenario", a.id.clone()));
    let piktid = store.piktid();
    let piktid = piktid
        .iter()
        .filter(|a| a.created_by == "ada")
        .take(most)
        .map(|a| ("piktid", a.id.clone()));
    let comfy = store.comfy();
    let comfy = comfy
        .iter()
        .filter(|a| !a.is_immutable)
        .take(most)
        .map(|a| ("comfy", a.id.clone()));
    scenario.chain(piktid).chain(comfy).collect()
}

#[tokio::test]
async fn hundreds_of_deletes_during_faults_report_their_outcomes() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let assets = mine(&world, 100);
    assert!(assets.len() >= 250, "{} assets", assets.len());
    // In this order: rate limited, unavailable, done with a lost answer, connection reset.
    for (emulator, calls) in [
        (
            &sandbox.scenario,
            &["DELETE /v1/assets", "POST /v1/assets/get-bulk"][..],
        ),
        (&sandbox.piktid, &["POST /assets/bulk-delete"]),
        (&sandbox.comfy, &["DELETE /api/assets/"]),
    ] {
        for beginning in calls {
            rule(emulator, beginning, 1, status(429, ""));
            rule(emulator, beginning, 3, status(503, "{}"));
            rule(emulator, beginning, 2, Fault::Lose);
            rule(emulator, beginning, 2, Fault::Reset);
        }
    }
    let ids: Vec<String> = assets
        .iter()
        .map(|(source, id)| asset_id(source, id))
        .collect();
    let mut left = ids.clone();
    for round in 0..20 {
        let input = json!({ "assetIds": left });
        let report = payload(&world, "bulkDeleteAssets", input, "deletedIds notTriedIds").await;
        let deleted = texts(&report["deletedIds"], "");
        let failed = texts(&report["errors"], "/assetId");
        let mut reported = [
            deleted.clone(),
            failed.clone(),
            texts(&report["notTriedIds"], ""),
        ]
        .concat();
        reported.sort();
        let mut requested = left.clone();
        requested.sort();
        assert_eq!(reported, requested, "each id once, round {round}");
        let codes: HashMap<String, String> = failed
            .iter()
            .cloned()
            .zip(texts(&report["errors"], "/code"))
            .collect();
        for (source, id) in &assets {
            let whole = asset_id(source, id);
            let exists = is_there(&sandbox.store, source, id);
            if deleted.contains(&whole) {
                assert!(!exists, "{source} {id} is told as deleted");
            }
            match codes.get(&whole).map(String::as_str) {
                Some("UNKNOWN_OUTCOME") | None => {}
                // Already deleted: the answer of an earlier round was lost.
                Some("NOT_FOUND") => assert!(!exists, "{source} {id} is told as gone"),
                Some(code) => assert!(exists, "{source} {id} is told as {code}"),
            }
        }
        left = failed
            .into_iter()
            .filter(|id| codes.get(id).is_some_and(|code| code != "NOT_FOUND"))
            .collect();
        if left.is_empty() {
            break;
        }
        // Waits for `retryAfterSeconds`, as a client does.
        let waits = report["errors"].as_array().into_iter().flatten();
        let wait = waits.filter_map(|e| e["retryAfterSeconds"].as_u64()).max();
        tokio::time::sleep(Duration::from_secs(wait.unwrap_or(0))).await;
    }
    assert_eq!(left, Vec::<String>::new(), "the weather is over");
    for (source, id) in &assets {
        assert!(
            !is_there(&sandbox.store, source, id),
            "{source} {id} is left"
        );
    }
}

#[tokio::test]
async fn an_inconsistent_piktid_answer_is_an_unknown_outcome() {
    let world = world().await;
    let [_, piktid, _] = own_assets(&world);
    for body in [
        "{}",
        "",
        r#"{"success":false,"message":"queued"}"#,
        r#"{"failed_ids":[]}"#,
        r#"{"deleted_count":2,"failed_ids":[]}"#,
        r#"{"deleted_count":0,"failed_ids":[]}"#,
        r#"{"deleted_count":1,"failed_ids":["else","else"]}"#,
    ] {
        rule(
            &world.sandbox.piktid,
            "POST /assets/bulk-delete",
            1,
            status(200, body),
        );
        let input = json!({ "assetIds": [piktid] });
        let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
        assert_eq!(report["deletedIds"], json!([]), "{body}");
        assert_eq!(
            texts(&report["errors"], "/code"),
            ["UNKNOWN_OUTCOME"],
            "{body}"
        );
    }
    let upstream = mine(&world, 100)
        .into_iter()
        .find(|(source, id)| asset_id(source, id) == piktid)
        .map(|(_, id)| id)
        .expect("it is still there");
    let twice = format!(r#"{{"deleted_count":0,"failed_ids":["{upstream}","{upstream}"]}}"#);
    rule(
        &world.sandbox.piktid,
        "POST /assets/bulk-delete",
        1,
        status(200, &twice),
    );
    let input = json!({ "assetIds": [piktid] });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(texts(&report["errors"], "/code"), ["UPSTREAM_REJECTED"]);
}

#[tokio::test]
async fn a_write_that_was_never_sent_is_a_plain_failure() {
    let world = world().await;
    let [_, piktid, comfy] = own_assets(&world);
    // The read before the write fails.
    world
        .sandbox
        .piktid
        .faults
        .add("GET /assets/", status(503, ""));
    world
        .sandbox
        .comfy
        .faults
        .add("GET /api/assets/", status(503, ""));
    let input = json!({ "assetIds": [piktid], "tags": ["other"] });
    let report = payload(&world, "addAssetTags", input, "assets { id }").await;
    assert_eq!(texts(&report["errors"], "/code"), ["UPSTREAM_UNAVAILABLE"]);
    let input = json!({ "assetId": comfy, "note": "x" });
    let report = payload(&world, "setAssetNote", input, "asset { id }").await;
    assert_eq!(texts(&report["errors"], "/code"), ["UPSTREAM_UNAVAILABLE"]);
    assert_eq!(world.sandbox.piktid.recorder.count("PATCH"), 0);
    assert_eq!(world.sandbox.comfy.recorder.count("PUT"), 0);
    // No server listens at the address.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            source.common.url = format!("http://{address}").parse().expect("an address");
        }
    })
    .await;
    let ids = own_assets(&world);
    let input = json!({ "assetIds": ids });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(
        texts(&report["errors"], "/code"),
        ["UPSTREAM_UNAVAILABLE"; 3]
    );
}

#[tokio::test]
async fn a_delete_at_scenario_that_cannot_be_verified_is_unknown() {
    let world = world().await;
    let [scenario, ..] = own_assets(&world);
    let faults = &world.sandbox.scenario;
    rule(faults, "DELETE /v1/assets", 1, Fault::Lose);
    // The read before the delete succeeds; the reads after it fail.
    rule(
        faults,
        "POST /v1/assets/get-bulk",
        1,
        Fault::Replace("no such text".to_owned(), Vec::new()),
    );
    rule(faults, "POST /v1/assets/get-bulk", 3, status(403, ""));
    let input = json!({ "assetIds": [scenario] });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(texts(&report["errors"], "/code"), ["UNKNOWN_OUTCOME"]);
    assert_eq!(
        faults.recorder.count("POST /v1/assets/get-bulk"),
        4,
        "three reads after it"
    );
}

#[tokio::test]
async fn a_write_past_its_deadline_keeps_the_payloads() {
    let world = world_with(Options::default(), |config| {
        config.limits.mutation_deadline = Duration::from_secs(2);
    })
    .await;
    let [scenario, piktid, _] = own_assets(&world);
    let gate = Arc::new(Semaphore::new(0));
    // The note is written; the read that follows never gets an answer.
    world
        .sandbox
        .piktid
        .faults
        .add("GET /assets/", Fault::Hold(Arc::clone(&gate)));
    let answer = world
        .ask(&format!(
            "mutation {{ first: setAssetNote(input: {{assetId: \"{scenario}\", note: \"one\"}}) \
             {{ asset {{ note }} errors {{ code }} }} \
             second: setAssetNote(input: {{assetId: \"{piktid}\", note: \"two\"}}) \
             {{ asset {{ note }} errors {{ code }} }} \
             third: deleteAsset(input: {{assetId: \"{piktid}\"}}) {{ deletedId errors {{ code }} }} }}"
        ))
        .await;
    assert_eq!(answer.get("errors"), None, "{answer:#}");
    assert_eq!(answer["data"]["first"]["asset"]["note"], "one");
    assert_eq!(
        texts(&answer["data"]["second"]["errors"], "/code"),
        ["UNKNOWN_OUTCOME"]
    );
    // The deadline passed before this delete began, and its error says so.
    assert_eq!(answer["data"]["third"]["deletedId"], Value::Null);
    assert_eq!(
        texts(&answer["data"]["third"]["errors"], "/code"),
        ["UPSTREAM_TIMEOUT"]
    );
    assert_eq!(
        world
            .sandbox
            .piktid
            .recorder
            .count("POST /assets/bulk-delete"),
        0
    );
    gate.close();
}

#[tokio::test]
async fn comfys_refusals_have_specific_codes() {
    let world = world().await;
    let [.., comfy] = own_assets(&world);
    let faults = &world.sandbox.comfy;
    for (code, body, expected) in [
        (405, "405: Method Not Allowed", "NOT_FOUND"),
        (
            403,
            r#"{"error":{"code":"FORBIDDEN","message":"not yours"}}"#,
            "FORBIDDEN",
        ),
        (403, "", "FORBIDDEN"),
        (
            403,
            r#"{"code":"FORBIDDEN","message":"asset is immutable"}"#,
            "IMMUTABLE",
        ),
        (
            409,
            r#"{"code":"ASSET_IN_USE","message":"a workflow"}"#,
            "IN_USE",
        ),
        (409, "{}", "CONFLICT"),
        (404, "", "NOT_FOUND"),
        (402, "{}", "PAYMENT_REQUIRED"),
        (
            429,
            r#"{"error":{"type":"FREE_TIER_EXHAUSTED","message":"used up"}}"#,
            "PAYMENT_REQUIRED",
        ),
        (401, "{}", "UNAUTHENTICATED"),
        (
            422,
            r#"{"code":"RESERVED_TAG","message":"reserved"}"#,
            "UPSTREAM_REJECTED",
        ),
    ] {
        rule(faults, "DELETE /api/assets/", 1, status(code, body));
        let input = json!({ "assetId": comfy });
        let report = payload(&world, "deleteAsset", input, "deletedId").await;
        assert_eq!(
            texts(&report["errors"], "/code"),
            [expected],
            "{code} {body}"
        );
    }
}

#[tokio::test]
async fn one_bad_id_does_not_fail_the_others() {
    let world = world().await;
    let assets = mine(&world, 12);
    for (source, emulator, beginning) in [
        ("scenario", &world.sandbox.scenario, "DELETE /v1/assets"),
        ("piktid", &world.sandbox.piktid, "POST /assets/bulk-delete"),
    ] {
        let ids: Vec<String> = assets
            .iter()
            .filter(|(name, _)| *name == source)
            .map(|(source, id)| asset_id(source, id))
            .collect();
        // The source refuses the whole batch, then one of its parts.
        rule(
            emulator,
            beginning,
            2,
            status(422, r#"{"message":"one of them is bad"}"#),
        );
        let input = json!({ "assetIds": ids });
        let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
        let deleted = texts(&report["deletedIds"], "");
        assert_eq!(deleted.len(), ids.len(), "{report:#}");
    }
}

#[tokio::test]
async fn a_429_is_waited_out_by_every_write() {
    let world = world().await;
    let [scenario, piktid, comfy] = own_assets(&world);
    let later = || Fault::Answer {
        status: 429,
        content_type: "application/json",
        body: r#"{"remainingSeconds":0.2}"#.to_owned(),
    };
    for (emulator, beginning) in [
        (&world.sandbox.scenario, "PUT /v1/assets/"),
        (&world.sandbox.scenario, "DELETE /v1/assets"),
        (&world.sandbox.piktid, "PATCH /assets/"),
        (&world.sandbox.comfy, "POST /api/assets/"),
    ] {
        rule(emulator, beginning, 2, later());
    }
    let input = json!({ "assetIds": [scenario, piktid, comfy], "tags": ["model"] });
    let report = payload(&world, "addAssetTags", input, "assets { id }").await;
    assert_eq!(report["errors"], json!([]));
    let input = json!({ "assetIds": [scenario] });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(report["deletedIds"], json!([scenario]), "{report}");
    // A wait beyond the deadline: the error reports its length.
    world
        .sandbox
        .piktid
        .faults
        .add("PATCH /assets/", status(429, r#"{"remainingSeconds":600}"#));
    let input = json!({ "assetId": piktid, "note": "x" });
    let report = payload(&world, "setAssetNote", input, "asset { id }").await;
    assert_eq!(report["errors"][0]["code"], "RATE_LIMITED");
    assert_eq!(report["errors"][0]["retryAfterSeconds"], 600);
}

#[tokio::test]
async fn reads_never_see_old_after_new_during_a_write() {
    let world = world().await;
    let [_, id, _] = own_assets(&world);
    let read = format!(
        "{{ asset(id: \"{id}\") {{ note }} \
         assets(first: 100, filter: {{sources: [\"piktid\"]}}) {{ nodes {{ id note }} }} }}"
    );
    // Caches the asset and the list.
    world.data(&read).await;
    let gate = Arc::new(Semaphore::new(0));
    let late = Fault::Late(Arc::clone(&gate));
    rule(&world.sandbox.piktid, "PATCH /assets/", 1, late);
    let input = json!({ "assetId": id, "note": "new" });
    let write = payload(&world, "setAssetNote", input, "asset { note }");
    let reads = async {
        let is_written = || {
            let store = world.sandbox.store.piktid();
            store
                .iter()
                .any(|a| a.styling_note.as_deref() == Some("new"))
        };
        let mut last = false;
        while !is_written() {
            tokio::task::yield_now().await;
        }
        // The write has taken effect, but its answer has not arrived.
        for _ in 0..3 {
            let data = world.data(&read).await;
            let listed = data["assets"]["nodes"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|node| node["id"] == *id)
                .map(|node| node["note"] == "new");
            for is_new in [Some(data["asset"]["note"] == "new"), listed] {
                let is_new = is_new.expect("listed");
                assert!(is_new || !last, "old after new");
                last = is_new;
            }
        }
        gate.add_permits(1);
    };
    let (set, ()) = tokio::join!(write, reads);
    assert_eq!(set["asset"]["note"], "new");
}

#[tokio::test]
async fn concurrent_readers_never_see_old_after_new() {
    let world = Arc::new(world().await);
    let ids = own_assets(&world);
    let is_over = Arc::new(AtomicBool::new(false));
    let readers = (0..6).map(|reader| {
        let (world, is_over, ids) = (Arc::clone(&world), Arc::clone(&is_over), ids.clone());
        tokio::spawn(async move {
            let mut last = [0_u64; 3];
            while !is_over.load(Ordering::SeqCst) {
                let query = if reader % 2 == 0 {
                    format!(
                        "{{ nodes(ids: {}) {{ ... on Asset {{ id note }} }} }}",
                        json!(ids)
                    )
                } else {
                    "{ assets(first: 100) { nodes { id note } } }".to_owned()
                };
                let data = world.data(&query).await;
                let nodes = data.pointer("/nodes").or(data.pointer("/assets/nodes"));
                for node in nodes.and_then(Value::as_array).into_iter().flatten() {
                    let Some(index) = ids.iter().position(|id| node["id"] == *id) else {
                        continue;
                    };
                    let note = node["note"].as_str().and_then(|note| note.parse().ok());
                    let note: u64 = note.unwrap_or(0);
                    assert!(note >= last[index], "{note} after {}", last[index]);
                    last[index] = note;
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for number in 1..=15 {
        let writes = ids.iter().map(|id| {
            let input = json!({ "assetId": id, "note": number.to_string() });
            payload(&world, "setAssetNote", input, "asset { note }")
        });
        for set in join_all(writes).await {
            assert_eq!(set["errors"], json!([]));
        }
    }
    is_over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("no reader saw old after new");
    }
}

#[tokio::test]
async fn a_later_mutation_of_one_operation_rereads() {
    let world = world().await;
    let (child, parent) = {
        let store = world.sandbox.store.scenario();
        let child = store
            .iter()
            .find(|a| a.owner_id == "proj_sandbox" && a.parent.is_some() && a.deleted.is_none())
            .expect("one with a parent");
        let parent = child.parent.clone().expect("a parent");
        (
            asset_id("scenario", &child.id),
            asset_id("scenario", &parent),
        )
    };
    let note = |name: &str| {
        format!(
            "{name}: setAssetNote(input: {{assetId: \"{child}\", note: \"{name}\"}}) \
             {{ asset {{ parent {{ tags }} }} errors {{ message }} }}"
        )
    };
    let data = world
        .data(&format!(
            "mutation {{ {} b: addAssetTags(input: {{assetIds: [\"{parent}\"], tags: [\"fresh\"]}}) \
             {{ errors {{ message }} }} {} }}",
            note("a"),
            note("c")
        ))
        .await;
    let tags = |name: &str| data[name]["asset"]["parent"]["tags"].to_string();
    assert!(!tags("a").contains("fresh"), "{data:#}");
    assert!(tags("c").contains("fresh"), "{data:#}");
}

#[tokio::test]
async fn numbers_in_comfys_metadata_survive_a_note() {
    let world = world().await;
    let [.., comfy] = own_assets(&world);
    let metadata = r#"{"seed":18446744073709551616,"cfg":7.50000000000000000001,"n":{"a":[null]}}"#;
    for asset in world.sandbox.store.comfy().iter_mut() {
        if asset_id("comfy", &asset.id) == comfy {
            asset
                .overrides
                .insert("user_metadata".to_owned(), raw(metadata));
        }
    }
    let input = json!({ "assetId": comfy, "note": "x" });
    payload(&world, "setAssetNote", input, "asset { id }").await;
    let calls = world.sandbox.comfy.recorder.calls();
    let put = calls
        .iter()
        .find(|call| call.method == "PUT")
        .expect("a PUT");
    for part in [
        "18446744073709551616",
        "7.50000000000000000001",
        r#"{"a":[null]}"#,
        r#""user_description":"x""#,
    ] {
        assert!(put.body.contains(part), "{part} in {}", put.body);
    }
}

#[tokio::test]
async fn ids_are_returned_as_they_were_sent() {
    let world = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            if source.common.name.as_str() == "piktid" {
                source.common.former_names = vec![SourceName::parse("older").expect("a name")];
            }
        }
    })
    .await;
    let (_, upstream) = mine(&world, 1)
        .into_iter()
        .find(|(source, _)| *source == "piktid")
        .expect("one");
    let (current, former) = (asset_id("piktid", &upstream), asset_id("older", &upstream));
    let input = json!({ "assetIds": [former, current, "bad", "bad"] });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(
        report["deletedIds"],
        json!([former]),
        "once, as it came first"
    );
    assert_eq!(texts(&report["errors"], "/assetId"), ["bad"]);
    let field_path = json!(["input", "assetIds", "2"]);
    assert_eq!(report["errors"][0]["field"], field_path);
    // A missing note clears nothing.
    let answer = world
        .ask(&format!(
            "mutation {{ setAssetNote(input: {{assetId: \"{former}\"}}) {{ asset {{ id }} }} }}"
        ))
        .await;
    assert_eq!(error(&answer).0, "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn an_html_page_instead_of_an_answer_is_an_unknown_outcome() {
    let world = world().await;
    let [.., comfy] = own_assets(&world);
    let page = Fault::Answer {
        status: 200,
        content_type: "text/html",
        body: "<html>log in</html>".to_owned(),
    };
    rule(&world.sandbox.comfy, "DELETE /api/assets/", 1, page);
    let input = json!({ "assetId": comfy });
    let report = payload(&world, "deleteAsset", input, "deletedId").await;
    assert_eq!(report["deletedId"], Value::Null);
    assert_eq!(texts(&report["errors"], "/code"), ["UNKNOWN_OUTCOME"]);
}
