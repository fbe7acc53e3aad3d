//! Checks README.md and the pages of `docs`: executes their operations, parses their
//! configurations, and follows their links and the citations in comments.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::harness::world;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Collects the files below a folder with one of these endings.
fn files_below(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str());
        if path.is_dir() {
            if !matches!(name, Some("node_modules" | "target" | "corpus")) {
                files_below(&path, endings, found);
            }
        } else if path
            .extension()
            .is_some_and(|ending| endings.iter().any(|known| ending == *known))
        {
            found.push(path);
        }
    }
}

/// Every page: its path from the root, and its text.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut paths = Vec::new();
    for folder in ["docs", "examples", "findings", "tests/judges", "tests/fuzz"] {
        files_below(&root().join(folder), &["md"], &mut paths);
    }
    for entry in fs::read_dir(root()).expect("the root") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "md") {
            paths.push(path);
        }
    }
    let text = |path: &Path| fs::read_to_string(path).expect("a page");
    paths
        .into_iter()
        .map(|path| {
            (
                path.strip_prefix(root()).expect("below").into(),
                text(&path),
            )
        })
        .collect()
}

/// The contents of the code blocks of a language, with their pages.
fn fenced(language: &str) -> Vec<(PathBuf, String)> {
    let begin = format!("```{language}\n");
    let mut blocks = Vec::new();
    for (path, text) in pages() {
        for rest in text.split(begin.as_str()).skip(1) {
            let block = rest.split("\n```").next().unwrap_or_default();
            blocks.push((path.clone(), block.to_owned()));
        }
    }
    blocks
}

/// Collects every `errors` list that is not empty.
fn failures(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "errors" && value.as_array().is_some_and(|all| !all.is_empty()) {
                    found.push(value.clone());
                }
                failures(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| failures(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_operation_of_the_pages_succeeds() {
    let world = world().await;
    let operations = fenced("graphql");
    assert!(operations.len() >= 12, "{}", operations.len());
    for (page, operation) in operations {
        let page = page.display();
        let response = world.post(&json!({ "query": operation }).to_string()).await;
        let text = response.text().await.expect("a body");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let mut found = Vec::new();
        failures(&answer, &mut found);
        assert_eq!(
            found,
            Vec::<Value>::new(),
            "{page}: {operation}\n{answer:#}"
        );
        let data = answer["data"].as_object().expect("data");
        for (name, value) in data {
            assert!(!value.is_null(), "{page}: {name} of {operation}");
        }
    }
}

#[test]
fn every_configuration_of_the_pages_is_toml() {
    let blocks = fenced("toml");
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for (page, text) in blocks {
        toml::from_str::<toml::Table>(&text)
            .unwrap_or_else(|error| panic!("{}: {error}\n{text}", page.display()));
    }
}

#[test]
fn the_example_configuration_passes_the_check() {
    let output = Command::new(env!("CARGO_BIN_EXE_asset-gateway"))
        .args(["check", "--offline", "--config", "examples/gateway.toml"])
        .current_dir(root())
        .env_clear()
        .env("MEDIA_SECRET", "thirty-two or more random letters")
        .env("SCENARIO_KEY", "key")
        .env("SCENARIO_SECRET", "secret")
        .env("PIKTID_LONG_LIVED_TOKEN", "token")
        .output()
        .expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn the_readme_is_short() {
    let readme = &pages()[Path::new("README.md")];
    assert!(readme.lines().count() <= 150);
}

/// The anchors of a page: its headings in lower case, without punctuation, blanks as hyphens.
fn anchors(text: &str) -> Vec<String> {
    let mut in_code = false;
    let headings = text.lines().filter(|line| {
        in_code ^= line.starts_with("```");
        !in_code && line.starts_with('#')
    });
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            words
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect()
        })
        .collect()
}

/// The targets of a page's links and pictures, code aside.
fn links(text: &str) -> Vec<String> {
    let mut in_code = false;
    let prose = text.lines().filter(|line| {
        in_code ^= line.starts_with("```");
        !in_code
    });
    prose
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_link_of_the_pages_resolves() {
    let pages = pages();
    let (mut broken, mut followed) = (Vec::new(), 0);
    for (path, text) in &pages {
        for link in links(text) {
            if link.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let here = root().join(path);
            let folder = here.parent().expect("a folder");
            let target = if file.is_empty() {
                here.clone()
            } else {
                folder.join(file)
            };
            let Ok(target) = target.canonicalize() else {
                broken.push(format!("{}: {link}", path.display()));
                continue;
            };
            if !anchor.is_empty() {
                let text = fs::read_to_string(&target).expect("a page");
                if !anchors(&text).iter().any(|known| known == anchor) {
                    broken.push(format!("{}: {link}", path.display()));
                }
            }
        }
    }
    assert!(followed >= 80, "{followed}");
    assert_eq!(broken, Vec::<String>::new());
}

/// Splits what follows a citation of a page into its sections: `4.1, 4.3 to 4.5, O12` or `trap 7`.
fn sections(rest: &str) -> Vec<String> {
    let rest = rest.trim_start_matches('`').trim_start();
    let rest = rest.strip_prefix("trap ").unwrap_or(rest);
    let mut found = Vec::new();
    for word in rest.split_whitespace() {
        if matches!(word, "and" | "to" | "//!" | "///" | "//") {
            continue;
        }
        let section = word.trim_end_matches([',', '.', ')', ';', ':']);
        let digits = section.strip_prefix('O').unwrap_or(section);
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
            break;
        }
        found.push(section.to_owned());
        if word.ends_with([')', '.', ';', ':']) {
            break;
        }
    }
    found
}

/// Whether a page has a heading or a row of a table with this number.
fn has_section(page: &str, section: &str) -> bool {
    page.lines().any(|line| {
        let label = match line.strip_prefix("| ") {
            Some(row) => row.split(" |").next(),
            None if line.starts_with('#') => line.trim_start_matches('#').split_whitespace().next(),
            None => None,
        };
        label.is_some_and(|label| label.trim_end_matches('.') == section)
    })
}

#[test]
fn every_citation_in_comments_resolves() {
    let mut paths = vec![root().join("build.rs")];
    for folder in ["src", "tests", "benches"] {
        files_below(&root().join(folder), &["rs", "mjs", "py"], &mut paths);
    }
    let (mut broken, mut followed) = (Vec::new(), 0);
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source");
        // The design document is not in the repository.
        if text.contains(concat!("design ", "§")) {
            broken.push(path.display().to_string());
        }
        for (at, _) in text.match_indices(".md") {
            let begin = text[..at]
                .rfind(|c: char| !(c.is_alphanumeric() || "./_-".contains(c)))
                .map_or(0, |before| before + 1);
            let name = &text[begin..at + ".md".len()];
            let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let is_comment = text[line..].trim_start().starts_with("//");
            // Messages name pages too; other strings are names of uploads. The matrix is written
            // by a test, and `x` stands for a provider.
            let is_citation = is_comment || name.starts_with("docs/");
            if begin == at
                || !is_citation
                || name.contains("fault-matrix")
                || name.ends_with("/x.md")
            {
                continue;
            }
            followed += 1;
            let cited = format!("{}: {name}", path.display());
            let beside = path.parent().expect("a folder").join(name);
            let target = [root().join(name), beside]
                .into_iter()
                .find(|path| path.exists());
            let Some(target) = target else {
                broken.push(cited);
                continue;
            };
            let page = fs::read_to_string(target).expect("a page");
            for section in sections(&text[at + ".md".len()..]) {
                if name.contains("providers/") && !has_section(&page, &section) {
                    broken.push(format!("{cited} {section}"));
                }
            }
        }
    }
    assert!(followed >= 80, "{followed}");
    assert_eq!(broken, Vec::<String>::new());
}
