//! Caches are invisible: what holds with them holds without, and where hardly anything fits.

use std::{env, process::Command};

use crate::harness::CACHES;

/// Promises that must not depend on them.
const MODULES: [&str; 6] = [
    "paging::",
    "random_walks::",
    "writes::",
    "mutation_failures::",
    "tenants::",
    "response_cache::",
];

/// Whether this run is one without caches: for what is about them.
pub fn are_off() -> bool {
    env::var(CACHES).as_deref() == Ok("off")
}

/// Runs the tests of those promises once more, with such caches.
fn run_with(caches: &str) {
    if env::var(CACHES).is_ok() {
        return; // in such a run
    }
    let own = env::current_exe().expect("this program");
    let output = Command::new(own)
        .args(MODULES)
        .env(CACHES, caches)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "with caches {caches}:\n{told}");
    assert!(!told.contains("running 0 tests"), "{told}");
}

#[test]
fn the_same_holds_without_caches() {
    run_with("off");
}

#[test]
fn the_same_holds_where_hardly_anything_fits() {
    run_with("tiny");
}
