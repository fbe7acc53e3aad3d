//! Uploads: files through the gateway to each source, by the method of that source.

use std::time::Duration;

use asset_gateway::sandbox::{Fault, Options, Rule};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::{TestGateway, asset_id, error, texts, world, world_with};

pub const UPLOAD: &str = "mutation($input: UploadAssetInput!) { uploadAsset(input: $input) { \
     asset { id upstreamId name tags note mimeType source { name } } created \
     upload { upstreamId status } steps { name status } \
     errors { code message field assetId } clientMutationId } }";

/// The first bytes of a PNG, padded to `length` with pseudo-random bytes.
pub fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".to_vec();
    let mut seed = 1_u32;
    while bytes.len() < length {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push((seed >> 24) as u8);
    }
    bytes
}

impl TestGateway {
    /// Sends a multipart request and returns its status and answer.
    pub async fn multipart(&self, form: Form) -> (u16, Value) {
        let response = self
            .client
            .post(self.url("/graphql"))
            .header("graphql-require-preflight", "1")
            .multipart(form)
            .send()
            .await
            .expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
        (status, answer)
    }

    /// Uploads one file and returns the payload.
    pub async fn upload(&self, input: Value, file: Part) -> Value {
        let (status, answer) = self.multipart(form(UPLOAD, input, file)).await;
        assert_eq!((status, answer.get("errors")), (200, None), "{answer:#}");
        answer["data"]["uploadAsset"].clone()
    }

    /// The media type and bytes of a source's newest asset, as stored there.
    fn stored(&self, source: &str) -> Option<(String, Vec<u8>)> {
        let store = &self.sandbox.store;
        let file = match source {
            "scenario" => store.scenario().last().map(|asset| asset.file.clone()),
            "piktid" => store.piktid().last().map(|asset| asset.file.clone()),
            _ => store.comfy().last().map(|asset| asset.file.clone()),
        };
        file?.uploaded
    }

    fn count(&self) -> usize {
        let store = &self.sandbox.store;
        store.scenario().len() + store.piktid().len() + store.comfy().len()
    }
}

/// A request with one file in `$input.file`.
pub fn form(query: &str, mut input: Value, file: Part) -> Form {
    input["file"] = Value::Null;
    let operations = json!({ "query": query, "variables": { "input": input } });
    Form::new()
        .text("operations", operations.to_string())
        .text("map", r#"{"0": ["variables.input.file"]}"#)
        .part("0", file)
}

pub fn file(name: &str, bytes: Vec<u8>) -> Part {
    // The gateway must ignore the declared type.
    Part::bytes(bytes)
        .file_name(name.to_owned())
        .mime_str("application/pdf")
        .expect("a media type")
}

pub fn codes(payload: &Value) -> Vec<String> {
    texts(&payload["errors"], "/code")
}

pub fn steps(payload: &Value) -> Vec<String> {
    payload["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| format!("{} {}", step["name"], step["status"]).replace('"', ""))
        .collect()
}

#[tokio::test]
async fn each_source_takes_a_file_in_its_own_way() {
    let world = world().await;
    for (source, tag) in [("scenario", "fox"), ("piktid", "model"), ("comfy", "fox")] {
        let bytes = png(60_000);
        let input = json!({
            "source": source, "name": "a fox.gif", "tags": [tag], "note": "red",
            "clientMutationId": "7",
        });
        let payload = world.upload(input, file("x.pdf", bytes.clone())).await;
        assert_eq!(payload["errors"], json!([]), "{source}: {payload:#}");
        assert_eq!(payload["created"], true);
        assert_eq!(payload["clientMutationId"], "7");
        assert_eq!(payload["upload"]["status"], "DONE");
        assert_eq!(
            steps(&payload),
            ["FILE DONE", "NAME DONE", "TAGS DONE", "NOTE DONE"]
        );
        let asset = &payload["asset"];
        assert_eq!(asset["name"], "a fox.png", "{source}");
        assert_eq!(asset["note"], "red", "{source}");
        assert_eq!(asset["source"]["name"], source);
        assert!(texts(&asset["tags"], "").contains(&tag.to_owned()));
        assert_eq!(
            world.stored(source),
            Some(("image/png".to_owned(), bytes)),
            "{source} has the bytes"
        );
        let id = asset["id"].as_str().expect("an id");
        let read = world
            .data(&format!("{{ asset(id: \"{id}\") {{ name }} assets(first: 1) {{ edges {{ node {{ id }} }} }} }}"))
            .await;
        assert_eq!(read["asset"]["name"], "a fox.png");
        assert_eq!(
            read["assets"]["edges"][0]["node"]["id"], *id,
            "the newest of all lists"
        );
    }
    // Each file took one call to its source.
    let calls = world.sandbox.scenario.recorder.calls();
    let uploads = calls
        .iter()
        .filter(|call| (&*call.method, &*call.path) == ("POST", "/v1/assets"));
    assert_eq!(uploads.count(), 1);
    assert_eq!(world.sandbox.piktid.recorder.count("POST /upload"), 1);
    assert_eq!(world.sandbox.comfy.recorder.count("POST /api/assets"), 1);
}

#[tokio::test]
async fn steps_are_what_the_input_asks_for() {
    let world = world().await;
    for source in ["scenario", "piktid", "comfy"] {
        let input = json!({ "source": source });
        let payload = world.upload(input, file("fox.png", png(1_000))).await;
        assert_eq!(steps(&payload), ["FILE DONE"], "{source}: {payload:#}");
    }
}

#[tokio::test]
async fn large_files_go_to_scenario_in_parts_and_are_waited_for() {
    let world = world().await;
    let clip = [
        b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec(),
        png(40 * 1024 * 1024),
    ]
    .concat();
    for (name, bytes, media_type, byte_length) in [
        ("large.png", png(3_600_000), "image/png", None),
        ("clip.mp4", clip.clone(), "video/mp4", Some(clip.len())),
    ] {
        let input = json!({
            "source": "scenario", "byteLength": byte_length,
            "options": { "scenario": { "collectionIds": ["col_1"], "hide": true } },
        });
        let payload = world.upload(input, file(name, bytes.clone())).await;
        assert_eq!(payload["errors"], json!([]), "{payload:#}");
        assert_eq!(payload["upload"]["status"], "DONE");
        assert!(
            payload["upload"]["upstreamId"]
                .as_str()
                .is_some_and(|id| id.starts_with("upload_"))
        );
        assert_eq!(payload["asset"]["name"], name);
        assert!(
            world.stored("scenario") == Some((media_type.to_owned(), bytes)),
            "the parts make the file again"
        );
        let store = world.sandbox.store.scenario();
        let asset = store.last().expect("an asset");
        assert!(asset.is_hidden);
        assert_eq!(asset.collection_ids, ["col_1"]);
    }
}

#[tokio::test]
async fn an_upload_past_its_deadline_is_pending_and_resumes_by_its_key() {
    let world = world_with(Options::default(), |config| {
        config.limits.mutation_deadline = Duration::from_millis(1_200);
    })
    .await;
    let sandbox = &world.sandbox.scenario;
    sandbox.faults.push(Rule {
        beginning: "GET /v1/uploads/".to_owned(),
        times: Some(2),
        fault: Fault::Answer {
            status: 503,
            content_type: "text/plain",
            body: String::new(),
        },
    });
    let input = json!({ "source": "scenario", "tags": ["fox"], "idempotencyKey": "k" });
    let bytes = png(3_600_000);
    let payload = world
        .upload(input.clone(), file("a.png", bytes.clone()))
        .await;
    assert_eq!(payload["upload"]["status"], "PENDING", "{payload:#}");
    assert_eq!(payload["errors"], json!([]));
    assert_eq!(payload["asset"], Value::Null);
    assert_eq!(steps(&payload), ["FILE PENDING", "TAGS PENDING"]);
    assert_eq!(payload["created"], Value::Null, "not known yet");
    let mut last = payload.clone();
    for _ in 0..5 {
        last = world
            .upload(input.clone(), file("a.png", bytes.clone()))
            .await;
        if last["upload"]["status"] == "DONE" {
            break;
        }
    }
    assert_eq!(steps(&last), ["FILE DONE", "TAGS DONE"], "{last:#}");
    assert_eq!(
        last["upload"]["upstreamId"],
        payload["upload"]["upstreamId"]
    );
    assert_eq!(last["asset"]["tags"], json!(["fox"]));
    assert_eq!(
        sandbox.recorder.count("POST /v1/uploads/"),
        1,
        "completed once"
    );
}

#[tokio::test]
async fn bytes_determine_the_type_and_unsupported_types_are_refused() {
    let world = world().await;
    let before = world.count();
    for (source, bytes, options) in [
        ("piktid", b"GIF89a\x01\0\x01\0".to_vec(), json!(null)),
        ("piktid", b"<svg/>".to_vec(), json!(null)),
        ("piktid", b"%PDF-1.7 ".to_vec(), json!(null)),
        ("scenario", b"%PDF-1.7 ".to_vec(), json!(null)),
        ("scenario", vec![1, 2, 3, 4], json!(null)),
        (
            "scenario",
            png(100),
            json!({ "scenario": { "kind": "MODEL_3D" } }),
        ),
    ] {
        let input = json!({ "source": source, "options": options });
        let payload = world.upload(input, file("cat.png", bytes)).await;
        assert_eq!(codes(&payload), ["UNSUPPORTED_MEDIA_TYPE"], "{payload:#}");
        assert_eq!(payload["asset"], Value::Null);
        assert_eq!(steps(&payload)[0], "FILE FAILED");
        assert_eq!(payload["created"], Value::Null, "nothing was made");
    }
    // A text file is a mesh if its sender says so; its name gives the format.
    let input = json!({ "source": "scenario", "options": { "scenario": { "kind": "MODEL_3D" } } });
    let payload = world
        .upload(input, file("cube.obj", b"v 0 0 0\n".to_vec()))
        .await;
    assert_eq!(payload["asset"]["name"], "cube.obj", "{payload:#}");
    assert_eq!(world.count(), before + 1);
}

#[tokio::test]
async fn a_mesh_at_scenario_has_the_type_that_its_name_shows() {
    let world = world().await;
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    for (name, bytes, media_type) in [
        ("cloud.spz", gzip, "model/spz"),
        (
            "cloud.ksplat",
            b"\0\x01\0\0\0\x0c\0\x80\0\x03\0\x40".to_vec(),
            "model/ksplat",
        ),
        (
            "scene.dae",
            b"<?xml version=\"1.0\"?><COLLADA/>".to_vec(),
            "model/vnd.collada+xml",
        ),
        ("cube.OBJ", b"v 0 0 0\n".to_vec(), "model/obj"),
        (
            "cube.stl",
            b"solid cube\nendsolid cube\n".to_vec(),
            "model/stl",
        ),
        (
            "cube.gltf",
            b"{\"asset\":{\"version\":\"2.0\"}}".to_vec(),
            "model/gltf+json",
        ),
    ] {
        world.forget_calls();
        let input =
            json!({ "source": "scenario", "options": { "scenario": { "kind": "MODEL_3D" } } });
        let payload = world.upload(input, file(name, bytes)).await;
        assert_eq!(payload["asset"]["name"], name, "{payload:#}");
        let calls = world.sandbox.scenario.recorder.calls();
        let begun = calls
            .iter()
            .find(|call| call.path == "/v1/uploads")
            .expect("an upload");
        let body: Value = serde_json::from_str(&begun.body).expect("JSON");
        assert_eq!(
            (&body["contentType"], &body["kind"]),
            (&json!(media_type), &json!("3d")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn files_that_contradict_their_description_are_refused() {
    let world = world_with(Options::default(), |config| {
        config.limits.upload_bytes = 100_000;
    })
    .await;
    let before = world.count();
    let other = format!("blake3:{}", blake3::hash(b"other").to_hex());
    for source in ["scenario", "comfy"] {
        for (claims, bytes, code, field) in [
            (json!({}), png(100_001), "PAYLOAD_TOO_LARGE", "file"),
            (json!({}), Vec::new(), "BAD_USER_INPUT", "file"),
            (
                json!({ "byteLength": 999 }),
                png(1_000),
                "BAD_USER_INPUT",
                "byteLength",
            ),
            (
                json!({ "byteLength": 1_001 }),
                png(1_000),
                "BAD_USER_INPUT",
                "byteLength",
            ),
            (
                json!({ "contentHash": other }),
                png(1_000),
                "BAD_USER_INPUT",
                "contentHash",
            ),
            (
                json!({ "contentHash": other, "byteLength": 1_000 }),
                png(1_000),
                "BAD_USER_INPUT",
                "contentHash",
            ),
        ] {
            let mut input = claims.clone();
            input["source"] = json!(source);
            let payload = world.upload(input, file("a.png", bytes)).await;
            assert_eq!(codes(&payload), [code], "{source} {claims}: {payload:#}");
            assert_eq!(payload["errors"][0]["field"], json!(["input", field]));
            assert_eq!(payload["asset"], Value::Null);
            assert_eq!(steps(&payload)[0], "FILE FAILED");
        }
    }
    assert_eq!(world.count(), before);
    let hash = format!("blake3:{}", blake3::hash(&png(1_000)).to_hex());
    let input = json!({ "source": "comfy", "contentHash": hash, "byteLength": 1_000 });
    let payload = world.upload(input, file("a.png", png(1_000))).await;
    assert_eq!(payload["errors"], json!([]), "{payload:#}");
}

#[tokio::test]
async fn a_failed_put_is_not_repeated_and_names_the_leftover_asset() {
    let world = world().await;
    world.sandbox.piktid.faults.push(Rule {
        beginning: "PUT /files/".to_owned(),
        times: Some(1),
        fault: Fault::Answer {
            status: 403,
            content_type: "application/xml",
            body: "<Error/>".to_owned(),
        },
    });
    let input = json!({ "source": "piktid", "tags": ["model"], "note": "x" });
    let payload = world.upload(input, file("a.png", png(5_000))).await;
    assert_eq!(codes(&payload), ["FORBIDDEN"], "{payload:#}");
    assert!(payload["errors"][0]["assetId"].is_string(), "{payload:#}");
    assert_eq!(
        steps(&payload),
        ["FILE FAILED", "TAGS NOT_TRIED", "NOTE NOT_TRIED"]
    );
    assert_eq!(world.sandbox.piktid.recorder.count("POST /upload"), 1);
    assert_eq!(
        world.stored("piktid").map(|(_, bytes)| bytes.len()),
        Some(0)
    );
}

#[tokio::test]
async fn a_failed_later_step_is_reported_beside_the_asset() {
    let world = world().await;
    world.sandbox.piktid.faults.add(
        "PATCH /assets/",
        Fault::Answer {
            status: 500,
            content_type: "text/plain",
            body: String::new(),
        },
    );
    let input = json!({ "source": "piktid", "tags": ["model"], "note": "x" });
    let payload = world.upload(input, file("a.png", png(5_000))).await;
    assert_eq!(
        steps(&payload),
        ["FILE DONE", "TAGS FAILED", "NOTE FAILED"],
        "{payload:#}"
    );
    assert_eq!(
        codes(&payload),
        ["UPSTREAM_UNAVAILABLE", "UPSTREAM_UNAVAILABLE"]
    );
    let id = &payload["asset"]["id"];
    assert!(id.is_string());
    assert_eq!(payload["errors"][0]["assetId"], *id);
    // Tags that the source does not support are refused before the upload.
    let before = world.count();
    let input = json!({ "source": "piktid", "tags": ["fox"] });
    let payload = world.upload(input, file("a.png", png(5_000))).await;
    assert_eq!(codes(&payload), ["BAD_USER_INPUT"]);
    assert_eq!(world.count(), before);
}

#[tokio::test]
async fn known_bytes_give_a_new_id_at_comfy() {
    let world = world().await;
    let input = json!({ "source": "comfy", "name": "one.png" });
    let first = world.upload(input, file("a", png(2_000))).await;
    let input = json!({
        "source": "comfy", "name": "two.png", "tags": ["fox"], "note": "again",
        "contentHash": format!("blake3:{}", blake3::hash(&png(2_000)).to_hex()),
    });
    let second = world.upload(input, file("a", png(2_000))).await;
    assert_eq!(
        (&first["created"], &second["created"]),
        (&json!(true), &json!(false))
    );
    assert_ne!(first["asset"]["id"], second["asset"]["id"]);
    assert_eq!(second["asset"]["name"], "two.png");
    assert_eq!(
        steps(&second),
        ["FILE DONE", "NAME DONE", "TAGS DONE", "NOTE DONE"],
        "{second:#}"
    );
}

#[tokio::test]
async fn options_belong_to_their_provider() {
    let world = world().await;
    let before = world.count();
    for (source, options) in [
        ("comfy", json!({ "scenario": {} })),
        ("scenario", json!({ "comfy": {} })),
        ("piktid", json!({ "comfy": {} })),
        ("comfy", json!({ "comfy": { "destination": "MODELS" } })),
        ("comfy", json!({ "comfy": { "modelType": "loras" } })),
        (
            "comfy",
            json!({ "comfy": { "destination": "MODELS", "modelType": "../x" } }),
        ),
    ] {
        let input = json!({ "source": source, "options": options });
        let payload = world.upload(input, file("a.png", png(1_000))).await;
        assert_eq!(codes(&payload), ["BAD_USER_INPUT"], "{source} {options}");
        let field = &payload["errors"][0]["field"];
        assert_eq!(*field, json!(["input", "options"]), "{source} {options}");
    }
    assert_eq!(world.count(), before);
    let weights = [&2_u64.to_le_bytes()[..], b"{\"a\":1}"].concat();
    let options = json!({ "comfy": { "destination": "MODELS", "modelType": "loras" } });
    let input = json!({ "source": "comfy", "options": options });
    let payload = world.upload(input, file("fox.safetensors", weights)).await;
    let tags = texts(&payload["asset"]["tags"], "");
    assert!(tags.contains(&"model_type:loras".to_owned()), "{payload:#}");
    assert_eq!(payload["asset"]["name"], "fox.safetensors");
}

#[tokio::test]
async fn a_parent_is_an_asset_of_the_same_source() {
    let world = world().await;
    let parent = world.sandbox.store.scenario()[0].id.clone();
    let id = asset_id("scenario", &parent);
    let options = |id: &str| json!({ "scenario": { "parentAssetId": id } });
    let input = json!({ "source": "scenario", "options": options(&id) });
    let payload = world.upload(input, file("a.png", png(1_000))).await;
    assert_eq!(payload["errors"], json!([]), "{payload:#}");
    let child = payload["asset"]["id"].as_str().expect("an id");
    let shown = world
        .data(&format!(
            "{{ asset(id: \"{child}\") {{ parent {{ id }} }} }}"
        ))
        .await;
    assert_eq!(shown["asset"]["parent"]["id"], json!(id));

    let before = world.count();
    let source = world.data("{ assetSources { id } }").await;
    let source = texts(&source["assetSources"], "/id").remove(2);
    for bad in [parent, asset_id("piktid", "x"), source] {
        let input = json!({ "source": "scenario", "options": options(&bad) });
        let form = form(UPLOAD, input, file("a.png", png(1_000)));
        let (_, answer) = world.multipart(form).await;
        assert_eq!(error(&answer).0, "BAD_USER_INPUT", "{bad}");
        let path = ["input", "options", "scenario", "parentAssetId"];
        assert_eq!(answer["errors"][0]["extensions"]["field"], json!(path));
    }
    assert_eq!(world.count(), before);
}

#[tokio::test]
async fn small_files_may_come_in_base64() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let world = world_with(Options::default(), |config| {
        config.limits.upload_base64_bytes = 10_000;
    })
    .await;
    let text = STANDARD.encode(png(3_000));
    for encoded in [text.clone(), format!("data:image/gif;base64,{text}")] {
        for source in ["scenario", "piktid", "comfy"] {
            let input = json!({ "source": source, "base64": encoded });
            let answer = world.ask_with(UPLOAD, json!({ "input": input })).await;
            let payload = &answer["data"]["uploadAsset"];
            assert_eq!(payload["errors"], json!([]), "{answer:#}");
            assert_eq!(payload["asset"]["name"], "upload.png");
            assert_eq!(
                world.stored(source).map(|(_, bytes)| bytes),
                Some(png(3_000))
            );
        }
    }
    let before = world.count();
    for (input, code) in [
        (json!({ "base64": "no*base64" }), "BAD_USER_INPUT"),
        (json!({ "base64": "data:image/png,abc" }), "BAD_USER_INPUT"),
        (
            json!({ "base64": STANDARD.encode(png(10_001)) }),
            "PAYLOAD_TOO_LARGE",
        ),
        (json!({}), "BAD_USER_INPUT"),
        (json!({ "base64": text, "file": "x" }), "BAD_USER_INPUT"),
        (json!({ "file": "x" }), "BAD_USER_INPUT"),
        (json!({ "file": "0" }), "BAD_USER_INPUT"),
        (json!({ "base64": text, "name": "a/b" }), "BAD_USER_INPUT"),
        (json!({ "base64": text, "name": "" }), "BAD_USER_INPUT"),
        (
            json!({ "base64": text, "contentHash": "sha256:00" }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "base64": text, "source": "nobody" }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "base64": text, "note": "x".repeat(10_001) }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "base64": text, "byteLength": 1_u64 << 40 }),
            "PAYLOAD_TOO_LARGE",
        ),
        (
            json!({ "base64": text, "idempotencyKey": "" }),
            "BAD_USER_INPUT",
        ),
    ] {
        let mut whole = input.clone();
        if whole.get("source").is_none() {
            whole["source"] = json!("comfy");
        }
        let answer = world.ask_with(UPLOAD, json!({ "input": whole })).await;
        assert_eq!(error(&answer).0, code, "{input}: {answer:#}");
        assert_eq!(answer["data"]["uploadAsset"], Value::Null);
    }
    let empty = world
        .ask_with(
            UPLOAD,
            json!({ "input": { "source": "comfy", "base64": "" } }),
        )
        .await;
    let empty = &empty["data"]["uploadAsset"];
    assert_eq!(codes(empty), ["BAD_USER_INPUT"]);
    assert_eq!(empty["errors"][0]["field"], json!(["input", "base64"]));
    let input = json!({ "source": "piktid", "base64": text, "tags": ["unknown"] });
    let answer = world.ask_with(UPLOAD, json!({ "input": input })).await;
    let payload = &answer["data"]["uploadAsset"];
    assert_eq!(codes(payload), ["BAD_USER_INPUT"], "{answer:#}");
    assert_eq!(payload["errors"][0]["field"], json!(["input", "tags"]));
    assert_eq!(world.count(), before);
}

const TWO: &str = "mutation($a: Upload, $b: Upload) { \
     a: uploadAsset(input: {source: \"comfy\", file: $a}) { asset { name } errors { code message } } \
     b: uploadAsset(input: {source: \"piktid\", file: $b}) { asset { name } errors { code message } } }";

fn two(map: &str, parts: &[&str]) -> Form {
    let operations = json!({ "query": TWO, "variables": { "a": null, "b": null } });
    let head = Form::new()
        .text("operations", operations.to_string())
        .text("map", map.to_owned());
    parts.iter().fold(head, |form, name| {
        form.part(
            (*name).to_owned(),
            file(&format!("{name}.png"), png(300_000)),
        )
    })
}

#[tokio::test]
async fn several_files_are_read_in_the_order_of_their_parts() {
    let world = world().await;
    let map = r#"{"x": ["variables.a"], "y": ["variables.b"]}"#;
    let (_, answer) = world.multipart(two(map, &["x", "y"])).await;
    assert_eq!(answer["data"]["a"]["asset"]["name"], "x.png", "{answer:#}");
    assert_eq!(answer["data"]["b"]["asset"]["name"], "y.png", "{answer:#}");

    let (_, answer) = world.multipart(two(map, &["y", "x"])).await;
    assert_eq!(answer["data"]["a"]["asset"]["name"], "x.png", "{answer:#}");
    assert_eq!(codes(&answer["data"]["b"]), ["BAD_USER_INPUT"]);
    let message = answer["data"]["b"]["errors"][0]["message"].to_string();
    assert!(message.contains("order of their parts"), "{message}");

    // One part for two variables is read in full by both.
    let map = r#"{"x": ["variables.a", "variables.b"]}"#;
    let (_, answer) = world.multipart(two(map, &["x"])).await;
    assert_eq!(answer["data"]["a"]["asset"]["name"], "x.png", "{answer:#}");
    assert_eq!(answer["data"]["b"]["asset"]["name"], "x.png", "{answer:#}");
    assert_eq!(world.stored("comfy").map(|(_, b)| b.len()), Some(300_000));
    assert_eq!(world.stored("piktid").map(|(_, b)| b.len()), Some(300_000));

    // A refused first file does not use up the second.
    let map = r#"{"x": ["variables.b"], "y": ["variables.a"]}"#;
    let operations = json!({
        "query": TWO.replace("source: \"comfy\"", "source: \"piktid\""),
        "variables": { "a": null, "b": null },
    });
    let form = Form::new()
        .text("operations", operations.to_string())
        .text("map", map)
        .part("y", file("no.gif", b"GIF89a".repeat(100_000)))
        .part("x", file("x.png", png(1_000)));
    let (_, answer) = world.multipart(form).await;
    assert_eq!(
        codes(&answer["data"]["a"]),
        ["UNSUPPORTED_MEDIA_TYPE"],
        "{answer:#}"
    );
    assert_eq!(answer["data"]["b"]["asset"]["name"], "x.png", "{answer:#}");

    // A file that never arrives is an error beside the finished upload.
    let map = r#"{"x": ["variables.a"], "y": ["variables.b"]}"#;
    let (status, answer) = world.multipart(two(map, &["x"])).await;
    assert_eq!(status, 200);
    assert_eq!(answer["data"]["a"]["asset"]["name"], "x.png", "{answer:#}");
    assert_eq!(codes(&answer["data"]["b"]), ["BAD_USER_INPUT"]);
}

#[tokio::test]
async fn malformed_multipart_is_refused_with_a_graphql_error() {
    let world = world_with(Options::default(), |config| {
        config.limits.body_bytes = 10_000;
    })
    .await;
    let part = |name: &str, text: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let operations = part(
        "operations",
        &json!({ "query": UPLOAD, "variables": { "input": { "source": "comfy", "file": null } } })
            .to_string(),
    );
    let map = part("map", r#"{"0":["variables.input.file"]}"#);
    let bytes = part("0", "some text");
    let end = "--B--\r\n";
    let whole = |parts: &[&str]| format!("{}{end}", parts.concat());
    let many: String = (0..11)
        .map(|n| format!("\"{n}\":[\"variables.f{n}\"],"))
        .collect();
    let before = world.count();
    for (what, body, status) in [
        ("nothing", String::new(), 400),
        ("no part", end.to_owned(), 400),
        ("no multipart", "hello".to_owned(), 400),
        ("no map", whole(&[&operations]), 400),
        ("no operations", whole(&[&map, &bytes]), 400),
        ("map first", whole(&[&map, &operations, &bytes]), 400),
        ("file first", whole(&[&bytes, &operations, &map]), 400),
        ("no file", whole(&[&operations, &map]), 400),
        (
            "another file",
            whole(&[&operations, &map, &part("1", "x")]),
            400,
        ),
        (
            "operations twice",
            whole(&[&operations, &map, &operations]),
            400,
        ),
        (
            "cut in the map",
            format!("{operations}--B\r\nContent-Disp"),
            400,
        ),
        (
            "cut in the file",
            [&*operations, &map, &bytes[..bytes.len() - 4]].concat(),
            400,
        ),
        (
            "no last boundary",
            [&*operations, &map, &bytes].concat(),
            400,
        ),
        (
            "no JSON",
            whole(&[&part("operations", "{"), &map, &bytes]),
            400,
        ),
        (
            "a list",
            whole(&[&part("operations", "[]"), &map, &bytes]),
            400,
        ),
        (
            "map no JSON",
            whole(&[&operations, &part("map", "{"), &bytes]),
            400,
        ),
        (
            "map a list",
            whole(&[&operations, &part("map", "[]"), &bytes]),
            400,
        ),
        (
            "map of texts",
            whole(&[
                &operations,
                &part("map", r#"{"0":"variables.input.file"}"#),
                &bytes,
            ]),
            400,
        ),
        (
            "map to nothing",
            whole(&[&operations, &part("map", r#"{"0":[]}"#), &bytes]),
            400,
        ),
        (
            "unknown path",
            whole(&[
                &operations,
                &part("map", r#"{"0":["variables.x"]}"#),
                &bytes,
            ]),
            400,
        ),
        (
            "path into a text",
            whole(&[
                &operations,
                &part("map", r#"{"0":["variables.input.source.x"]}"#),
                &bytes,
            ]),
            400,
        ),
        (
            "not a null",
            whole(&[
                &operations,
                &part("map", r#"{"0":["variables.input.source"]}"#),
                &bytes,
            ]),
            400,
        ),
        (
            "not a variable",
            whole(&[&operations, &part("map", r#"{"0":["query"]}"#), &bytes]),
            400,
        ),
        (
            "a batch's path",
            whole(&[
                &operations,
                &part("map", r#"{"0":["0.variables.input.file"]}"#),
                &bytes,
            ]),
            400,
        ),
        (
            "path twice",
            whole(&[
                &operations,
                &part(
                    "map",
                    r#"{"0":["variables.input.file"],"1":["variables.input.file"]}"#,
                ),
                &bytes,
            ]),
            400,
        ),
        (
            "part twice",
            whole(&[
                &operations,
                &part(
                    "map",
                    r#"{"0":["variables.input.file"],"0":["variables.input.name"]}"#,
                ),
                &bytes,
            ]),
            400,
        ),
        (
            "too many",
            whole(&[
                &operations,
                &part("map", &format!("{{{}}}", many.trim_end_matches(','))),
                &bytes,
            ]),
            413,
        ),
        (
            "large operations",
            whole(&[&part("operations", &" ".repeat(10_001)), &map, &bytes]),
            413,
        ),
        (
            "large map",
            whole(&[&operations, &part("map", &" ".repeat(4_097)), &bytes]),
            413,
        ),
        (
            "no name",
            whole(&[
                &operations,
                &map,
                "--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n",
            ]),
            400,
        ),
        (
            "no headers",
            whole(&[&operations, &map, "--B\r\n\r\nx\r\n"]),
            400,
        ),
        (
            "bad headers",
            whole(&[&operations, &map, "--B\r\n\u{1}: x\r\n\r\nx\r\n"]),
            400,
        ),
    ] {
        let response = world
            .client
            .post(world.url("/graphql"))
            .header("content-type", "multipart/form-data; boundary=B")
            .header("apollo-require-preflight", "true")
            .body(body)
            .send()
            .await
            .unwrap_or_else(|error| panic!("{what}: the connection dropped: {error}"));
        let found = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: not JSON: {text}"));
        assert_eq!(found, status, "{what}: {answer:#}");
        let reported = answer
            .pointer("/errors/0/extensions/code")
            .or_else(|| answer.pointer("/data/uploadAsset/errors/0/code"));
        let code = if status == 413 {
            "PAYLOAD_TOO_LARGE"
        } else {
            "BAD_USER_INPUT"
        };
        assert_eq!(reported, Some(&json!(code)), "{what}: {answer:#}");
    }
    for (content_type, preflight) in [
        ("multipart/form-data", Some("1")),
        ("multipart/form-data; boundary=", Some("1")),
        ("multipart/form-data; boundary=B", None),
        ("multipart/form-data; boundary=B", Some("")),
    ] {
        let mut request = world
            .client
            .post(world.url("/graphql"))
            .header("content-type", content_type)
            .body(whole(&[&operations, &map, &bytes]));
        if let Some(value) = preflight {
            request = request.header("apollo-require-preflight", value);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{content_type} {preflight:?}");
        let answer: Value =
            serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
        assert_eq!(error(&answer).0, "BAD_USER_INPUT");
    }
    // The other mutation took effect, so the answer has data: it is a success (GraphQL over HTTP,
    // 6.4), not a failed request.
    let id = crate::harness::asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    let query = "mutation($id: ID!, $input: UploadAssetInput!) { setAssetNote(input: {assetId: $id, note: \
                 \"done\"}) { asset { note } } uploadAsset(input: $input) { asset { id } errors { code } } }";
    let variables = json!({ "id": id, "input": { "source": "comfy", "file": null } });
    let both = part(
        "operations",
        &json!({ "query": query, "variables": variables }).to_string(),
    );
    let response = world
        .client
        .post(world.url("/graphql"))
        .header("content-type", "multipart/form-data; boundary=B")
        .header("apollo-require-preflight", "true")
        .body([&*both, &map, &bytes[..bytes.len() - 4]].concat())
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
    let answer: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
    assert_eq!(
        answer["data"]["setAssetNote"]["asset"]["note"], "done",
        "{answer}"
    );
    assert_eq!(
        answer["data"]["uploadAsset"]["errors"][0]["code"],
        "BAD_USER_INPUT"
    );
    assert_eq!(world.count(), before, "nothing came of any of them");
    // The complete request succeeds.
    let response = world
        .client
        .post(world.url("/graphql"))
        .header("content-type", "multipart/form-data; boundary=B")
        .header("apollo-require-preflight", "true")
        .body(whole(&[&operations, &map, &bytes]))
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(world.count(), before + 1);
}

#[tokio::test]
async fn the_engines_upload_mark_is_refused_everywhere() {
    let world = world().await;
    // The request has the part that the mark names: an engine without a guard would read it.
    let mark = "#__graphql_file__:0";
    let send = async |document: &str, variables: Value| {
        let path = if variables.get("input").is_some() {
            "variables.input.file"
        } else {
            "variables.file"
        };
        let operations = json!({ "query": document, "variables": variables });
        let form = Form::new()
            .text("operations", operations.to_string())
            .text("map", json!({ "0": [path] }).to_string())
            .part("0", file("a.png", png(1_000)));
        let (_, answer) = world.multipart(form).await;
        let (code, message) = error(&answer);
        assert_eq!(code, "BAD_USER_INPUT", "{document}");
        assert!(message.contains("upload's mark"), "{message}");
    };
    for input in [
        json!({ "source": "comfy", "file": null, "name": mark }),
        json!({ "source": "comfy", "file": null, "tags": ["a", mark] }),
    ] {
        send(UPLOAD, json!({ "input": input })).await;
    }
    for text in [mark.to_owned(), "\\u0023__graphql_file__:0".to_owned()] {
        let upload = |name: &str| {
            format!(
                "uploadAsset(input: {{source: \"comfy\", file: $file, name: {name}}}) {{ created }}"
            )
        };
        let quoted = format!("\"{text}\"");
        for document in [
            format!("mutation($file: Upload) {{ {} }}", upload(&quoted)),
            format!(
                "mutation($file: Upload, $n: String = {quoted}) {{ {} }}",
                upload("$n")
            ),
            format!(
                "mutation($file: Upload) {{ ...f }} fragment f on Mutation {{ {} }}",
                upload(&quoted)
            ),
            format!(
                "mutation($file: Upload) {{ {} __typename @include(if: {quoted}) }}",
                upload("\"a\"")
            ),
        ] {
            send(&document, json!({ "file": null })).await;
        }
    }
    assert_eq!(world.sandbox.comfy.recorder.count("POST"), 0);
}

/// Uploads under the key of another write: the gateway refuses the input as a whole.
async fn conflicts(world: &TestGateway, input: Value, file: Part) {
    let (_, answer) = world.multipart(form(UPLOAD, input, file)).await;
    assert_eq!(error(&answer).0, "CONFLICT");
    assert_eq!(
        answer["errors"][0]["extensions"]["field"],
        json!(["input", "idempotencyKey"])
    );
    assert_eq!(answer["data"], json!({ "uploadAsset": null }));
}

#[tokio::test]
async fn the_same_idempotency_key_repeats_the_first_outcome() {
    let world = world().await;
    for source in ["scenario", "piktid", "comfy"] {
        let before = world.count();
        let key = format!("key of {source}");
        let input = json!({ "source": source, "idempotencyKey": key });
        let calls = (0..8).map(|_| world.upload(input.clone(), file("a.png", png(50_000))));
        let payloads = futures_util::future::join_all(calls).await;
        for payload in &payloads {
            assert_eq!(payload["errors"], json!([]), "{payload:#}");
            assert_eq!(payload["asset"]["id"], payloads[0]["asset"]["id"]);
        }
        assert_eq!(world.count(), before + 1, "uploaded once");
        for other in [
            json!({ "source": source, "idempotencyKey": key, "note": "x" }),
            json!({ "source": "comfy", "idempotencyKey": key, "name": "b.png" }),
        ] {
            conflicts(&world, other, file("a.png", png(50_000))).await;
        }
        let other_bytes = file("a.png", png(50_001));
        conflicts(&world, input.clone(), other_bytes).await;
        assert_eq!(world.count(), before + 1);
    }
    // A failure without effect leaves its key unused.
    let input = json!({ "source": "piktid", "idempotencyKey": "new" });
    let payload = world
        .upload(input.clone(), file("a.gif", b"GIF89a".to_vec()))
        .await;
    assert_eq!(codes(&payload), ["UNSUPPORTED_MEDIA_TYPE"]);
    let payload = world.upload(input, file("a.png", png(500))).await;
    assert_eq!(payload["errors"], json!([]), "{payload:#}");
    // A key belongs to one write, of either kind.
    let id = payload["asset"]["id"].as_str().expect("an id");
    let answer = world
        .ask(&format!(
            "mutation {{ bulkDeleteAssets(input: {{assetIds: [\"{id}\"], idempotencyKey: \"new\"}}) \
             {{ deletedIds }} }}"
        ))
        .await;
    assert_eq!(error(&answer).0, "CONFLICT");
}

/// A multipart body with one file, whose part has these headers.
fn raw_body(boundary: &str, operations: &str, part: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=operations\r\n\r\n{operations}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; NAME=\"map\"\r\n\r\n\
         {{\"0\": [\"variables.f\"]}}\r\n--{boundary}\r\n{part}\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    [head.as_bytes(), bytes, end.as_bytes()].concat()
}

#[tokio::test]
async fn names_of_files_are_read_as_clients_write_them() {
    let world = world().await;
    let document = "mutation($f: Upload!) { uploadAsset(input: {source: \"comfy\", file: $f}) { asset { name } \
                    errors { message } } }";
    let operations = json!({ "query": document, "variables": { "f": null } }).to_string();
    for (header, expected) in [
        (
            "Content-Disposition: form-data; name=0; filename=\"=?utf-8?B?54uQLnBuZw==?=\"; \
             filename*=utf-8''%E7%8B%90.png",
            "狐.png",
        ),
        (
            "Content-Disposition: form-data; name=\"0\"; filename=\"12%22 print.png\"",
            "12\" print.png",
        ),
        (
            "Content-Type: image/png\r\ncontent-disposition: form-data; Name=\"0\"; \
             FileName=\"a; name=b.png\"",
            "a; name=b.png",
        ),
        (
            "Content-Disposition: form-data; name=\"0\"; filename=\"C:\\dir\\größe.png\"",
            "größe.png",
        ),
    ] {
        let body = raw_body("a-b", &operations, header, &png(60));
        let request = world
            .client
            .post(world.url("/graphql"))
            .header("graphql-require-preflight", "1")
            .header("content-type", "multipart/form-data; BOUNDARY=\"a-b\"")
            .body(body);
        let response = request.send().await.expect("an answer");
        let answer: Value =
            serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
        assert_eq!(
            answer["data"]["uploadAsset"]["asset"]["name"], expected,
            "{answer}"
        );
    }
    for (boundary, operations, word) in [
        ("", &*operations, "`boundary` of 1 to 70"),
        (&*"b".repeat(71), &*operations, "`boundary` of 1 to 70"),
        (
            "a-b",
            &*format!("[{operations}]"),
            "a batch carries no files",
        ),
    ] {
        let header = "Content-Disposition: form-data; name=\"0\"; filename=\"x.png\"";
        let request = world
            .client
            .post(world.url("/graphql"))
            .header("graphql-require-preflight", "1")
            .header(
                "content-type",
                format!("multipart/form-data; boundary=\"{boundary}\""),
            )
            .body(raw_body(boundary, operations, header, &png(60)));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{word}");
        let answer: Value =
            serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
        assert!(error(&answer).1.contains(word), "{answer}");
    }
}

#[tokio::test]
async fn base64_may_have_line_breaks() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let world = world().await;
    let text = STANDARD.encode(png(300));
    let lines: Vec<&str> = (0..text.len())
        .step_by(76)
        .map(|start| &text[start..text.len().min(start + 76)])
        .collect();
    for text in [
        lines.join("\r\n"),
        format!("data:image/png;base64,\n{}\n", lines.join("\n")),
    ] {
        let input = json!({ "source": "comfy", "name": "x.png", "base64": text });
        let answer = world.ask_with(UPLOAD, json!({ "input": input })).await;
        assert_eq!(
            answer["data"]["uploadAsset"]["asset"]["mimeType"], "image/png",
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_request_that_announces_too_much_names_the_limit_and_the_file() {
    let world = world_with(Options::default(), |config| {
        config.limits.upload_bytes = 1_000;
    })
    .await;
    let file = Part::bytes(png(3_000_000)).file_name("big.png");
    let input = json!({ "source": "comfy" });
    let (status, answer) = world.multipart(form(UPLOAD, input, file)).await;
    assert_eq!(status, 413, "{answer}");
    let message = error(&answer).1;
    assert!(
        message.contains("`big.png`") && message.contains("`upload_bytes`"),
        "{message}"
    );
    let limit = &answer["errors"][0]["extensions"]["limit"];
    assert_eq!(
        (&limit["name"], &limit["maximum"]),
        (&json!("upload_bytes"), &json!(1_000))
    );
}
