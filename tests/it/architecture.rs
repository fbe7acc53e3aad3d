//! The boundaries between modules (`src/lib.rs`), read from the `use` lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

use asset_gateway::asset::Provider;

/// Modules from top to bottom: each may use those below it.
const MODULES: [&str; 20] = [
    "fuzz",
    "cli",
    "sandbox",
    "server",
    "explorer",
    "config",
    "document",
    "schema",
    "media",
    "write",
    "connection",
    "loader",
    "cache",
    "providers",
    "source",
    "access",
    "upstream",
    "settings",
    "telemetry",
    "asset",
];

/// Crates and the modules that may use them.
const CRATES: [(&str, &[&str]); 16] = [
    ("axum", &["server", "explorer", "sandbox"]),
    // Assets derive the objects of their providers' details: one definition for decoding and the graph.
    (
        "async_graphql",
        &["schema", "document", "server", "cli", "asset"],
    ),
    ("async_graphql_axum", &["server"]),
    ("apollo_compiler", &["document", "schema"]),
    ("moka", &["cache"]),
    ("dataloader", &["loader"]),
    ("reqwest", &["upstream"]),
    ("jsonwebtoken", &["access"]),
    ("governor", &["access"]),
    ("tower_http", &["server"]),
    ("hyper_util", &["server"]),
    ("multer", &["server"]),
    ("mail_parser", &["server"]),
    ("tempfile", &["write"]),
    ("infer", &["asset"]),
    ("std::env", &["settings", "cli"]),
];

struct Source {
    path: PathBuf,
    module: String,
    /// The file's text without comment lines.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let below = path.strip_prefix(&root).expect("below src");
                let first = below.components().next().expect("a name");
                let module = first
                    .as_os_str()
                    .to_string_lossy()
                    .trim_end_matches(".rs")
                    .to_owned();
                let code = fs::read_to_string(&path)
                    .expect("readable")
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n");
                files.push(Source { path, module, code });
            }
        }
    }
    assert!(files.len() > 50, "all of src was read");
    files
}

/// The modules of this crate that a file names: `crate::module` paths, also inside braces.
fn modules_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut word, mut words) = (0, String::new(), Vec::new());
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => words.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(letter),
                    _ => {}
                }
            }
            words.push(word);
            used.extend(
                words
                    .iter()
                    .filter_map(|w| w.trim().split("::").next().map(str::to_owned)),
            );
        } else {
            used.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    used.retain(|module| MODULES.contains(&module.as_str()));
    used
}

fn layer(module: &str) -> Option<usize> {
    MODULES.iter().position(|name| *name == module)
}

#[test]
fn a_module_uses_only_modules_below_it() {
    for source in sources() {
        let Some(own_layer) = layer(&source.module) else {
            continue;
        };
        for used in modules_used(&source.code) {
            assert!(
                layer(&used).is_some_and(|used| used >= own_layer),
                "{} uses `{used}`, a module above its own",
                source.path.display()
            );
        }
    }
}

#[test]
fn crates_stay_in_their_modules() {
    for source in sources() {
        for (name, modules) in CRATES {
            let named = source
                .code
                .match_indices(&format!("{name}::"))
                .any(|(at, _)| {
                    let before = source.code[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                });
            assert!(
                !named || modules.contains(&source.module.as_str()),
                "{} knows `{name}`, which is for {modules:?}",
                source.path.display()
            );
        }
    }
}

#[test]
fn the_sandbox_and_the_clients_share_no_type() {
    for source in sources().iter().filter(|s| s.module == "sandbox") {
        let used = modules_used(&source.code);
        assert!(
            used.iter().all(|module| module == "sandbox"),
            "{} uses {used:?}: it must be written from the contracts alone",
            source.path.display()
        );
    }
}

/// The files that may name a provider beside its folders: each registers it.
const REGISTRATIONS: [&str; 4] = [
    "asset.rs",
    "providers.rs",
    "sandbox.rs",
    "schema/providers.rs",
];

#[test]
fn a_provider_is_named_in_its_folders_and_where_it_is_registered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for provider in Provider::ALL.map(Provider::word) {
        let (mut own, mut others) = (0, Vec::new());
        for source in sources() {
            let path = source.path.strip_prefix(&root).expect("below src");
            let path = path.to_string_lossy().into_owned();
            let text = fs::read_to_string(&source.path).expect("readable");
            // Unit tests may use a provider as their example.
            let text = text
                .split("\n#[cfg(test)]\nmod ")
                .next()
                .unwrap_or_default();
            if !text.to_lowercase().contains(provider) {
                continue;
            }
            let mut parts = path.split(['/', '.']);
            if parts.any(|part| part == provider) {
                own += 1;
            } else {
                others.push(path);
            }
        }
        assert!(own > 3, "{provider} has folders");
        others.retain(|path| !REGISTRATIONS.contains(&path.as_str()));
        assert_eq!(others, [""; 0], "{provider}");
    }
}

#[test]
fn a_provider_never_uses_another() {
    let providers = Provider::ALL.map(Provider::word);
    let mut checked = 0;
    for source in sources() {
        let path = source.path.to_string_lossy();
        let Some(provider) = providers
            .iter()
            .find(|p| path.contains(&format!("providers/{p}")))
        else {
            continue;
        };
        checked += 1;
        for other in providers.iter().filter(|p| p != &provider) {
            for spelled in [format!("providers::{other}"), format!("super::{other}")] {
                assert!(!source.code.contains(&spelled), "{path} knows {other}");
            }
        }
    }
    assert!(checked > 20, "the providers' files were read");
}

#[test]
fn the_module_parser_finds_uses() {
    assert_eq!(
        modules_used("use crate::{\n  asset::{Asset, id},\n  server::x,\n};"),
        ["asset", "server"]
    );
    assert_eq!(modules_used("crate::schema::build()"), ["schema"]);
}

#[test]
fn comments_and_messages_avoid_vague_words() {
    // Name the actor, the number and the place instead.
    let vague = ["whoever", "nobody", "so many", "at hand", "is told"];
    // A value in audit lines that operators search for.
    let audit = "who: \"nobody\".into(),";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for source in sources() {
        let text = fs::read_to_string(&source.path).expect("readable");
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            let is_vague = vague.iter().any(|word| lower.contains(word));
            if is_vague && line.trim() != audit {
                let path = source.path.strip_prefix(root).expect("below the root");
                found.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    let schema = fs::read_to_string(root.join("schema.graphql")).expect("readable");
    let schema = schema.to_lowercase();
    found.extend(
        vague
            .iter()
            .filter(|word| schema.contains(**word))
            .map(ToString::to_string),
    );
    assert!(found.is_empty(), "{found:#?}");
}
