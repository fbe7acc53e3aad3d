//! The binary as a process: start while sources are down, shutdown, open files and keys.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{
    Body,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    harness::ask_at,
    upload_recorder::{CLIP, Manner, operations, server},
};

/// A running gateway, started as users start it; killed when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts the binary over one ComfyUI and waits until it prints its address.
    fn start(comfy: SocketAddr, limit: &str) -> Self {
        let binary = env!("CARGO_BIN_EXE_asset-gateway");
        let script = format!("{limit} exec \"{binary}\" serve --listen 127.0.0.1:0");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("COMFY_URL", format!("http://{comfy}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped stdout")).lines();
        let mut lines = lines.map_while(Result::ok);
        let marker = "The graph is at http://";
        let line = lines
            .find(|line| line.contains(marker))
            .expect("it prints its address");
        let rest = line.split(marker).nth(1).expect("an address");
        let address = rest.split('/').next().expect("an address").parse();
        // Without a reader, a full pipe would block the process.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: address.expect("an address"),
        }
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("kill runs").success());
    }

    /// Waits for the process to end and returns its exit code.
    async fn end(mut self) -> Option<i32> {
        let ending = async {
            loop {
                if let Some(status) = self.child.try_wait().expect("its state") {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ending)
            .await
            .expect("it ends")
    }

    async fn ask(&self, query: &str) -> Value {
        ask_at(self.address, query).await
    }
}

/// A bound port without a listener; no other process can take it.
async fn unused_port() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a free port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_while_its_sources_are_down_and_reports_it() {
    let (_taken, address) = unused_port().await;
    let process = Process::start(address, "");
    let answer = process.ask("{ assets(first: 1) { nodes { id } } }").await;
    let code = &answer["errors"][0]["extensions"]["code"];
    assert_eq!(code, "UPSTREAM_UNAVAILABLE", "{answer}");
    let ready = reqwest::get(format!("http://{}/ready", process.address)).await;
    assert_eq!(ready.expect("an answer").status(), 503);
    process.terminate();
    assert_eq!(process.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_progress_finishes_before_shutdown() {
    let (comfy, seen) = server(Manner::default()).await;
    let process = Process::start(comfy, "");
    let rest = Arc::new(Notify::new());
    let release = Arc::clone(&rest);
    let half = |bytes: &'static [u8]| {
        stream::iter([Ok::<_, std::io::Error>(Bytes::from(
            [bytes, &vec![7; 50_000]].concat(),
        ))])
    };
    let bytes = half(CLIP).chain(
        stream::once(async move {
            release.notified().await;
            half(b"")
        })
        .flatten(),
    );
    let input = json!({ "source": "comfy", "file": null });
    let form = Form::new()
        .text("operations", operations(&input))
        .text("map", r#"{"0": ["variables.input.file"]}"#)
        .part(
            "0",
            Part::stream(Body::wrap_stream(bytes)).file_name("clip.mp4"),
        );
    let sending = tokio::spawn(
        reqwest::Client::new()
            .post(format!("http://{}/graphql", process.address))
            .header("graphql-require-preflight", "1")
            .multipart(form)
            .send(),
    );
    seen.until(|seen| seen.bytes.load(Ordering::SeqCst) > 10_000)
        .await;
    process.terminate();
    // The gateway refuses new connections.
    let address = process.address;
    let refusing = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refusing)
        .await
        .expect("it listens no more");
    // The upload in progress is served.
    rest.notify_one();
    let response = sending.await.expect("no panic").expect("an answer");
    let answer: Value = serde_json::from_str(&response.text().await.expect("text")).expect("JSON");
    assert_eq!(
        answer["data"]["uploadAsset"]["errors"],
        json!([]),
        "{answer:#}"
    );
    assert_eq!(process.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_without_file_descriptors() {
    let (comfy, _seen) = server(Manner::default()).await;
    let process = Process::start(comfy, "ulimit -n 48;");
    // More connections than the process may have open files.
    let mut connections = Vec::new();
    for _ in 0..100 {
        let connecting = tokio::net::TcpStream::connect(process.address);
        match tokio::time::timeout(Duration::from_secs(1), connecting).await {
            Ok(Ok(connection)) => connections.push(connection),
            // The process accepts no more.
            Ok(Err(_)) | Err(_) => break,
        }
    }
    assert!(connections.len() > 48, "more than it may have");
    drop(connections);
    let asking = async {
        loop {
            let client = reqwest::Client::new();
            let request = client
                .post(format!("http://{}/graphql", process.address))
                .header("content-type", "application/json")
                .timeout(Duration::from_secs(5))
                .body(r#"{"query":"{ __typename }"}"#)
                .send();
            if request.await.is_ok_and(|response| response.status() == 200) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .expect("it answers again");
    process.terminate();
    assert_eq!(process.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_key_works_with_its_configuration_lines() {
    let binary = env!("CARGO_BIN_EXE_asset-gateway");
    let run = |arguments: &[&str]| {
        let output = Command::new(binary).args(arguments).env_clear().output();
        output.expect("it runs")
    };
    let made = run(&[
        "key",
        "--id",
        "anna",
        "--scopes",
        "assets:read,assets:write",
    ]);
    let key = String::from_utf8(made.stdout).expect("text");
    let key = key.trim().to_owned();
    let advice = String::from_utf8(made.stderr).expect("text");
    let lines = advice.split_once("[[access.keys]]").expect("lines").1;
    assert!(
        !lines.contains(&key),
        "the configuration holds the hash alone"
    );
    let toml = format!("[access]\nmode = \"keys\"\n[[access.keys]]{lines}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), toml).expect("written");
    let (comfy, _seen) = server(Manner::default()).await;
    let process = Process::start(
        comfy,
        &format!("ASSET_GATEWAY_CONFIG={}", file.path().display()),
    );
    let ask = async |key: &str| {
        let client = reqwest::Client::new();
        let request = client
            .post(format!("http://{}/graphql", process.address))
            .header("content-type", "application/json")
            .bearer_auth(key)
            .body(r#"{"query":"{ assetSources { name } }"}"#)
            .send();
        request.await.expect("an answer").status().as_u16()
    };
    assert_eq!(ask(&key).await, 200);
    let other_key = run(&["key"]).stdout;
    let other_key = String::from_utf8(other_key).expect("text");
    let other_key = other_key
        .split_whitespace()
        .find(|word| word.starts_with("agw_"));
    assert_eq!(ask(other_key.expect("a key")).await, 401);
    assert_eq!(
        run(&["key", "--scopes", "everything"]).status.code(),
        Some(64)
    );
}

#[test]
fn it_does_not_expose_its_own_credentials_to_a_network() {
    let output = Command::new(env!("CARGO_BIN_EXE_asset-gateway"))
        .args(["serve", "--listen", "0.0.0.0:0"])
        .env_clear()
        .env("PIKTID_TOKEN", "a-token")
        .output()
        .expect("it runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{message}");
    assert!(
        message.contains("refusing to listen on 0.0.0.0:0"),
        "{message}"
    );
    assert!(!message.contains("a-token"), "{message}");
}
