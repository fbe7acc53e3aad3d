//! The cache rules for clients in `examples/clients`, generated from the schema.
//!
//! `UPDATE_CLIENT_RULES=1 cargo test --test it client_rules` regenerates them.

use std::{collections::BTreeMap, fs, path::Path};

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};

/// The cache configuration of Apollo Client and graphcache, by file name.
fn rules() -> BTreeMap<&'static str, Value> {
    let schema = parse_schema(asset_gateway::schema::client_sdl()).expect("the schema");
    let mut possible: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut parts = Vec::new();
    for definition in schema.definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let name = definition.node.name.node.to_string();
        match &definition.node.kind {
            TypeKind::Union(union) => {
                let members = union
                    .members
                    .iter()
                    .map(|positioned| positioned.node.to_string());
                possible.insert(name, members.collect());
            }
            TypeKind::Object(object) => {
                let interfaces = object
                    .implements
                    .iter()
                    .map(|positioned| positioned.node.to_string());
                let interfaces: Vec<_> = interfaces.collect();
                for interface in &interfaces {
                    possible
                        .entry(interface.clone())
                        .or_default()
                        .push(name.clone());
                }
                let is_root = ["Query", "Mutation"].contains(&name.as_str());
                if !is_root && !interfaces.contains(&"Node".to_owned()) {
                    parts.push(name);
                }
            }
            _ => {}
        }
    }
    let each = |rule: Value| -> Value {
        let rules = parts.iter().map(|name| (name.clone(), rule.clone()));
        Value::Object(rules.collect())
    };
    BTreeMap::from([
        ("apollo-policies.json", each(json!({ "merge": true }))),
        ("possible-types.json", json!(possible)),
        ("urql-keys.json", each(Value::Null)),
    ])
}

#[test]
fn the_rules_for_clients_match_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients");
    let is_update = std::env::var_os("UPDATE_CLIENT_RULES").is_some();
    for (file, rules) in rules() {
        let path = folder.join(file);
        let built = format!("{rules:#}\n");
        if is_update {
            fs::write(&path, &built).expect("written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == built,
            "examples/clients/{file} is out of date: \
             UPDATE_CLIENT_RULES=1 cargo test --test it client_rules"
        );
    }
}
