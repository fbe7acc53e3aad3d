//! Dependencies comply with `deny.toml`: licences, bans and sources, from cargo's own metadata and
//! without a network.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde::Deserialize;
use serde_json::Value;
use spdx::{Expression, LicenseReq};

/// The part of `deny.toml` that these tests check.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Bans {
    multiple_versions: String,
    wildcards: String,
    skip: Vec<Banned>,
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
    allow_git: Vec<String>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn deny() -> Deny {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    toml::from_str(&text).expect("deny.toml is as it should be")
}

/// Cargo's metadata of everything built on this platform; packages of other platforms may be
/// missing here.
fn metadata() -> Value {
    let version = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs")
        .stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--all-features",
        ])
        .args(["--filter-platform", host.expect("rustc names its host")])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn packages(metadata: &Value) -> Vec<Value> {
    metadata["packages"].as_array().cloned().expect("packages")
}

fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

/// Whether at least one choice of the licence expression is allowed.
fn is_allowed(licence: &str, allowed: &[LicenseReq]) -> bool {
    // Older crates write `/` for OR.
    let expression = Expression::parse(&licence.replace('/', " OR "));
    expression.is_ok_and(|parsed| parsed.evaluate(|requirement| allowed.contains(requirement)))
}

fn allowed(deny: &Deny) -> Vec<LicenseReq> {
    let licences = deny.licenses.allow.iter().map(|granted| {
        let expression =
            Expression::parse(granted).unwrap_or_else(|error| panic!("{granted}: {error}"));
        let required: Vec<_> = expression
            .requirements()
            .map(|granted| granted.req.clone())
            .collect();
        assert_eq!(required.len(), 1, "`{granted}` is one licence");
        required[0].clone()
    });
    licences.collect()
}

/// A package's licence. Where a package has only a licence file, its first line decides; `cargo
/// deny` compares the whole text.
fn licence(package: &Value) -> String {
    let declared = text(package, "license");
    let Some(file) = package["license_file"]
        .as_str()
        .filter(|_| declared.is_empty())
    else {
        return declared.to_owned();
    };
    let manifest = Path::new(text(package, "manifest_path"));
    let whole = std::fs::read_to_string(manifest.with_file_name(file)).unwrap_or_default();
    match whole.lines().next() {
        Some("MIT License") => "MIT".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn dependencies_comply_with_deny_toml() {
    let deny = deny();
    let allowed = allowed(&deny);
    let strict = [
        &deny.bans.wildcards,
        &deny.sources.unknown_registry,
        &deny.sources.unknown_git,
    ];
    assert!(strict.iter().all(|item| *item == "deny") && deny.sources.allow_git.is_empty());
    let packages = packages(&metadata());
    assert!(packages.len() > 100, "all of the tree was read");
    let mut wrong = Vec::new();
    for package in &packages {
        let name = format!("{} {}", text(package, "name"), text(package, "version"));
        let source = text(package, "source");
        let is_own = package["source"].is_null() && text(package, "name") == "asset-gateway";
        if !is_own && source != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name} comes from {source:?}"));
        }
        let licence = licence(package);
        if !is_allowed(&licence, &allowed) {
            wrong.push(format!("{name} is licensed {licence:?}"));
        }
        if let Some(banned) = deny
            .bans
            .deny
            .iter()
            .find(|item| item.name == text(package, "name"))
        {
            wrong.push(format!("{name} is banned: {}", banned.reason));
        }
        if is_own {
            for dependency in package["dependencies"].as_array().into_iter().flatten() {
                if text(dependency, "req") == "*" {
                    wrong.push(format!("{} has no version", text(dependency, "name")));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn two_versions_of_a_crate_stand_only_where_a_dependency_forces_them() {
    let bans = deny().bans;
    assert_eq!(bans.multiple_versions, "deny");
    let metadata = metadata();
    let (mut versions, mut spec_of) = (BTreeMap::<String, usize>::new(), BTreeMap::new());
    for package in packages(&metadata) {
        let name = text(&package, "name").to_owned();
        let spec = format!("{name}@{}", text(&package, "version"));
        spec_of.insert(text(&package, "id").to_owned(), spec);
        *versions.entry(name).or_default() += 1;
    }
    let name_of = |spec: &str| spec.split('@').next().unwrap_or_default().to_owned();
    let mut dependents = BTreeMap::<&str, BTreeSet<String>>::new();
    for node in metadata["resolve"]["nodes"].as_array().expect("nodes") {
        for dependency in node["dependencies"].as_array().into_iter().flatten() {
            let dependency = &spec_of[dependency.as_str().expect("an id")];
            let dependent = name_of(&spec_of[text(node, "id")]);
            dependents.entry(dependency).or_default().insert(dependent);
        }
    }
    for skipped in &bans.skip {
        let dependents = dependents.get(skipped.name.as_str());
        let dependents = dependents.unwrap_or_else(|| panic!("{} is gone", skipped.name));
        assert!(!dependents.contains("asset-gateway"), "{}", skipped.name);
        for named in skipped.reason.split(", ") {
            assert!(dependents.contains(named), "{}: {named}", skipped.name);
        }
        *versions
            .get_mut(&name_of(&skipped.name))
            .expect("it is there") -= 1;
    }
    versions.retain(|_, count| *count > 1);
    assert!(versions.is_empty(), "without a reason: {versions:?}");
}

#[test]
fn every_direct_dependency_has_a_reason_above_it() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let (mut section, mut before, mut silent, mut count) = ("", "", Vec::new(), 0);
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies]")
            && line.contains(" = ")
            && !line.starts_with('#')
        {
            count += 1;
            if !before.starts_with("# ") {
                silent.push(line);
            }
        }
        before = line;
    }
    assert!(count > 20, "the manifest was read");
    assert_eq!(silent, Vec::<&str>::new(), "a reason stands above each");
}

#[test]
fn a_licence_that_is_not_allowed_is_detected() {
    let allowed = allowed(&deny());
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "AGPL-3.0",
        "",
        "Proprietary",
        "Apache-2.0 WITH Classpath-exception-2.0",
    ] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
    let names: BTreeSet<String> = deny()
        .bans
        .deny
        .into_iter()
        .map(|banned| banned.name)
        .collect();
    assert!(names.contains("openssl-sys"));
}
