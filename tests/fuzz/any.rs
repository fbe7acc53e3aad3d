//! One of the targets, by the variable `TARGET`.

#![no_main]

use std::sync::LazyLock;

use asset_gateway::fuzz::{Target, targets};

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let found = targets().into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| {
        let names: Vec<_> = targets().iter().map(|target| target.name).collect();
        panic!("TARGET must be one of {}", names.join(", "))
    })
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (CHOSEN.run)(bytes));
