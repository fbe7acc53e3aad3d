//! The cost of each field, in assets and upstream calls.

use std::collections::HashMap;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, TypeKind, TypeSystemDefinition},
};

use super::{field_cost::FieldCost, providers, sdl};
use crate::asset::Provider;

/// The most list calls to one source for a page (`docs/queries.md`).
const CALLS_FOR_A_PAGE: u64 = 5;

/// The cost of the whole schema, which is about 100 KB of response.
const SCHEMA: u64 = 200;

/// The type and cost of every field in the schema.
pub struct FieldCosts(HashMap<String, HashMap<String, (String, FieldCost)>>);

impl FieldCosts {
    /// Computes the costs for a gateway. `sources` returns its number of sources of a provider.
    #[must_use]
    pub fn new(sources: impl Fn(Provider) -> u64) -> Self {
        let counts = Provider::ALL.map(|provider| (provider, sources(provider)));
        let pages = |provider: Option<Provider>| {
            let matching = counts
                .iter()
                .filter(|(matching, _)| provider.is_none_or(|provider| provider == *matching));
            let sources: u64 = matching.map(|(_, count)| count).sum();
            FieldCost::Page {
                calls: CALLS_FOR_A_PAGE.saturating_mul(sources.max(1)),
            }
        };
        let price = |parent: &str, field: &str| match (parent, field) {
            ("Query", "assets") => pages(None),
            ("Query", "node" | "asset") | ("Asset", "preview" | "parent" | "root") => {
                FieldCost::Asset { calls: 1 }
            }
            ("Query", "nodes") => FieldCost::Items {
                list: &["ids"],
                calls: 1,
            },
            ("Query", "_entities") => FieldCost::Items {
                list: &["representations"],
                calls: 1,
            },
            ("Asset", "children") | ("AssetSource", "assets") => FieldCost::Page {
                calls: CALLS_FOR_A_PAGE,
            },
            ("Query", "assetSources") | ("AssetConnection", "sourceResults") => {
                FieldCost::Sources(counts.iter().map(|(_, count)| count).sum::<u64>().max(1))
            }
            // It makes no call, but is large, so that many of them add up.
            ("Asset", "raw") => FieldCost::Calls(5),
            ("Query", "__schema" | "_service") => FieldCost::Calls(SCHEMA),
            ("Query", "__type") => FieldCost::Calls(SCHEMA / 10),
            ("Mutation", "addAssetTags" | "removeAssetTags" | "setAssetTags") => FieldCost::Items {
                list: &["input", "assetIds"],
                calls: 2,
            },
            ("Mutation", "bulkDeleteAssets") => FieldCost::Items {
                list: &["input", "assetIds"],
                calls: 1,
            },
            ("Mutation", "setAssetNote" | "deleteAsset") => FieldCost::Asset { calls: 2 },
            ("Mutation", "uploadAsset") => FieldCost::Asset { calls: 5 },
            _ => providers::COSTS
                .iter()
                .find_map(|(provider, cost)| cost(parent, field, pages(Some(*provider))))
                .unwrap_or(FieldCost::Free),
        };
        // The gateway's own SDL. The tests parse it too, so parsing does not fail here.
        let schema = parse_schema(sdl::whole()).map(|schema| schema.definitions);
        let mut types = HashMap::new();
        for definition in schema.unwrap_or_default() {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let name = definition.node.name.node.to_string();
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                _ => continue,
            };
            let fields = fields.into_iter().map(|field| {
                let (field, type_name) = name_and_type(&field.node);
                let price = price(&name, &field);
                (field, (type_name, price))
            });
            types.insert(name.clone(), fields.collect());
        }
        let mut prices = Self(types);
        // The engine adds these fields, but does not print them.
        let added = [("__schema", "__Schema"), ("__type", "__Type")];
        if let Some(query) = prices.0.get_mut("Query") {
            for (field, type_name) in added {
                query.insert(
                    field.to_owned(),
                    (type_name.to_owned(), price("Query", field)),
                );
            }
        }
        prices
    }

    /// Returns a field's innermost type and its cost; `None` when there is no such field.
    #[must_use]
    pub fn of(&self, parent: &str, field: &str) -> Option<(&str, FieldCost)> {
        let (type_name, price) = self.0.get(parent)?.get(field)?;
        Some((type_name, *price))
    }
}

/// Returns a field's name and the name of its innermost type.
fn name_and_type(field: &FieldDefinition) -> (String, String) {
    let mut base = &field.ty.node.base;
    let type_name = loop {
        match base {
            BaseType::Named(name) => break name.to_string(),
            BaseType::List(item) => base = &item.base,
        }
    };
    (field.name.node.to_string(), type_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_an_asset_has_a_price() {
        let prices = FieldCosts::new(|_| 1);
        // Fields whose assets are already paid for by a parent field.
        let carried = [
            ("AssetConnection", "nodes"),
            ("AssetEdge", "node"),
            ("AddAssetTagsPayload", "assets"),
            ("RemoveAssetTagsPayload", "assets"),
            ("SetAssetTagsPayload", "assets"),
            ("SetAssetNotePayload", "asset"),
            ("UploadAssetPayload", "asset"),
        ];
        let (mut checked, mut priced) = (0, 0);
        for (parent, fields) in &prices.0 {
            for (field, (type_name, price)) in fields {
                priced += usize::from(*price != FieldCost::Free);
                let leads =
                    ["Asset", "AssetConnection", "Node", "_Entity"].contains(&type_name.as_str());
                if !(leads || parent == "Mutation") {
                    continue;
                }
                checked += 1;
                let is_carried = carried.contains(&(parent.as_str(), field.as_str()));
                assert_eq!(*price == FieldCost::Free, is_carried, "{parent}.{field}");
            }
        }
        assert!(checked > 20, "the schema was read");
        // A rule for a field that does not exist would have no effect.
        assert_eq!(priced, 29);
    }
}
