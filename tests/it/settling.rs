//! A write whose answer is lost is settled where possible, and reported as unknown elsewhere.

use std::time::Duration;

use asset_gateway::sandbox::{Emulator, Fault, Options, Rule};
use serde_json::json;

use crate::{
    harness::{asset_id, texts, world, world_with},
    uploads::{codes, file, png, steps},
    writes::{own_assets, payload},
};

fn rule(emulator: &Emulator, beginning: &str, times: usize, fault: Fault) {
    emulator.faults.push(Rule {
        beginning: beginning.to_owned(),
        times: Some(times),
        fault,
    });
}

fn status_fault(status: u16) -> Fault {
    Fault::Answer {
        status,
        content_type: "application/json",
        body: "{}".to_owned(),
    }
}

/// A fault without effect: the emulator answers as usual.
fn no_fault() -> Fault {
    Fault::Replace("no such text".to_owned(), Vec::new())
}

#[tokio::test]
async fn a_change_that_never_arrived_is_sent_again() {
    for lost in [Fault::Reset, Fault::Lose] {
        let world = world().await;
        let sandbox = &world.sandbox;
        for (emulator, id) in [&sandbox.scenario, &sandbox.piktid, &sandbox.comfy]
            .into_iter()
            .zip(own_assets(&world))
        {
            for method in ["PUT", "PATCH", "POST /api/assets/"] {
                rule(emulator, method, 1, lost.clone());
            }
            let tags = json!({ "assetIds": [id], "tags": ["model"] });
            let tagged = payload(&world, "addAssetTags", tags, "assets { tags }").await;
            assert_eq!(tagged["errors"], json!([]), "{tagged}");
            emulator.faults.clear();
            for method in ["PUT", "PATCH"] {
                rule(emulator, method, 1, lost.clone());
            }
            let note = json!({ "assetId": id, "note": "once" });
            let noted = payload(&world, "setAssetNote", note, "asset { note }").await;
            assert_eq!(noted["asset"]["note"], "once", "{noted}");
            emulator.faults.clear();
        }
    }
}

#[tokio::test]
async fn a_refused_retry_leaves_the_outcome_unknown() {
    let world = world().await;
    let [scenario, ..] = own_assets(&world);
    rule(&world.sandbox.scenario, "PUT", 1, Fault::Reset);
    rule(&world.sandbox.scenario, "PUT", 1, status_fault(400));
    let tags = json!({ "assetIds": [scenario], "tags": ["model"] });
    let tagged = payload(&world, "addAssetTags", tags, "assets { tags }").await;
    assert_eq!(codes(&tagged), ["UNKNOWN_OUTCOME"], "{tagged}");
}

#[tokio::test]
async fn a_delete_that_never_arrived_is_sent_again() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let calls = ["DELETE", "POST /assets/bulk-delete", "DELETE"];
    let emulators = [&sandbox.scenario, &sandbox.piktid, &sandbox.comfy];
    for ((emulator, call), id) in emulators.into_iter().zip(calls).zip(own_assets(&world)) {
        rule(emulator, call, 1, Fault::Reset);
        let input = json!({ "assetId": id });
        let report = payload(&world, "deleteAsset", input, "deletedId").await;
        assert_eq!(report["deletedId"], id, "{report}");
        assert_eq!(emulator.recorder.count(call), 2);
    }
}

#[tokio::test]
async fn a_refused_batch_with_a_missing_asset_is_split() {
    let world = world().await;
    let existing: Vec<String> = world
        .sandbox
        .store
        .scenario()
        .iter()
        .filter(|a| a.owner_id == "proj_sandbox" && a.deleted.is_none())
        .take(3)
        .map(|a| asset_id("scenario", &a.id))
        .collect();
    for status in [403, 400] {
        rule(&world.sandbox.scenario, "DELETE", 1, status_fault(status));
    }
    let gone = asset_id("scenario", "asset_gone");
    let ids: Vec<&String> = existing.iter().chain([&gone]).collect();
    let input = json!({ "assetIds": ids });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    let mut deleted = texts(&report["deletedIds"], "");
    // The second refusal concerns a single asset, whose delete fails.
    assert_eq!(deleted.len(), 2, "{report}");
    let mut failed: Vec<(String, String)> = texts(&report["errors"], "/assetId")
        .into_iter()
        .zip(texts(&report["errors"], "/code"))
        .collect();
    failed.retain(|(id, _)| *id != gone);
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!(failed[0].1, "UPSTREAM_REJECTED");
    deleted.push(failed[0].0.clone());
    deleted.sort();
    let mut expected = existing;
    expected.sort();
    assert_eq!(deleted, expected);
}

#[tokio::test]
async fn an_upload_of_unknown_outcome_invalidates_cached_lists() {
    let world = world().await;
    let list = "{ assets(first: 3, filter: {sources: [\"comfy\"]}) { nodes { name } } }";
    world.data(list).await;
    rule(&world.sandbox.comfy, "POST /api/assets", 1, Fault::Reset);
    let upload = world
        .upload(json!({ "source": "comfy" }), file("late.png", png(500)))
        .await;
    assert_eq!(codes(&upload), ["UNKNOWN_OUTCOME"], "{upload}");
    // The error message asks clients to read before they retry.
    world.data(list).await;
    let late = {
        let mut store = world.sandbox.store.comfy();
        let mut late = store[0].clone();
        late.id = "3c90c3cc-0d44-4b50-8888-8dd25736052a".to_owned();
        late.name = "late.png".to_owned();
        late.created = jiff::Timestamp::now().as_microsecond();
        late.tags = vec!["input".to_owned()];
        late.is_public = false;
        store.push(late.clone());
        late.name
    };
    let after = world.data(list).await;
    let names = texts(&after["assets"]["nodes"], "/name");
    assert!(names.contains(&late), "{names:?}");
}

/// The first bytes of a video, padded to `length`.
fn clip(length: usize) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
    bytes.resize(length, 7);
    bytes
}

#[tokio::test]
async fn a_part_of_an_upload_is_sent_again_from_disk() {
    let world = world().await;
    let scenario = &world.sandbox.scenario;
    let large = 17 * 1024 * 1024;
    for fault in [status_fault(503), Fault::Reset] {
        rule(scenario, "PUT /files/part/", 1, fault);
    }
    let upload = world
        .upload(
            json!({ "source": "scenario" }),
            file("clip.mp4", clip(large)),
        )
        .await;
    assert_eq!(upload["errors"], json!([]), "{upload}");
    let stored = world.sandbox.store.scenario().last().cloned();
    let (_, bytes) = stored.and_then(|asset| asset.file.uploaded).expect("bytes");
    assert!(bytes == clip(large), "every byte in its place");
    // The gateway cannot send a streamed file again.
    rule(scenario, "PUT /files/part/", 1, status_fault(503));
    let input = json!({ "source": "scenario", "byteLength": 5_000 });
    let upload = world.upload(input, file("clip.mp4", clip(5_000))).await;
    assert_eq!(codes(&upload), ["UPSTREAM_UNAVAILABLE"], "{upload}");
}

#[tokio::test]
async fn a_tag_that_the_server_keeps_is_not_reported_as_removed() {
    let world = world().await;
    let id = {
        let mut store = world.sandbox.store.comfy();
        let asset = store
            .iter_mut()
            .find(|a| !a.is_immutable)
            .expect("an asset");
        asset.tags = ["input", "webcam", "mine"].map(str::to_owned).to_vec();
        asset_id("comfy", &asset.id)
    };
    for (tags, code) in [
        (json!(["webcam"]), "UNSUPPORTED_BY_SOURCE"),
        (json!(["webcam", "mine"]), "UNKNOWN_OUTCOME"),
    ] {
        let input = json!({ "assetIds": [id], "tags": tags });
        let report = payload(&world, "removeAssetTags", input, "assets { tags }").await;
        assert_eq!(codes(&report), [code], "{report}");
        let message = report["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains("webcam"), "{message}");
        assert_eq!(report["assets"], json!([]));
    }
    // The asset that is read back decides, not the answer.
    let piktid = &world.sandbox.piktid;
    let [_, own_assets, _] = own_assets(&world);
    let tags = json!({ "assetIds": [own_assets], "tags": ["model"] });
    payload(&world, "addAssetTags", tags.clone(), "assets { tags }").await;
    rule(piktid, "PATCH", 1, status_fault(200));
    let report = payload(&world, "removeAssetTags", tags, "assets { tags }").await;
    assert_eq!(codes(&report), ["UNSUPPORTED_BY_SOURCE"], "{report}");
}

#[tokio::test]
async fn known_bytes_without_a_file_are_not_reported_as_done() {
    let world = world().await;
    let model = json!({
        "source": "comfy",
        "options": { "comfy": { "destination": "MODELS", "modelType": "loras" } },
    });
    let bytes = png(900);
    let first = world
        .upload(model.clone(), file("a.safetensors", bytes.clone()))
        .await;
    assert_eq!(first["errors"], json!([]), "{first}");
    let again = world
        .upload(model, file("a.safetensors", bytes.clone()))
        .await;
    assert_eq!(again["created"], false);
    assert_eq!(steps(&again)[0], "FILE FAILED", "{again}");
    let message = again["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("`loras`"), "{message}");
    // Known bytes whose file exists.
    let input = json!({ "source": "comfy" });
    let repeated = world
        .upload(input.clone(), file("b.png", bytes.clone()))
        .await;
    assert_eq!(
        (&repeated["created"], &repeated["errors"]),
        (&json!(false), &json!([]))
    );
    // Known bytes whose file is gone.
    let comfy = &world.sandbox.comfy;
    rule(comfy, "GET /api/assets/", 1, no_fault());
    rule(comfy, "GET /api/assets/", 1, status_fault(404));
    let lost = world.upload(input, file("c.png", bytes)).await;
    assert_eq!(steps(&lost)[0], "FILE FAILED", "{lost}");
    let message = lost["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("lost"), "{message}");
}

#[tokio::test]
async fn looking_up_failed_deletes_counts_as_calls() {
    let world = world_with(Options::default(), |config| {
        config.limits.mutation_calls = 12;
        config.limits.mutation_deadline = Duration::from_secs(20);
    })
    .await;
    let upstream_ids: Vec<String> = world
        .sandbox
        .store
        .piktid()
        .iter()
        .filter(|a| a.created_by == "ada")
        .take(10)
        .map(|a| a.id.clone())
        .collect();
    let batch_answer = Fault::Answer {
        status: 200,
        content_type: "application/json",
        body: json!({ "deleted_count": 0, "failed_ids": upstream_ids }).to_string(),
    };
    rule(
        &world.sandbox.piktid,
        "POST /assets/bulk-delete",
        1,
        batch_answer,
    );
    let ids: Vec<String> = upstream_ids
        .iter()
        .map(|id| asset_id("piktid", id))
        .collect();
    let input = json!({ "assetIds": ids });
    let report = payload(&world, "bulkDeleteAssets", input, "deletedIds").await;
    assert_eq!(codes(&report), ["UPSTREAM_REJECTED"; 10], "{report}");
    let looks = world.sandbox.piktid.recorder.count("GET /assets/");
    assert_eq!(looks, 0, "there were not enough calls left");
}
