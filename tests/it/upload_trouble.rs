//! Uploads during failures of the client, the request or the source.

use std::time::Duration;

use asset_gateway::sandbox::{Dialect, Fault, Options, Rule};
use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt, stream};
use reqwest::{
    Body,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{TestGateway, error, open_socket, texts, world, world_with},
    uploads::{UPLOAD, codes, file, form, png, steps},
};

/// More than the buffers of sockets hold.
const LARGE: usize = 20 << 20;

fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer {
        status,
        content_type: "application/json",
        body: body.to_owned(),
    }
}

fn once(beginning: &str, fault: Fault) -> Rule {
    Rule {
        beginning: beginning.to_owned(),
        times: Some(1),
        fault,
    }
}

/// A picture in pieces, with a pause before each.
fn slowly(
    piece: usize,
    count: usize,
    pause: Duration,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let bytes = png(piece * count);
    let pieces: Vec<Bytes> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    stream::iter(pieces).then(move |piece| async move {
        // Simulates a slow client.
        tokio::time::sleep(pause).await;
        Ok(piece)
    })
}

fn slow_file(piece: usize, count: usize, pause: Duration) -> Part {
    Part::stream(Body::wrap_stream(slowly(piece, count, pause))).file_name("slow.png")
}

#[tokio::test]
async fn refusals_reach_a_client_that_still_sends() {
    let world = world_with(Options::default(), |config| {
        config.limits.upload_bytes = 1 << 20;
    })
    .await;
    let url = world.url("/graphql");
    let body = |map: &str| {
        let head = format!(
            "--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{map}\r\n\
             --B\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a.png\"\r\n\r\n",
            json!({ "query": UPLOAD, "variables": { "input": { "source": "comfy", "file": null } } })
        );
        let pieces = [
            Bytes::from(head),
            Bytes::from(png(LARGE)),
            Bytes::from("\r\n--B--\r\n"),
        ];
        Body::wrap_stream(stream::iter(pieces.map(std::io::Result::Ok)))
    };
    let map = r#"{"0":["variables.input.file"]}"#;
    let post = || {
        world
            .client
            .post(&url)
            .header("content-type", "multipart/form-data; boundary=B")
    };
    let ready = || post().header("graphql-require-preflight", "1");
    let length = LARGE.to_string();
    for (what, request, status) in [
        ("no preflight", post().body(body(map)), 400),
        (
            "a wrong path",
            ready().body(body(r#"{"0":["variables.x"]}"#)),
            400,
        ),
        (
            "not acceptable",
            ready().header("accept", "text/css").body(body(map)),
            406,
        ),
        (
            "another host",
            ready().header("host", "evil.example").body(body(map)),
            421,
        ),
        (
            "no multipart",
            world
                .client
                .post(&url)
                .header("content-type", "text/plain")
                .body(body(map)),
            415,
        ),
        ("too large", ready().body(body(map)), 200),
        (
            "too large, announced",
            ready().header("content-length", &length).body(png(LARGE)),
            400,
        ),
        ("no boundary in it", ready().body(vec![b'x'; LARGE]), 400),
        (
            "endless headers",
            ready().body([b"--B\r\nX: ".to_vec(), vec![b'x'; LARGE]].concat()),
            400,
        ),
        (
            "large JSON",
            world
                .client
                .post(&url)
                .header("content-type", "application/json")
                .body(vec![b' '; LARGE]),
            413,
        ),
    ] {
        let response = request.send().await;
        let response = response.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(response.status(), status, "{what}");
        let text = response.text().await.expect("a body");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let code = answer
            .pointer("/errors/0/extensions/code")
            .or(answer.pointer("/data/uploadAsset/errors/0/code"));
        assert!(code.is_some_and(Value::is_string), "{what}: {text}");
    }
}

#[tokio::test]
async fn the_deadline_counts_from_the_last_piece() {
    let world = world_with(Options::default(), |config| {
        config.limits.mutation_deadline = Duration::from_millis(1_500);
    })
    .await;
    for source in ["comfy", "piktid"] {
        // Takes longer than the mutation's deadline; PiktID's file is spooled to disk meanwhile.
        let part = slow_file(40_000, 25, Duration::from_millis(100));
        let payload = world.upload(json!({ "source": source }), part).await;
        assert_eq!(payload["errors"], json!([]), "{source}: {payload:#}");
    }
}

#[tokio::test]
async fn a_client_that_sends_too_slowly_times_out() {
    let world = world_with(Options::default(), |config| {
        config.limits.upload_idle = Duration::from_millis(500);
    })
    .await;
    let part = slow_file(1_000, 200, Duration::from_millis(100));
    let payload = world.upload(json!({ "source": "comfy" }), part).await;
    assert_eq!(codes(&payload), ["BAD_USER_INPUT"]);
    let message = payload["errors"][0]["message"].to_string();
    assert!(message.contains("no piece of the file"), "{message}");
}

#[tokio::test]
async fn an_unused_file_is_skipped_piece_by_piece() {
    let world = world_with(Options::default(), |config| {
        config.limits.upload_idle = Duration::from_millis(600);
        config.limits.mutation_deadline = Duration::from_secs(2);
        config.limits.upload_bytes = 1_500_000;
    })
    .await;
    let query = "mutation($a: Upload, $b: Upload) { \
         a: uploadAsset(input: {source: \"piktid\", file: $a, tags: [\"no such tag\"]}) { errors { code } } \
         b: uploadAsset(input: {source: \"comfy\", file: $b}) { asset { name } errors { code message } } }";
    let operations = json!({ "query": query, "variables": { "a": null, "b": null } });
    // Takes longer than `upload_idle` and the mutation's deadline, and exceeds `upload_bytes`.
    let form = Form::new()
        .text("operations", operations.to_string())
        .text("map", r#"{"a": ["variables.a"], "b": ["variables.b"]}"#)
        .part("a", slow_file(60_000, 30, Duration::from_millis(100)))
        .part("b", file("b.png", png(5_000)));
    let (status, answer) = world.multipart(form).await;
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(codes(&answer["data"]["a"]), ["BAD_USER_INPUT"]);
    assert_eq!(answer["data"]["b"]["asset"]["name"], "b.png", "{answer:#}");
}

#[tokio::test]
async fn a_file_is_sent_once_and_an_unclear_answer_is_an_unknown_outcome() {
    let world = world().await;
    let sandbox = &world.sandbox;
    for (source, emulator, call) in [
        ("scenario", &sandbox.scenario, "POST /v1/assets"),
        ("comfy", &sandbox.comfy, "POST /api/assets"),
    ] {
        for (fault, code) in [
            (answer(500, "{}"), "UNKNOWN_OUTCOME"),
            (answer(502, "<html>"), "UNKNOWN_OUTCOME"),
            (Fault::Lose, "UNKNOWN_OUTCOME"),
            (answer(400, r#"{"message":"no"}"#), "UPSTREAM_REJECTED"),
            (answer(413, "{}"), "PAYLOAD_TOO_LARGE"),
            (answer(415, "{}"), "UNSUPPORTED_MEDIA_TYPE"),
            (answer(401, "{}"), "UNAUTHENTICATED"),
        ] {
            emulator.recorder.clear();
            emulator.faults.push(once(call, fault.clone()));
            let input = json!({ "source": source });
            let payload = world.upload(input, file("a.png", png(20_000))).await;
            assert_eq!(codes(&payload), [code], "{source} {fault:?}");
            let state = if code == "UNKNOWN_OUTCOME" {
                "UNKNOWN"
            } else {
                "FAILED"
            };
            assert_eq!(steps(&payload)[0], format!("FILE {state}"));
            let calls = emulator.recorder.calls();
            let sent = calls
                .iter()
                .filter(|c| format!("{} {}", c.method, c.path) == call);
            assert_eq!(sent.count(), 1, "{source} {fault:?}");
        }
    }
}

#[tokio::test]
async fn scenarios_upload_status_decides_the_outcome() {
    let world = world().await;
    let emulator = &world.sandbox.scenario;
    let large = || file("a.png", png(3_600_000));
    let input = json!({ "source": "scenario" });
    // The completion succeeds, but its answer is lost.
    emulator
        .faults
        .push(once("POST /v1/uploads/upload_000001/action", Fault::Lose));
    let payload = world.upload(input.clone(), large()).await;
    assert_eq!(payload["errors"], json!([]), "{payload:#}");
    assert!(payload["asset"]["id"].is_string());
    // Scenario reports that its processing failed.
    let failed = r#"{"upload":{"id":"upload_000002","status":"failed","errorMessage":"no picture","parts":null}}"#;
    emulator
        .faults
        .push(once("GET /v1/uploads/", answer(200, failed)));
    let payload = world.upload(input.clone(), large()).await;
    assert_eq!(codes(&payload), ["UPSTREAM_REJECTED"]);
    assert_eq!(payload["upload"]["status"], "FAILED");
    assert_eq!(payload["upload"]["upstreamId"], "upload_000002");
    // A part is refused: the gateway does not send the rest.
    emulator
        .faults
        .push(once("PUT /files/part/", answer(403, "")));
    let payload = world.upload(input.clone(), large()).await;
    assert_eq!(codes(&payload), ["FORBIDDEN"]);
    assert_eq!(payload["upload"]["status"], "FAILED");
    // Scenario no longer reports on the upload.
    emulator
        .faults
        .push(once("GET /v1/uploads/", answer(404, "")));
    let payload = world.upload(input, large()).await;
    assert_eq!(codes(&payload), ["NOT_FOUND"]);
}

#[tokio::test]
async fn an_asset_that_is_not_readable_yet_still_gets_its_tags() {
    let world = world().await;
    let reads = || {
        let piktid = &world.sandbox.piktid.faults;
        for _ in 0..3 {
            piktid.push(once("GET /assets/", answer(404, "")));
        }
    };
    reads();
    let input = json!({ "source": "piktid", "tags": ["model"], "note": "x" });
    let payload = world.upload(input, file("a.png", png(5_000))).await;
    assert_eq!(payload["errors"], json!([]), "{payload:#}");
    assert_eq!(steps(&payload), ["FILE DONE", "TAGS DONE", "NOTE DONE"]);
    assert_eq!(payload["asset"]["tags"], json!(["model"]));
}

#[tokio::test]
async fn changes_sent_with_known_bytes_are_applied_or_reported() {
    let options = Options {
        dialect: Dialect::Published,
        ..Options::default()
    };
    let world = world_with(options, |_| {}).await;
    let input = json!({ "source": "comfy", "name": "one.png" });
    let first = world.upload(input, file("a", png(2_000))).await;
    let input = json!({ "source": "comfy", "name": "two.png", "tags": ["fox"], "note": "again" });
    let second = world.upload(input, file("a", png(2_000))).await;
    assert_eq!(second["created"], false);
    assert_eq!(second["asset"]["id"], first["asset"]["id"]);
    assert_eq!(
        steps(&second),
        ["FILE DONE", "NAME FAILED", "TAGS DONE", "NOTE DONE"]
    );
    assert_eq!(codes(&second), ["UNSUPPORTED_BY_SOURCE"]);
    assert_eq!(second["asset"]["note"], "again");
    assert!(texts(&second["asset"]["tags"], "").contains(&"fox".to_owned()));
    // A second destination is refused before the gateway sends anything.
    let before = world.sandbox.comfy.recorder.count("POST");
    let input = json!({ "source": "comfy", "tags": ["output"] });
    let payload = world.upload(input, file("a", png(3_000))).await;
    assert_eq!(codes(&payload), ["BAD_USER_INPUT"]);
    assert_eq!(world.sandbox.comfy.recorder.count("POST"), before);
}

#[tokio::test]
async fn a_repeated_outcome_shows_the_current_asset() {
    let world = world().await;
    let input = json!({ "source": "scenario", "idempotencyKey": "k" });
    let again = || world.upload(input.clone(), file("a.png", png(4_000)));
    let first = again().await;
    let id = first["asset"]["id"].as_str().expect("an id");
    let change = |field: &str, input: &str, selection: &str| {
        format!("mutation {{ {field}(input: {{{input}}}) {{ {selection} errors {{ message }} }} }}")
    };
    let tags = format!("assetIds: [\"{id}\"], tags: [\"fox\"]");
    world.data(&change("addAssetTags", &tags, "")).await;
    assert_eq!(again().await["asset"]["tags"], json!(["fox"]));
    let delete = format!("assetIds: [\"{id}\"], idempotencyKey: \"d\"");
    let delete = change("bulkDeleteAssets", &delete, "deletedIds");
    let deletes = (0..4).map(|_| world.data(&delete));
    for report in futures_util::future::join_all(deletes).await {
        assert_eq!(report["bulkDeleteAssets"]["deletedIds"], json!([id]));
    }
    assert_eq!(
        world.data(&delete).await["bulkDeleteAssets"]["deletedIds"],
        json!([id]),
        "told again"
    );
    assert_eq!(
        world.sandbox.scenario.recorder.count("DELETE /v1/assets"),
        1
    );
    let gone = again().await;
    assert_eq!(gone["asset"], Value::Null);
    assert_eq!(codes(&gone), ["NOT_FOUND"]);
    assert_eq!(gone["errors"][0]["assetId"], *id);
}

#[tokio::test]
async fn an_incomplete_file_leaves_its_idempotency_key_unused() {
    let world = world_with(Options::default(), |config| {
        config.limits.upload_idle = Duration::from_millis(300);
    })
    .await;
    for source in ["piktid", "comfy"] {
        let key = format!("key of {source}");
        let input = json!({ "source": source, "byteLength": 50_000, "idempotencyKey": key });
        let silent = slowly(10_000, 3, Duration::ZERO).chain(stream::pending());
        let part = Part::stream(Body::wrap_stream(silent)).file_name("a.png");
        let payload = world.upload(input.clone(), part).await;
        assert_eq!(codes(&payload), ["BAD_USER_INPUT"], "{payload:#}");
        let payload = world.upload(input, file("a.png", png(50_000))).await;
        assert_eq!(payload["errors"], json!([]), "{source}: {payload:#}");
    }
}

#[tokio::test]
async fn files_over_a_websocket_are_refused() {
    let world = world().await;
    let opened = open_socket(world.address, "graphql-transport-ws", None).await;
    let mut socket = opened.expect("a socket");
    let mut send = async |message: Value| {
        let text = message.to_string();
        socket.send(Message::text(text)).await.expect("sent");
        loop {
            let got = socket.next().await.expect("an answer").expect("a message");
            if let Message::Text(text) = got {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if message["type"] != "complete" {
                    return message;
                }
            }
        }
    };
    send(json!({ "type": "connection_init" })).await;
    for value in [json!("0"), Value::Null] {
        let variables = json!({ "input": { "source": "comfy", "file": value } });
        let payload = json!({ "query": UPLOAD, "variables": variables });
        let got = send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        let errors = got
            .pointer("/payload/errors")
            .or(got.get("payload"))
            .expect("errors");
        let code = &errors[0]["extensions"]["code"];
        assert_eq!(code, "BAD_USER_INPUT", "{got:#}");
    }
    assert_eq!(world.sandbox.comfy.recorder.count("POST"), 0);
}

#[tokio::test]
async fn one_file_variable_for_two_fields_is_refused_with_advice() {
    let world: TestGateway = world().await;
    let query = "mutation($input: UploadAssetInput!) { a: uploadAsset(input: $input) { errors { code } } \
         b: uploadAsset(input: $input) { errors { code message } } }";
    let input = json!({ "source": "comfy" });
    let (_, answer) = world
        .multipart(form(query, input, file("a.png", png(900))))
        .await;
    assert_eq!(answer.get("errors"), None, "{answer:#}");
    let message = answer["data"]["b"]["errors"][0]["message"].to_string();
    assert!(message.contains("a variable of its own"), "{message}");
    let plain =
        json!({ "query": "mutation { uploadAsset(input: {source: \"comfy\"}) { created } }" });
    let response = world.post(&plain.to_string()).await;
    let answer: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
    assert_eq!(error(&answer).0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_source_cannot_direct_files_to_internal_addresses() {
    let world = world().await;
    for inside in [
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/bucket",
        "http://storage.example.org/bucket",
        "https://metadata.internal/bucket",
        "ftp://storage.example.org/bucket",
    ] {
        let target = json!({ "file_id": "f", "upload_url": inside, "content_type": "image/png" });
        let faults = &world.sandbox.piktid.faults;
        faults.push(once("POST /upload", answer(200, &target.to_string())));
        let input = json!({ "source": "piktid", "file": null });
        let payload = world.upload(input, file("a.png", png(1_000))).await;
        let code = codes(&payload).join(" ");
        let refused = ["UPSTREAM_UNAVAILABLE", "UPSTREAM_PROTOCOL"];
        assert!(refused.contains(&&*code), "{inside}: {payload:#}");
        assert!(!payload.to_string().contains("169.254"), "{payload:#}");
    }
    // Where storage hosts are listed, other hosts are refused too.
    let (address, seen) =
        crate::upload_recorder::server(crate::upload_recorder::Manner::default()).await;
    let hosts = world_with(Options::default(), |config| {
        for source in &mut config.sources {
            source.common.storage_hosts = Some(vec!["storage.example.org".to_owned()]);
        }
    })
    .await;
    let url = format!("http://{address}/bucket");
    let target = json!({ "file_id": "f", "upload_url": url, "content_type": "image/png" });
    let faults = &hosts.sandbox.piktid.faults;
    faults.push(once("POST /upload", answer(200, &target.to_string())));
    let input = json!({ "source": "piktid", "file": null });
    let payload = hosts.upload(input, file("a.png", png(1_000))).await;
    assert_eq!(
        codes(&payload),
        ["UPSTREAM_UNAVAILABLE"],
        "another host than the listed one"
    );
    assert_eq!(seen.bytes.load(std::sync::atomic::Ordering::SeqCst), 0);
}
