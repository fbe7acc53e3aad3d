//! The memory cost of a large upload, alone in this process so that it measures nothing else.

#[path = "support/upload_recorder.rs"]
mod upload_recorder;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{
    Body,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use upload_recorder::{CLIP, Manner, gateway, operations};

const MIB: u64 = 1024 * 1024;

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.split_whitespace().next());
    kib.and_then(|text| text.parse::<u64>().ok())
        .expect("a number")
        * 1024
}

/// Sends `length` MiB and returns the peak memory meanwhile: of client, gateway and upstream
/// together.
async fn send(address: std::net::SocketAddr, length: u64) -> u64 {
    let most = Arc::new(AtomicU64::new(0));
    let peak = Arc::clone(&most);
    let piece = Bytes::from(vec![7; MIB as usize]);
    let bytes = stream::iter(0..length).map(move |number| {
        peak.fetch_max(resident(), Ordering::SeqCst);
        std::io::Result::Ok(if number == 0 {
            Bytes::from([CLIP, &piece[CLIP.len()..]].concat())
        } else {
            piece.clone()
        })
    });
    let input = json!({ "source": "comfy", "file": null });
    let form = Form::new()
        .text("operations", operations(&input))
        .text("map", r#"{"0": ["variables.input.file"]}"#)
        .part(
            "0",
            Part::stream(Body::wrap_stream(bytes)).file_name("clip.mp4"),
        );
    let text = reqwest::Client::new()
        .post(format!("http://{address}/graphql"))
        .header("graphql-require-preflight", "1")
        .multipart(form)
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("a body");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        answer["data"]["uploadAsset"]["errors"],
        json!([]),
        "{answer:#}"
    );
    most.load(Ordering::SeqCst)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_half_a_gibibyte_is_not_held_in_memory() {
    let (address, seen) = gateway(Manner::default(), |config| {
        config.limits.upload_bytes = 600 * MIB;
    })
    .await;
    // Sets up connections, buffers and threads before the measurement.
    send(address, 16).await;
    let before = resident();
    let most = send(address, 512).await;
    assert!(seen.bytes.load(Ordering::SeqCst) > 528 * MIB);
    let added = most.saturating_sub(before) / MIB;
    println!("512 MiB added {added} MiB");
    assert!(added < 32, "512 MiB added {added} MiB");
}
