//! The schema's SDL in two forms: as a federated subgraph, and for clients.

use std::sync::LazyLock;

use apollo_compiler::ast::{Definition, DirectiveList, Document};

use super::{field_cost::FieldCost, field_costs::FieldCosts, sdl};

/// The entity types, which other subgraphs refer to by `id`.
const ENTITIES: [&str; 2] = ["Asset", "AssetSource"];

/// Relay's root fields, which stay out of the supergraph. Every Relay subgraph has them, and each
/// would be asked for the ids of all others.
const RELAY_ROOTS: [&str; 2] = ["node", "nodes"];

/// Types that many subgraphs define. Composition warns about two descriptions or `@specifiedBy`
/// URLs of one type, so this subgraph leaves its own out.
const SHARED: [&str; 7] = [
    "ByteSize", "DateTime", "JSON", "Node", "PageInfo", "URL", "Upload",
];

/// The root types, which every subgraph has.
const ROOTS: [&str; 2] = ["Mutation", "Query"];

/// The comment before the subgraph's SDL, for the teams of other subgraphs.
const HEAD: &str = r#"# The asset gateway as an Apollo Federation v2 subgraph.
#
# - Refer to an asset with `type Asset @key(fields: "id") { id: ID! … }`, and likewise to a source.
#   `id` is the global id of this graph: opaque, stable, and the same under every gateway.
# - Representations are read in batches: assets of one source take as few calls as its API allows.
#   An entity that is gone or not visible is null. An invalid representation is null, with an error
#   at its index.
# - `node` and `nodes` are left out: other Relay subgraphs have them too. Use `asset(id:)`.
# - `PageInfo` is @shareable, because Relay defines it alike for every subgraph.
# - @cost is the number of upstream calls that a field may cause; `raw` is large and counts 5. It
#   assumes one source of each provider and one item in a mutation. @listSize is the size of a page
#   without `first` and `last`.
# - The headers of each request decide who may read: let your gateway forward `authorization` and
#   `x-asset-source-*`.

extend schema
  @link(
    url: "https://specs.apollo.dev/federation/v2.9"
    import: ["@cost", "@key", "@listSize", "@shareable"]
  )

"#;

/// Returns the subgraph's SDL: the schema with keys and costs, after a comment for other teams.
#[must_use]
pub fn subgraph() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(subgraph_text);
    &TEXT
}

fn subgraph_text() -> String {
    let prices = FieldCosts::new(|_| 1);
    let mut document = sdl::document(true);
    // The engine's own `@link` imports every directive: `HEAD` has ours.
    document
        .definitions
        .retain(|definition| !definition.is_extension_definition());
    for definition in &mut document.definitions {
        let name = sdl::name(definition).to_owned();
        let is_shared = SHARED.contains(&name.as_str());
        if is_shared || ROOTS.contains(&name.as_str()) {
            clear_description(definition);
        }
        if let Definition::ScalarTypeDefinition(scalar) = definition
            && is_shared
        {
            // Other subgraphs specify the same scalar with another URL.
            scalar.make_mut().directives.clear();
        }
        if let Definition::ObjectTypeDefinition(object) = definition
            && ENTITIES.contains(&name.as_str())
        {
            object.make_mut().directives = directives("@key(fields: \"id\")");
        }
        let Some(fields) = sdl::fields(definition) else {
            continue;
        };
        fields.retain(|field| name != "Query" || !RELAY_ROOTS.contains(&field.name.as_str()));
        for field in fields {
            let field = field.make_mut();
            if is_shared {
                field.description = None;
            }
            if let Some((_, price)) = prices.of(&name, &field.name) {
                field.directives.extend(directives(&cost_directives(price)));
            }
        }
    }
    format!("{HEAD}{}", sdl::print(&document))
}

fn clear_description(definition: &mut Definition) {
    match definition {
        Definition::ObjectTypeDefinition(object) => object.make_mut().description = None,
        Definition::InterfaceTypeDefinition(interface) => interface.make_mut().description = None,
        Definition::ScalarTypeDefinition(scalar) => scalar.make_mut().description = None,
        _ => {}
    }
}

/// Parses directives, such as `@cost(weight: 5)`.
fn directives(text: &str) -> DirectiveList {
    let document = Document::parse(format!("scalar Any {text}"), "directives");
    let document = document.unwrap_or_else(|errors| errors.partial);
    match document.definitions.into_iter().next() {
        Some(Definition::ScalarTypeDefinition(scalar)) => scalar.directives.clone(),
        _ => DirectiveList::default(),
    }
}

/// Prints a cost as directives of the cost specification, by which federated gateways limit
/// operations. They also count 1 for each object, while this gateway counts only assets.
fn cost_directives(price: FieldCost) -> String {
    let weight = |calls: u64| format!("@cost(weight: {calls})");
    match price {
        FieldCost::Free => String::new(),
        FieldCost::Calls(calls) | FieldCost::Asset { calls } | FieldCost::Items { calls, .. } => {
            weight(calls)
        }
        FieldCost::Sources(count) => format!("@listSize(assumedSize: {count})"),
        FieldCost::Page { calls } => {
            let list = "@listSize(slicingArguments: [\"first\", \"last\"], sizedFields: [\"edges\", \
                        \"nodes\"], assumedSize: 20, requireOneSlicingArgument: false)";
            format!("{list} {}", weight(calls))
        }
    }
}

/// Returns the SDL for clients, without the fields that only federated gateways use.
#[must_use]
pub fn without_federation() -> String {
    let mut document = sdl::document(false);
    let is_federations = |name: &str| name.starts_with('_');
    document
        .definitions
        .retain(|definition| !is_federations(sdl::name(definition)));
    for fields in document.definitions.iter_mut().filter_map(sdl::fields) {
        fields.retain(|field| !is_federations(&field.name));
    }
    sdl::print(&document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subgraphs_schema_has_a_key_for_each_entity_and_links_only_what_it_uses() {
        let text = subgraph();
        for name in ENTITIES {
            let line = format!("type {name} implements Node @key(fields: \"id\") {{\n");
            assert_eq!(text.matches(&line).count(), 1, "{name}");
        }
        assert_eq!(text.matches("@link(").count(), 1);
        assert!(text.contains("type PageInfo @shareable {"));
        for root in RELAY_ROOTS {
            assert!(!text.contains(&format!("  {root}(")), "{root}");
        }
        assert!(!text.contains("_entities") && !text.contains("_service"));
        let page_info = "type PageInfo @shareable {\n  hasPreviousPage: Boolean!\n  hasNextPage: \
                         Boolean!\n  startCursor: String\n  endCursor: String\n}\n";
        assert!(text.contains(page_info), "without descriptions");
        assert!(text.contains("\ninterface Node {\n  id: ID!\n}\n"));
    }
}
