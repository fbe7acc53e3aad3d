//! An unreadable asset does not fail its page.

use asset_gateway::sandbox::{Fault, json as raw};
use serde_json::{Value, json};

use crate::harness::{ask_at, asset_id, error, texts, world};

const LIST: &str = "{ assets(first: 20, filter: { providers: [COMFY] }) { nodes { upstreamId }
    isComplete sourceResults { status unreadableAssets { upstreamId path message } } } }";

#[tokio::test]
async fn an_unreadable_row_does_not_affect_its_neighbours() {
    for (field, text) in [
        ("user_metadata", r#"{"a": "\ud800"}"#.to_owned()),
        (
            "user_metadata",
            format!("{}1{}", "[".repeat(200), "]".repeat(200)),
        ),
        ("name", "7".to_owned()),
        ("tags", r#"{"not": "a list"}"#.to_owned()),
        ("created_at", "\"yesterday\"".to_owned()),
        ("id", "null".to_owned()),
    ] {
        let world = world().await;
        let before = world.data(LIST).await;
        let ids = texts(&before["assets"]["nodes"], "/upstreamId");
        let other = world.sandbox.store.comfy()[5].id.clone();
        let bad = ids.iter().position(|id| *id == other).expect("on the page");
        world.sandbox.store.comfy()[5]
            .overrides
            .insert(field.to_owned(), raw(&text));
        // A gateway that has not cached the page.
        let second = crate::harness::gateway(crate::harness::config(&world.sandbox)).await;
        let body = json!({ "query": LIST }).to_string();
        let response = world
            .client
            .post(format!("http://{}/graphql", second.0))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        let answer: Value =
            serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or_default();
        let page = &answer["data"]["assets"];
        let mut left = ids.clone();
        left.remove(bad);
        assert_eq!(
            texts(&page["nodes"], "/upstreamId"),
            left,
            "{field}: {text}"
        );
        let reported = &page["sourceResults"][0]["unreadableAssets"];
        assert_eq!(
            reported.as_array().map(Vec::len),
            Some(1),
            "{field} {answer:#}"
        );
        let path = reported[0]["path"].as_str().unwrap_or_default();
        assert!(
            path.starts_with(&format!("assets[{bad}].{field}")),
            "{path}"
        );
        if field != "id" {
            assert_eq!(reported[0]["upstreamId"], json!(other));
        }
        assert_eq!(page["sourceResults"][0]["status"], "OK");
        assert_eq!(page["isComplete"], false, "a row is missing");
        second.1.abort();
    }
}

#[tokio::test]
async fn a_bad_row_read_by_id_is_a_typed_error_with_its_path() {
    let world = world().await;
    let id = world.sandbox.store.comfy()[0].id.clone();
    world.sandbox.store.comfy()[0]
        .overrides
        .insert("tags".to_owned(), raw("[1]"));
    let answer = world
        .ask(&format!(
            "{{ asset(id: \"{}\") {{ name }} }}",
            asset_id("comfy", &id)
        ))
        .await;
    let (code, message) = error(&answer);
    assert_eq!(code, "UPSTREAM_PROTOCOL");
    assert!(message.contains("asset.tags[0]"), "{message}");
}

#[tokio::test]
async fn a_bad_row_in_a_batch_leaves_its_siblings() {
    let world = world().await;
    let (good, bad) = {
        let mut store = world.sandbox.store.scenario();
        store[1].overrides.insert("mimeType".to_owned(), raw("[]"));
        (store[0].id.clone(), store[1].id.clone())
    };
    let answer = world
        .ask(&format!(
            "{{ good: asset(id: \"{}\") {{ upstreamId }} bad: asset(id: \"{}\") {{ upstreamId }} }}",
            asset_id("scenario", &good),
            asset_id("scenario", &bad)
        ))
        .await;
    assert_eq!(answer["data"]["good"]["upstreamId"], json!(good));
    assert_eq!(answer["data"]["bad"], Value::Null);
    assert_eq!(error(&answer).0, "UPSTREAM_PROTOCOL");
}

#[tokio::test]
async fn a_detail_of_another_type_reads_as_absent() {
    let world = world().await;
    let id = {
        let mut store = world.sandbox.store.scenario();
        store[0]
            .metadata
            .insert("guidance".to_owned(), json!("very"));
        store[0]
            .metadata
            .insert("numInferenceSteps".to_owned(), json!(28.5));
        store[0].id.clone()
    };
    let data = world
        .data(&format!(
            "{{ asset(id: \"{}\") {{ raw details {{ ... on ScenarioDetails {{ metadata {{ guidance numInferenceSteps }} }} }} }} }}",
            asset_id("scenario", &id)
        ))
        .await;
    let metadata = &data["asset"]["details"]["metadata"];
    assert_eq!(
        (&metadata["guidance"], &metadata["numInferenceSteps"]),
        (&Value::Null, &json!(28.5))
    );
    assert_eq!(
        data["asset"]["raw"]["metadata"]["guidance"], "very",
        "as sent"
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_or_no_json_lose_only_their_row() {
    let world = world().await;
    let before = world.data(LIST).await;
    let ids = texts(&before["assets"]["nodes"], "/upstreamId");
    for (by, message) in [
        (b"\xff\xfe".to_vec(), "it holds bytes that are not UTF-8"),
        (b"a\x01b".to_vec(), "it is null, or no JSON"),
        (
            b"\", \"more\": NaN, \"x\": \"".to_vec(),
            "it is null, or no JSON",
        ),
    ] {
        world.sandbox.comfy.faults.clear();
        let fault = Fault::Replace("fox_00001_".to_owned(), by);
        world.sandbox.comfy.faults.add("GET /api/assets", fault);
        // A gateway that has not cached the page.
        let gateway = crate::harness::gateway(crate::harness::config(&world.sandbox)).await;
        let answer = ask_at(gateway.0, LIST).await;
        let page = &answer["data"]["assets"];
        let shown = texts(&page["nodes"], "/upstreamId");
        assert_eq!(shown.len(), ids.len() - 1, "{answer:#}");
        assert!(
            shown.iter().all(|id| ids.contains(id)),
            "the neighbours are whole"
        );
        let reported = &page["sourceResults"][0]["unreadableAssets"];
        assert_eq!(reported.as_array().map(Vec::len), Some(1), "{answer:#}");
        let reason = reported[0]["message"].as_str().unwrap_or_default();
        assert!(reason.starts_with(message), "{reason}");
        gateway.1.abort();
    }
}
