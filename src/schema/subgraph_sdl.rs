//! The schema as other teams get it: as a federated subgraph, and for clients.

use std::sync::LazyLock;

use super::{
    field_cost::{FieldCost, FieldCosts},
    sdl,
};

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
    let printed = sdl::print(true);
    // The engine's own `@link` comes last, and imports every directive: cut it off.
    let types = printed.split("extend schema @link(").next();
    let mut definitions = sdl::definitions(types.unwrap_or_default());
    for definition in &mut definitions {
        let name = definition.name().to_owned();
        if name == "Query" {
            definition
                .fields
                .retain(|field| !RELAY_ROOTS.contains(&field.name()));
        }
        if ENTITIES.contains(&name.as_str()) {
            definition.head = format!("type {name} implements Node @key(fields: \"id\") {{");
        }
        if ROOTS.contains(&name.as_str()) {
            definition.description.clear();
        }
        if SHARED.contains(&name.as_str()) {
            definition.description.clear();
            // Other subgraphs specify the same scalar with another URL.
            if let Some((scalar, _)) = definition.head.split_once(" @specifiedBy") {
                definition.head = scalar.to_owned();
            }
            for field in &mut definition.fields {
                field.description.clear();
            }
        }
        for field in &mut definition.fields {
            if let Some((_, price)) = prices.of(&name, field.name()) {
                field.directives = cost_directives(price);
            }
        }
    }
    format!("{HEAD}{}", sdl::text(&definitions))
}

/// Prints a cost as directives of the cost specification, by which federated gateways limit
/// operations. They also count 1 for each object, while this gateway counts only assets.
fn cost_directives(price: FieldCost) -> String {
    let weight = |calls: u64| format!(" @cost(weight: {calls})");
    match price {
        FieldCost::Free => String::new(),
        FieldCost::Calls(calls) | FieldCost::Asset { calls } | FieldCost::Items { calls, .. } => {
            weight(calls)
        }
        FieldCost::Sources(count) => format!(" @listSize(assumedSize: {count})"),
        FieldCost::Page { calls } => {
            let list = " @listSize(slicingArguments: [\"first\", \"last\"], sizedFields: [\"edges\", \
                        \"nodes\"], assumedSize: 20, requireOneSlicingArgument: false)";
            format!("{list}{}", weight(calls))
        }
    }
}

/// Returns the SDL for clients, without the fields that only federated gateways use.
#[must_use]
pub fn without_federation() -> String {
    let printed = sdl::print(false);
    let mut definitions = sdl::definitions(&printed);
    definitions.retain(|definition| !definition.name().starts_with('_'));
    for definition in &mut definitions {
        definition
            .fields
            .retain(|field| !field.name().starts_with('_'));
    }
    sdl::text(&definitions)
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
