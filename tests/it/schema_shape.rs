//! Properties of the schema that clients, caches and other subgraphs rely on.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition},
};

fn types() -> BTreeMap<String, TypeDefinition> {
    let schema = parse_schema(asset_gateway::schema::sdl()).expect("the schema");
    let types = schema
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => {
                Some((definition.node.name.node.to_string(), definition.node))
            }
            _ => None,
        });
    types.collect()
}

fn fields(definition: &TypeDefinition) -> Vec<&FieldDefinition> {
    let fields = match &definition.kind {
        TypeKind::Object(object) => &object.fields,
        TypeKind::Interface(interface) => &interface.fields,
        _ => return Vec::new(),
    };
    fields.iter().map(|field| &field.node).collect()
}

fn description(definition: &TypeDefinition) -> &str {
    let description = definition.description.as_ref();
    description.map_or("", |text| text.node.as_str())
}

/// The number of lists and non-nulls around a type's name.
fn wrappers(wrapped: &Type) -> usize {
    let inner = match &wrapped.base {
        BaseType::Named(_) => 0,
        BaseType::List(item) => 1 + wrappers(item),
    };
    inner + usize::from(!wrapped.nullable)
}

#[test]
fn no_type_has_more_wrappers_than_introspection_asks_for() {
    // graphql-js introspects a name in up to seven wrappers (`TypeRef`, up to version 16).
    let mut count = 0;
    for (name, definition) in &types() {
        for field in fields(definition) {
            let arguments = field.arguments.iter().map(|wrapped| &wrapped.node.ty.node);
            for wrapped in arguments.chain([&field.ty.node]) {
                count += 1;
                assert!(
                    wrappers(wrapped) <= 7,
                    "{name}.{}: {wrapped}",
                    field.name.node
                );
            }
        }
        if let TypeKind::InputObject(input) = &definition.kind {
            for field in &input.fields {
                let wrapped = &field.node.ty.node;
                assert!(
                    wrappers(wrapped) <= 7,
                    "{name}.{}: {wrapped}",
                    field.node.name.node
                );
            }
        }
    }
    assert!(count > 300, "{count} types");
}

#[test]
fn only_nodes_have_an_id() {
    // Normalising caches identify an object by its type and `id`.
    let mut with_id = Vec::new();
    for (name, definition) in &types() {
        if fields(definition)
            .iter()
            .any(|field| field.name.node == "id")
        {
            with_id.push(name.clone());
        }
    }
    assert_eq!(with_id, ["Asset", "AssetSource", "Node"]);
}

#[test]
fn members_of_a_union_or_interface_agree_on_the_types_of_their_fields() {
    let types = types();
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for (name, definition) in &types {
        match &definition.kind {
            TypeKind::Union(union) => {
                let members = union.members.iter().map(|own| own.node.to_string());
                for member in members {
                    let (member, _) = types.get_key_value(&member).expect("a type");
                    groups.entry(name.clone()).or_default().push(member);
                }
            }
            TypeKind::Object(object) => {
                for interface in &object.implements {
                    let interface = interface.node.to_string();
                    groups.entry(interface).or_default().push(name);
                }
            }
            _ => {}
        }
    }
    assert!(groups.len() >= 3, "{groups:?}");
    for (group, members) in groups {
        let mut first_types: BTreeMap<String, (String, &str)> = BTreeMap::new();
        for member in members {
            for field in fields(&types[member]) {
                let own = field.ty.node.to_string();
                let name = field.name.node.to_string();
                let (first, by) = first_types
                    .entry(name.clone())
                    .or_insert_with(|| (own.clone(), member));
                assert_eq!(*first, own, "{group}: `{name}` of {by} and {member}");
            }
        }
    }
}

#[test]
fn names_say_that_they_are_about_assets() {
    // Types that a supergraph shares, and types of the specifications.
    let shared = [
        "ByteSize",
        "DateTime",
        "JSON",
        "Mutation",
        "Node",
        "PageInfo",
        "Query",
        "URL",
        "Upload",
        "SourceUpload",
        "_Any",
        "_Entity",
        "_Service",
    ];
    let ours = ["Asset", "Scenario", "Piktid", "Comfy"];
    for name in types().keys() {
        assert!(
            shared.contains(&name.as_str()) || ours.iter().any(|part| name.contains(part)),
            "`{name}` collides with another subgraph's"
        );
    }
    let roots = &types()["Query"];
    let roots: BTreeSet<_> = fields(roots)
        .into_iter()
        .map(|field| field.name.node.to_string())
        .collect();
    for root in roots {
        let is_relays = ["node", "nodes"].contains(&root.as_str());
        let is_federations = root.starts_with('_');
        let is_about_assets = root.to_lowercase().contains("asset");
        assert!(is_relays || is_federations || is_about_assets, "{root}");
    }
}

#[test]
fn enums_say_whether_they_grow_and_what_to_do_then() {
    let mut count = 0;
    for (name, definition) in &types() {
        if !matches!(definition.kind, TypeKind::Enum(_)) {
            continue;
        }
        count += 1;
        let text = description(definition).replace('\n', " ");
        let says = [
            "Values may be added: ",
            "Values may be added; only requests use them.",
            "No values will be added.",
        ];
        assert!(
            says.iter().any(|phrase| text.contains(phrase)),
            "{name}: {text}"
        );
    }
    assert!(count > 15, "{count} enums");
}

#[test]
fn lists_without_pages_say_their_bound() {
    let types = types();
    let mut count = 0;
    for (name, definition) in &types {
        let is_bounded_as_sent = description(definition).contains("Its lists are as long as");
        for field in fields(definition) {
            let BaseType::List(item) = &field.ty.node.base else {
                continue;
            };
            let of_enum = match &item.base {
                BaseType::Named(item) => types
                    .get(item.as_str())
                    .is_some_and(|item| matches!(item.kind, TypeKind::Enum(_))),
                BaseType::List(_) => false,
            };
            if of_enum || is_bounded_as_sent || field.name.node.starts_with('_') {
                continue;
            }
            count += 1;
            let text = field.description.as_ref().map_or("", |own| &own.node);
            let text = text.replace('\n', " ");
            let says = ["at most", "one for each", "as many as", "for each source"];
            assert!(
                says.iter().any(|own| text.to_lowercase().contains(own)),
                "{name}.{}: {text}",
                field.name.node
            );
        }
    }
    assert!(count > 15, "{count} lists");
}
