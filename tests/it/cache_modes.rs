//! Caches do not change results: the same tests pass without caches and with a tiny cache.

use std::{env, process::Command};

use crate::harness::CACHES;

/// The test modules whose results must not depend on caches.
const MODULES: [&str; 6] = [
    "paging::",
    "random_walks::",
    "writes::",
    "mutation_failures::",
    "tenants::",
    "response_cache::",
];

/// Whether this run has no caches: tests about the caches skip it.
pub fn are_off() -> bool {
    env::var(CACHES).as_deref() == Ok("off")
}

/// Runs the tests of `MODULES` again in a child process, with this cache mode.
fn run_with(caches: &str) {
    if env::var(CACHES).is_ok() {
        return; // this is the child process
    }
    let program = env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(MODULES)
        .env(CACHES, caches)
        .output()
        .expect("it runs");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "with caches {caches}:\n{report}");
    assert!(!report.contains("running 0 tests"), "{report}");
}

#[test]
fn the_same_tests_pass_without_caches() {
    run_with("off");
}

#[test]
fn the_same_tests_pass_with_a_tiny_cache() {
    run_with("tiny");
}
