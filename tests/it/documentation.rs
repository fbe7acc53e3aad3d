//! Executes the README's operations as they are printed.

use serde_json::{Value, json};

use crate::harness::world;

/// The contents of the code blocks of a language.
fn fenced<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    let blocks = text.split(begin.as_str()).skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap_or_default())
        .collect()
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
async fn every_operation_of_the_readme_succeeds() {
    let world = world().await;
    let readme = include_str!("../../README.md");
    let operations = fenced(readme, "graphql");
    assert!(operations.len() >= 10, "{}", operations.len());
    for operation in operations {
        let response = world.post(&json!({ "query": operation }).to_string()).await;
        let text = response.text().await.expect("a body");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let mut found = Vec::new();
        failures(&answer, &mut found);
        assert_eq!(found, Vec::<Value>::new(), "{operation}\n{answer:#}");
        let data = answer["data"].as_object().expect("data");
        for (name, value) in data {
            assert!(!value.is_null(), "{name} of {operation}");
        }
    }
}

#[tokio::test]
async fn every_configuration_of_the_readme_is_toml() {
    let readme = include_str!("../../README.md");
    let blocks = fenced(readme, "toml");
    assert!(blocks.len() >= 5, "{}", blocks.len());
    for text in blocks {
        toml::from_str::<toml::Table>(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}
