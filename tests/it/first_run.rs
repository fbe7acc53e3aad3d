//! The binary as a new user runs it.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;

use crate::harness::client;

/// The binary with an empty environment.
fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asset-gateway"));
    command.env_clear();
    command
}

/// A running binary; killed when dropped.
struct Running {
    child: Child,
    lines: Vec<String>,
    /// Stays open: the process may end once its reader is gone.
    _stdout: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(
    clippy::zombie_processes,
    reason = "a test that fails here ends the process"
)]
/// Starts the binary and reads its output until a line begins with `until`.
fn start(command: &mut Command, until: &str) -> Running {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut lines = Vec::new();
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    loop {
        let mut line = String::new();
        assert!(
            reader.read_line(&mut line).expect("readable") > 0,
            "it ended: {lines:?}"
        );
        let done = line.starts_with(until);
        lines.push(line.trim_end().to_owned());
        if done {
            return Running {
                child,
                lines,
                _stdout: reader,
            };
        }
    }
}

fn run(command: &mut Command) -> Output {
    command.output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn pages_of_this_machine_use_the_embedded_sandbox() {
    let running = start(
        binary().args(["--listen", "127.0.0.1:0"]),
        "These are emulated",
    );
    let url = running.lines[0]
        .trim_start_matches("The graph is at ")
        .to_owned();
    for (origin, is_allowed) in [
        ("http://localhost:5173", true),
        ("http://127.0.0.1:3000", true),
        ("https://localhost:5173", false),
        ("http://localhost.example:5173", false),
    ] {
        let request = client().request(reqwest::Method::OPTIONS, &url);
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let response = request.send().await.expect("an answer");
        let allowed = response
            .headers()
            .get("access-control-allow-origin")
            .cloned();
        assert_eq!(allowed.is_some(), is_allowed, "{origin}");
        assert_eq!(response.status() == 200, is_allowed, "{origin}");
    }
}

#[tokio::test]
async fn without_configuration_it_prints_its_address_and_answers() {
    let running = start(binary().args(["--listen", "127.0.0.1:0"]), "Sources:");
    let graph = running.lines[0]
        .strip_prefix("The graph is at ")
        .expect("said")
        .to_owned();
    assert!(
        running
            .lines
            .contains(&"Sources: comfy, piktid, scenario".to_owned()),
        "{:?}",
        running.lines
    );
    let response = client()
        .post(graph)
        .header("content-type", "application/json")
        .body("{\"query\":\"{ assets(first: 3) { nodes { name } sourceResults { status } } }\"}")
        .send()
        .await
        .expect("an answer");
    let answer: Value =
        serde_json::from_str(&response.text().await.unwrap_or_default()).unwrap_or_default();
    assert_eq!(
        answer["data"]["assets"]["nodes"].as_array().map(Vec::len),
        Some(3),
        "{answer}"
    );
}

#[test]
fn a_taken_port_is_named_with_the_option_to_change_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let output = run(binary().args(["serve", "--listen", &address]));
    assert!(!output.status.success());
    let message = stderr(&output);
    assert!(
        message.contains(&address) && message.contains("--listen"),
        "{message}"
    );
}

#[test]
fn it_prints_its_schema() {
    let plain = stdout(&run(binary().arg("schema")));
    assert_eq!(plain, include_str!("../../schema.graphql"));
    let subgraph = stdout(&run(binary().args(["schema", "--federation"])));
    assert!(subgraph.contains("type Asset implements Node @key(fields: \"id\")"));
    assert!(subgraph.contains("@link("), "{subgraph}");
}

#[test]
fn wrong_settings_are_refused_at_start_with_exit_code_64() {
    let file = std::env::temp_dir().join(format!("asset-gateway-test-{}.toml", std::process::id()));
    std::fs::write(
        &file,
        "listen = \"127.0.0.1:0\"\n\n[sources.piktid]\ntokn = \"hush-hush\"\n",
    )
    .expect("written");
    let path = file.to_str().expect("text");
    for command in ["serve", "check"] {
        let output = run(binary().args([command, "--config", path]));
        assert_eq!(output.status.code(), Some(64));
        let message = stderr(&output);
        assert!(
            message.contains(&format!(
                "{path}:4: `tokn` is not a key of [sources.piktid]: did you mean `token`?"
            )),
            "{message}"
        );
        assert!(!message.contains("hush-hush"), "{message}");
    }
    std::fs::remove_file(&file).expect("removed");
    let output = run(binary().env("SCENARIO_API_KEY", "only-the-key").args([
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]));
    assert_eq!(output.status.code(), Some(64));
    let message = stderr(&output);
    assert!(
        message.contains("api_secret") && !message.contains("only-the-key"),
        "{message}"
    );
}

#[test]
fn real_sources_are_not_exposed_to_the_network() {
    let output = run(binary()
        .env("PIKTID_TOKEN", "t")
        .args(["serve", "--listen", "0.0.0.0:0"]));
    assert_eq!(output.status.code(), Some(64));
    assert!(
        stderr(&output).contains("refusing to listen"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_sandbox_alone_prints_what_a_gateway_needs_and_check_uses_it() {
    let ports = ["sandbox", "--ports", "0,0,0"];
    let running = start(binary().args(ports), "COMFY_API_KEY=");
    let variables: Vec<(String, String)> = running
        .lines
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(variables.len(), 7);
    let output = run(binary().envs(variables.clone()).arg("check"));
    assert!(output.status.success(), "{}", stdout(&output));
    let table = stdout(&output);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert!(
        rows[2].starts_with("piktid") && rows[2].contains("accepted") && rows[2].contains("120"),
        "{table}"
    );
    let wrong = variables.into_iter().map(|(name, value)| {
        if name == "PIKTID_TOKEN" {
            (name, "wrong".to_owned())
        } else {
            (name, value)
        }
    });
    let output = run(binary().envs(wrong).arg("check"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("refused"), "{}", stdout(&output));
}

#[cfg(unix)]
#[test]
fn it_exits_successfully_on_sigterm() {
    let mut running = start(binary().args(["--listen", "127.0.0.1:0"]), "Sources:");
    let stopped = Command::new("kill")
        .arg(running.child.id().to_string())
        .status()
        .expect("kill runs");
    assert!(stopped.success());
    let status = running.child.wait().expect("it ends");
    assert!(status.success(), "{status}");
}

#[test]
fn logs_are_json_without_a_terminal() {
    let mut child = binary()
        .args(["--listen", "127.0.0.1:0"])
        .env("PIKTID_TOKEN", "t")
        .env("PIKTID_URL", "http://127.0.0.1:9")
        .env("ASSET_GATEWAY_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("readable");
    let address = line
        .trim()
        .strip_prefix("The graph is at http://")
        .and_then(|u| u.strip_suffix("/graphql"))
        .expect("said")
        .to_owned();
    let mut stream = std::net::TcpStream::connect(&address).expect("listening");
    let body = "{\"query\":\"{assets{nodes{id}}}\"}";
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.contains("UPSTREAM_UNAVAILABLE"), "{answer}");
    let _ = child.kill();
    let mut logs = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut logs)
        .expect("readable");
    let _ = child.wait();
    assert!(!logs.is_empty());
    for line in logs.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    assert!(logs.contains("\"source\":\"piktid\""), "{logs}");
}
