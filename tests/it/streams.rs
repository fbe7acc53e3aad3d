//! Files stream through the gateway: no wait for the end, and a slow upstream slows the client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::{
    Body,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    harness::client,
    upload_recorder::{CLIP, Manner, Seen, gateway, operations},
};

const PIECE: usize = 64 * 1024;

/// A clip of `pieces` pieces; calls `before` with the number of each piece.
fn clip(
    pieces: usize,
    before: impl Fn(usize) + Send + Sync + 'static,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let piece = Bytes::from(vec![7; PIECE]);
    stream::iter(0..pieces).map(move |number| {
        before(number);
        Ok(if number == 0 {
            Bytes::from([CLIP, &piece[CLIP.len()..]].concat())
        } else {
            piece.clone()
        })
    })
}

fn form(input: &Value, bytes: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Form {
    let file = Part::stream(Body::wrap_stream(bytes)).file_name("clip.mp4");
    Form::new()
        .text("operations", operations(input))
        .text("map", r#"{"0": ["variables.input.file"]}"#)
        .part("0", file)
}

async fn send(address: std::net::SocketAddr, form: Form) -> Result<Value, reqwest::Error> {
    let text = client()
        .post(format!("http://{address}/graphql"))
        .header("graphql-require-preflight", "1")
        .multipart(form)
        .send()
        .await?
        .text()
        .await?;
    Ok(serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")))
}

fn input() -> Value {
    json!({ "source": "comfy", "file": null })
}

#[tokio::test]
async fn the_first_byte_arrives_before_the_last_is_sent() {
    let (address, seen) = gateway(Manner::default(), |_| {}).await;
    let rest = Arc::new(Notify::new());
    let (release, waiting) = (Arc::clone(&rest), Arc::clone(&seen));
    // The second half follows only after the first has arrived.
    let bytes = clip(8, |_| {}).chain(
        stream::once(async move {
            release.notified().await;
            clip(8, |_| {}).skip(1)
        })
        .flatten(),
    );
    let sending = tokio::spawn(send(address, form(&input(), bytes)));
    waiting
        .until(|seen| seen.bytes.load(Ordering::SeqCst) > 4 * PIECE as u64)
        .await;
    assert!(!waiting.is_whole.load(Ordering::SeqCst));
    rest.notify_one();
    let answer = sending.await.expect("no panic").expect("an answer");
    assert_eq!(
        answer["data"]["uploadAsset"]["errors"],
        json!([]),
        "{answer:#}"
    );
    assert!(seen.is_whole.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_slow_upstream_slows_the_client() {
    let manner = Manner {
        pace: Duration::from_micros(300),
        ..Manner::default()
    };
    let (address, seen) = gateway(manner, |_| {}).await;
    let ahead = Arc::new(AtomicU64::new(0));
    let (furthest, upstream) = (Arc::clone(&ahead), Arc::clone(&seen));
    let pieces = 80 * 1024 * 1024 / PIECE;
    let bytes = clip(pieces, move |number| {
        let sent = (number * PIECE) as u64;
        let arrived = upstream.bytes.load(Ordering::SeqCst);
        furthest.fetch_max(sent.saturating_sub(arrived), Ordering::SeqCst);
    });
    let answer = send(address, form(&input(), bytes))
        .await
        .expect("an answer");
    assert_eq!(
        answer["data"]["uploadAsset"]["errors"],
        json!([]),
        "{answer:#}"
    );
    let ahead = ahead.load(Ordering::SeqCst) / 1024 / 1024;
    assert!(
        ahead < 32,
        "the client was {ahead} MiB ahead of the upstream"
    );
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_still_sends() {
    let manner = Manner {
        refuses_at: Some(1 << 20),
        ..Manner::default()
    };
    let (address, seen) = gateway(manner, |_| {}).await;
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let bytes = clip(12 * 1024 * 1024 / PIECE, move |number| {
        counter.store(number as u64, Ordering::SeqCst);
    });
    let answer = send(address, form(&input(), bytes))
        .await
        .expect("an answer");
    let payload = &answer["data"]["uploadAsset"];
    assert_eq!(
        payload["errors"][0]["code"], "PAYLOAD_TOO_LARGE",
        "{answer:#}"
    );
    assert_eq!(payload["asset"], Value::Null);
    assert!(!seen.is_whole.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_client_that_disconnects_aborts_the_upload() {
    let (address, seen) = gateway(Manner::default(), |_| {}).await;
    let bytes = clip(8, |_| {}).chain(stream::pending());
    let sending = tokio::spawn(send(address, form(&input(), bytes)));
    seen.until(|seen| seen.bytes.load(Ordering::SeqCst) > PIECE as u64)
        .await;
    sending.abort();
    seen.until(|seen| seen.is_broken.load(Ordering::SeqCst))
        .await;
    assert!(!seen.is_whole.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_silent_client_times_out() {
    let (address, seen) = gateway(Manner::default(), |config| {
        config.limits.upload_idle = Duration::from_millis(200);
    })
    .await;
    let bytes = clip(8, |_| {}).chain(stream::pending());
    let answer = send(address, form(&input(), bytes))
        .await
        .expect("an answer");
    let payload = &answer["data"]["uploadAsset"];
    assert_eq!(payload["errors"][0]["code"], "BAD_USER_INPUT", "{answer:#}");
    seen.until(|seen| seen.is_broken.load(Ordering::SeqCst))
        .await;
}

/// The beginning of the body that the upstream received, and whether it had a content length.
fn head(seen: &Seen) -> (String, bool) {
    let head = String::from_utf8_lossy(&seen.head.lock().expect("a lock")).into_owned();
    let headers = seen
        .headers
        .lock()
        .expect("a lock")
        .clone()
        .expect("headers");
    (head, headers.contains_key("content-length"))
}

#[tokio::test]
async fn comfy_gets_the_hash_before_the_file_and_the_length_where_it_is_known() {
    let (address, seen) = gateway(Manner::default(), |_| {}).await;
    let whole = [CLIP, &[7; 2_000]].concat();
    let hash = format!("blake3:{}", blake3::hash(&whole).to_hex());
    let mut upload_input = input();
    upload_input["contentHash"] = json!(hash);
    upload_input["byteLength"] = json!(whole.len());
    upload_input["tags"] = json!(["fox"]);
    upload_input["note"] = json!("red \"fox\"");
    let bytes = stream::iter([Ok(Bytes::from(whole))]);
    let answer = send(address, form(&upload_input, bytes))
        .await
        .expect("an answer");
    assert_eq!(
        answer["data"]["uploadAsset"]["asset"]["name"], "clip.mp4",
        "{answer:#}"
    );
    let (head, has_length) = head(&seen);
    assert!(has_length);
    let at = |text: &str| {
        head.find(text)
            .unwrap_or_else(|| panic!("no {text} in {head}"))
    };
    assert!(at(&hash) < at("name=\"file\""));
    assert!(at("[\"input\",\"fox\"]") < at("name=\"file\""));
    assert!(at(r#"{"user_description":"red \"fox\""}"#) < at("name=\"file\""));
    at("Content-Type: video/mp4");
}
