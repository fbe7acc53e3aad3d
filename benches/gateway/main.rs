//! Compares the gateway with fixed bytes, the bare engine and Tailcall. Run it by hand: `cargo
//! bench --bench gateway`, with `wrk` installed.
//!
//! Every server is a separate process on core 0; the load and the upstream run on core 1. Rounds
//! are interleaved, so that other work on the machine affects all alike. Compare the ratios.
//!
//! - `BENCH_SECONDS` per round (3), `BENCH_ROUNDS` (3), `BENCH_ONLY`: cases whose name contains it.
//! - `BENCH_MEMORY_SECONDS` of mixed load for the memory test (0: skip the test).
//! - `BENCH_TAILCALL`: the path of the Tailcall binary (1.6.14); unset leaves Tailcall out.

#![allow(clippy::print_stdout, reason = "the bench prints a report")]

mod cases;
mod contestants;
mod load;
mod questions;
mod reference;
mod report;
mod upstream;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use axum::Router;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, time::Instant};

use self::{
    cases::{Case, GATEWAY, SMALL_CACHE, cases},
    contestants::{Core, Kind, LaunchConfig, Server, free_port, serve_command},
    load::{Body, Load},
    questions::Question,
    report::{Round, min_median_max, table},
};

/// Seconds of warm-up load for each contestant before the first round.
const WARM_UP: u64 = 1;
/// Number of gateway starts in the start-up test.
const STARTS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", "static", port, file] => serve(port, reference::fixed(file)),
        ["serve", "engine", port] => serve(port, reference::engine()),
        ["serve", "upstream", port, delay] => serve(port, upstream::router(delay)),
        // `cargo bench` passes its harness's flags, which this bench ignores.
        _ => return bench(),
    }
    ExitCode::SUCCESS
}

/// Runs one of the auxiliary servers until it is killed.
fn serve(port: &str, router: Router) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let address = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind(address).await.expect("a free port");
        axum::serve(listener, router).await.expect("a server");
    });
}

fn bench() -> ExitCode {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("This needs wrk: apt-get install wrk (or brew install wrk).");
        return ExitCode::SUCCESS;
    }
    // Stay on the main thread: child processes end with the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let failures = runtime.block_on(async {
        let bench = Bench::start().await;
        let mut failures = 0;
        for case in cases().iter().filter(|case| bench.is_selected(&case.name)) {
            failures += bench.run(case).await;
        }
        if bench.is_selected("start") {
            bench.starts().await;
        }
        if bench.memory > 0 {
            failures += bench.memory().await;
        }
        failures
    });
    if failures == 0 {
        return ExitCode::SUCCESS;
    }
    println!("\n{failures} requests failed: do not trust the numbers above.");
    ExitCode::FAILURE
}

/// The state that all cases share.
struct Bench {
    seconds: u64,
    rounds: usize,
    /// Seconds of load in the memory test.
    memory: u64,
    only: String,
    tailcall: Option<PathBuf>,
    directory: TempDir,
    client: reqwest::Client,
    /// The sources, without a delay.
    upstream: Server,
    /// The sources, with a delay of 20 ms.
    delayed: Server,
}

/// A contestant in a case.
struct Entry {
    kind: Kind,
    server: Server,
    body: Body,
    /// Minimum size of a correct response, in bytes.
    min_bytes: usize,
    rounds: Vec<Round>,
}

impl Entry {
    fn load(&self, case: &Case, seconds: u64) -> Load<'_> {
        Load {
            port: self.server.port,
            body: &self.body,
            connections: case.connections,
            seconds,
            // The check costs the load generator more than the fastest contestant needs to respond.
            min_bytes: (!case.contestants.contains(&Kind::Static)).then_some(self.min_bytes),
        }
    }
}

impl Bench {
    async fn start() -> Self {
        let env_number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
        let client = reqwest::Client::builder()
            .no_proxy()
            // The next server may reuse a port, so no idle connection may remain.
            .pool_max_idle_per_host(0);
        Self {
            seconds: env_number("BENCH_SECONDS").unwrap_or(3),
            rounds: env_number("BENCH_ROUNDS").map_or(3, |rounds| rounds.max(1) as usize),
            memory: env_number("BENCH_MEMORY_SECONDS").unwrap_or(0),
            only: std::env::var("BENCH_ONLY").unwrap_or_default(),
            tailcall: std::env::var_os("BENCH_TAILCALL").map(PathBuf::from),
            directory: tempfile::tempdir().expect("a temporary directory"),
            client: client.build().expect("a client"),
            upstream: sources("0").await,
            delayed: sources("20").await,
        }
    }

    fn is_selected(&self, case: &str) -> bool {
        case.contains(&self.only)
    }

    /// Runs a case, prints its table, and returns the number of failed requests.
    async fn run(&self, case: &Case) -> u64 {
        let mut entries = Vec::new();
        for kind in &case.contestants {
            if self.tailcall.is_some() || !matches!(kind, Kind::Tailcall(_)) {
                entries.push(self.start_contestant(*kind, case).await);
            }
        }
        for entry in &entries {
            load::run(&entry.load(case, WARM_UP), self.directory.path());
        }
        for _ in 0..self.rounds {
            for entry in &mut entries {
                let round = self.round(entry, case).await;
                entry.rounds.push(round);
            }
        }
        for entry in &entries {
            self.check(&entry.server, &entry.body, case).await;
        }
        let results: Vec<_> = entries
            .iter()
            .map(|entry| (entry.kind, &*entry.rounds))
            .collect();
        print!("{}", table(case, &results));
        let rounds = entries.iter().flat_map(|entry| &entry.rounds);
        rounds.map(|round| round.failures).sum()
    }

    /// Starts a contestant and checks its response.
    async fn start_contestant(&self, kind: Kind, case: &Case) -> Entry {
        if kind == Kind::Static {
            self.store_answer(case).await;
        }
        let body = case.question.body(kind.dialect());
        let port = free_port();
        let server = Server::start(kind.command(port, &self.launch_config(case)), port).await;
        let answer = self.check(&server, &body, case).await;
        Entry {
            kind,
            server,
            body,
            min_bytes: answer.len() * 9 / 10,
            rounds: Vec::new(),
        }
    }

    /// Stores the gateway's exact response for the static contestant.
    async fn store_answer(&self, case: &Case) {
        let port = free_port();
        let gateway = Server::start(GATEWAY.command(port, &self.launch_config(case)), port).await;
        let body = case.question.body(GATEWAY.dialect());
        let answer = self.check(&gateway, &body, case).await;
        std::fs::write(self.launch_config(case).answer(), answer).expect("a writable file");
    }

    fn launch_config(&self, case: &Case) -> LaunchConfig<'_> {
        LaunchConfig {
            directory: self.directory.path(),
            upstream: self.sources(case).port,
            tailcall: self.tailcall.as_deref(),
        }
    }

    fn sources(&self, case: &Case) -> &Server {
        if case.is_far {
            &self.delayed
        } else {
            &self.upstream
        }
    }

    /// Sends one request; asserts the number of names and the absence of errors.
    async fn check(&self, server: &Server, body: &Body, case: &Case) -> String {
        let answer = self
            .client
            .post(format!("http://127.0.0.1:{}/graphql", server.port))
            .header("content-type", "application/json")
            .body(body.sample())
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("a body");
        let names = text.matches("\"name\":").count();
        assert_eq!(names, case.question.names(), "{}: {text}", case.name);
        assert!(!text.contains("\"errors\""), "{}: {text}", case.name);
        text
    }

    async fn round(&self, entry: &Entry, case: &Case) -> Round {
        // Reading the count resets it.
        self.calls(case).await;
        let before = entry.server.ticks();
        let load = entry.load(case, self.seconds);
        let outcome = load::run(&load, self.directory.path());
        let ticks = entry.server.ticks() - before;
        let calls = self.calls(case).await;
        let requests = outcome.requests.max(1) as f64;
        Round {
            rate: outcome.rate,
            // A tick is a hundredth of a second.
            cpu_micros: ticks as f64 * 1e4 / requests,
            p50: outcome.p50,
            p99: outcome.p99,
            memory_mib: entry.server.resident_kib() as f64 / 1024.0,
            calls: calls as f64 / requests,
            failures: outcome.failures,
        }
    }

    /// Returns the number of calls to the sources since the previous read.
    async fn calls(&self, case: &Case) -> u64 {
        let url = format!("http://127.0.0.1:{}/calls", self.sources(case).port);
        let answer = self.client.get(url).send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        let calls: Value = serde_json::from_str(&text).expect("JSON");
        let counts = calls
            .as_object()
            .expect("a count for each provider")
            .values();
        counts.filter_map(Value::as_u64).sum()
    }

    /// Measures the time from process start to the first 200 of `/ready`.
    async fn starts(&self) {
        let launch_config = LaunchConfig {
            directory: self.directory.path(),
            upstream: self.upstream.port,
            tailcall: None,
        };
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let port = free_port();
            let command = GATEWAY.command(port, &launch_config);
            let url = format!("http://127.0.0.1:{port}/ready");
            let began = Instant::now();
            let _server = Server::spawn(command, port);
            let ready = async {
                while !self.responds_ok(&url).await {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let limit = Duration::from_secs(10);
            tokio::time::timeout(limit, ready)
                .await
                .expect("the gateway becomes ready in time");
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let (low, median, high) = min_median_max(times);
        println!(
            "\n### start: {median:.0} ms to the first 200 of /ready ({low:.0} to {high:.0}, {STARTS} times)"
        );
    }

    /// Prints the memory use of a gateway with a 32 MiB cache under mixed load; returns failures.
    async fn memory(&self) -> u64 {
        let launch_config = LaunchConfig {
            directory: self.directory.path(),
            upstream: self.upstream.port,
            tailcall: None,
        };
        let port = free_port();
        let gateway = Server::start(SMALL_CACHE.command(port, &launch_config), port).await;
        let body = Question::Mixed.body(SMALL_CACHE.dialect());
        let resident_mib = || gateway.resident_kib() as f64 / 1024.0;
        println!("\n### memory: mixed load on 32 connections, a cache of 32 MiB\n");
        println!("| after s | requests/s | RSS MiB | failures |\n|--:|--:|--:|--:|");
        println!("| 0 | | {:.1} | |", resident_mib());
        let (mut failures, mut elapsed) = (0, 0);
        while elapsed < self.memory {
            let seconds = 30.min(self.memory - elapsed);
            let load = Load {
                port,
                body: &body,
                connections: 32,
                seconds,
                min_bytes: Some(100),
            };
            let outcome = load::run(&load, self.directory.path());
            elapsed += seconds;
            failures += outcome.failures;
            let (rate, memory) = (outcome.rate, resident_mib());
            println!(
                "| {elapsed} | {rate:.0} | {memory:.1} | {} |",
                outcome.failures
            );
        }
        failures
    }

    async fn responds_ok(&self, url: &str) -> bool {
        let answer = self.client.get(url).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

/// Starts the emulated sources; each response takes `delay` milliseconds.
async fn sources(delay: &str) -> Server {
    let port = free_port();
    let command = serve_command(&["upstream", &port.to_string(), delay], Core::Other);
    Server::start(command, port).await
}
