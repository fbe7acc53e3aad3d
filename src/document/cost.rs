//! Computes an operation's cost, in assets and upstream calls, before any upstream call.
//!
//! The visitor resolves types through fragments and interfaces, and prices each fragment once.

use std::collections::HashMap;

use async_graphql::{
    Name, Number, Positioned, Value as Constant, Variables,
    parser::types::{
        ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType,
        Selection, SelectionSet,
    },
};
use async_graphql_value::Value;

use crate::schema::{FieldCost, FieldCosts};

/// Maximum assets of a page. A page whose size cannot be read counts as this many.
const MAX_PAGE: u64 = 100;
/// Assets of a page without `first` and `last`.
const DEFAULT_PAGE: u64 = 20;

/// Returns the maximum cost of `operation`. The document was weighed: it has no fragment cycles.
pub fn of(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    prices: &FieldCosts,
) -> u64 {
    let mut visitor = CostVisitor {
        fragments: &document.fragments,
        prices,
        variables,
        operation,
        fragment_costs: HashMap::new(),
    };
    let root = match operation.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    };
    visitor.set(root, &operation.selection_set.node)
}

struct CostVisitor<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    prices: &'a FieldCosts,
    variables: &'a Variables,
    operation: &'a OperationDefinition,
    /// Costs of the fragments already priced, by name.
    fragment_costs: HashMap<&'a str, u64>,
}

impl<'a> CostVisitor<'a> {
    fn set(&mut self, parent: &str, set: &'a SelectionSet) -> u64 {
        set.items.iter().fold(0, |sum: u64, selection| {
            sum.saturating_add(match &selection.node {
                Selection::Field(field) => self.field(parent, &field.node),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |target| target.node.on.node.as_str());
                    self.set(parent, &fragment.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
            })
        })
    }

    fn fragment(&mut self, name: &Name) -> u64 {
        // The validator refuses unknown fragments.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            return 0;
        };
        if let Some(cost) = self.fragment_costs.get(name.as_str()) {
            return *cost;
        }
        let parent = fragment.node.type_condition.node.on.node.as_str();
        let cost = self.set(parent, &fragment.node.selection_set.node);
        self.fragment_costs.insert(name, cost);
        cost
    }

    fn field(&mut self, parent: &str, field: &'a Field) -> u64 {
        // The validator refuses unknown fields.
        let prices = self.prices;
        let Some((field_type, price)) = prices.of(parent, field.name.node.as_str()) else {
            return 0;
        };
        let inside = self.set(field_type, &field.selection_set.node);
        let with_asset = inside.saturating_add(1);
        match price {
            FieldCost::Free => inside,
            FieldCost::Calls(calls) => inside.saturating_add(calls),
            FieldCost::Sources(count) => inside.saturating_mul(count),
            FieldCost::Asset { calls } => with_asset.saturating_add(calls),
            FieldCost::Page { calls } => self
                .page(field)
                .saturating_mul(with_asset)
                .saturating_add(calls),
            FieldCost::Items { list, calls } => self
                .items(field, list)
                .saturating_mul(with_asset.saturating_add(calls)),
        }
    }

    /// Returns the maximum number of assets on the page that a field requests.
    fn page(&self, field: &Field) -> u64 {
        let sizes = ["first", "last"].map(|name| match self.find(field, &[name]) {
            Found::Nothing => None,
            // The resolver refuses a negative size, and a size over the maximum.
            Found::Number(size) => Some(u64::try_from(size).unwrap_or(0).min(MAX_PAGE)),
            Found::Items(_) | Found::Other => Some(MAX_PAGE),
        });
        sizes.into_iter().flatten().max().unwrap_or(DEFAULT_PAGE)
    }

    /// Returns the length of a list in the arguments. A single value is a list of one.
    fn items(&self, field: &Field, path: &[&str]) -> u64 {
        match self.find(field, path) {
            Found::Nothing => 0,
            Found::Items(items) => items,
            Found::Number(_) | Found::Other => 1,
        }
    }

    /// Finds the value at a path of the arguments.
    fn find(&self, field: &Field, path: &[&str]) -> Found {
        let Some((first, rest)) = path.split_first() else {
            return Found::Nothing;
        };
        match field.get_argument(first) {
            None => Found::Nothing,
            Some(value) => self.literal(&value.node, rest),
        }
    }

    fn literal(&self, value: &Value, path: &[&str]) -> Found {
        match (value, path) {
            (Value::Variable(name), _) => self.variable(name, path),
            (Value::Object(fields), [first, rest @ ..]) => fields
                .get(*first)
                .map_or(Found::Nothing, |value| self.literal(value, rest)),
            (Value::List(items), []) => Found::Items(items.len() as u64),
            (Value::Number(number), []) => Found::number(number),
            (Value::Null, _) | (_, [_, ..]) => Found::Nothing,
            (_, []) => Found::Other,
        }
    }

    fn variable(&self, name: &Name, path: &[&str]) -> Found {
        if let Some(value) = self.variables.get(name) {
            return constant(value, path);
        }
        let mut definitions = self.operation.variable_definitions.iter();
        definitions
            .find(|definition| definition.node.name.node == *name)
            .and_then(|definition| definition.node.default_value.as_ref())
            .map_or(Found::Nothing, |value| constant(&value.node, path))
    }
}

/// The value found at a path of the arguments.
enum Found {
    Nothing,
    Number(i64),
    Items(u64),
    Other,
}

impl Found {
    fn number(number: &Number) -> Self {
        number.as_i64().map_or(Self::Other, Self::Number)
    }
}

fn constant(value: &Constant, path: &[&str]) -> Found {
    match (value, path) {
        (Constant::Object(fields), [first, rest @ ..]) => fields
            .get(*first)
            .map_or(Found::Nothing, |value| constant(value, rest)),
        (Constant::List(items), []) => Found::Items(items.len() as u64),
        (Constant::Number(number), []) => Found::number(number),
        (Constant::Null, _) | (_, [_, ..]) => Found::Nothing,
        (_, []) => Found::Other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the cost on a gateway with two sources of each provider.
    fn cost(text: &str, variables: serde_json::Value) -> u64 {
        let (document, text) = super::super::parser::parse(text, &[]).expect("a document");
        let document = super::super::engine_document(&document, &text);
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(variables);
        of(
            &document,
            &operation.node,
            &variables,
            &FieldCosts::new(|_| 2),
        )
    }

    #[test]
    fn assets_and_calls_are_counted_whatever_they_are_reached_through() {
        let none = json!({});
        // 5 calls for each of 6 sources, and 20 assets.
        assert_eq!(cost("{assets{nodes{id name tags}}}", none.clone()), 50);
        assert_eq!(
            cost("{scenarioAssets(first:3){edges{node{id}}}}", none.clone()),
            13
        );
        let of_each = "{assetSources{name assets(first:10){nodes{id}}}}";
        assert_eq!(cost(of_each, none.clone()), 6 * (5 + 10));
        let of_results = "{assets(first:10){sourceResults{source{assets(first:10){nodes{id}}}}}}";
        assert_eq!(cost(of_results, none.clone()), 30 + 10 * (1 + 6 * (5 + 10)));
        let children = "children(first:10){nodes{id}}";
        let through = [
            format!("{{node(id:\"a\"){{...on Asset{{{children}}}}}}}"),
            format!("{{node(id:\"a\"){{...f}}}} fragment f on Asset{{{children}}}"),
            format!("{{node(id:\"a\"){{...on Node{{...on Asset{{{children}}}}}}}}}"),
            format!("{{asset(id:\"a\"){{...{{{children}}}}}}}"),
            format!("{{a:asset(id:\"a\"){{{children}}}}}"),
        ];
        for text in through {
            assert_eq!(cost(&text, none.clone()), 2 + 5 + 10, "{text}");
        }
        assert_eq!(
            cost(
                "{assets(first:10){nodes{children(first:10){nodes{preview{id}}}}}}",
                none
            ),
            30 + 10 * (1 + 5 + 10 * (1 + 2))
        );
    }

    #[test]
    fn sizes_are_read_wherever_they_stand_and_never_wrap() {
        let text = "query($n: Int = 7){comfyAssets(first:$n){nodes{id}}}";
        assert_eq!(cost(text, json!({})), 17);
        assert_eq!(cost(text, json!({"n": 9})), 19);
        assert_eq!(cost(text, json!({"n": null})), 30);
        assert_eq!(cost(text, json!({"n": -1})), 10);
        for huge in [
            json!(2_147_483_647),
            json!(1e300),
            json!(u64::MAX),
            json!("7"),
            json!([1]),
        ] {
            assert_eq!(cost(text, json!({"n": huge})), 110, "{huge}");
        }
        let mut deep = "id".to_owned();
        for _ in 0..30 {
            deep = format!("children(first:100){{nodes{{{deep}}}}}");
        }
        assert_eq!(
            cost(&format!("{{asset(id:\"a\"){{{deep}}}}}"), json!({})),
            u64::MAX
        );
    }

    #[test]
    fn ids_count_each() {
        let ids = json!(["a", "b", "c"]);
        assert_eq!(
            cost("query($i:[ID!]!){nodes(ids:$i){id}}", json!({"i": ids})),
            6
        );
        assert_eq!(cost("{nodes(ids:[\"a\",\"b\"]){id}}", json!({})), 4);
        assert_eq!(cost("{nodes(ids:\"a\"){id}}", json!({})), 2);
        let text = "mutation($i: BulkDeleteAssetsInput!){bulkDeleteAssets(input:$i){deletedIds}}";
        assert_eq!(cost(text, json!({"i": {"assetIds": ids}})), 6);
        let text = "mutation($i:[ID!]!){addAssetTags(input:{assetIds:$i,tags:[\"t\"]}){assets{preview{id}}}}";
        assert_eq!(cost(text, json!({"i": ids})), 3 * (1 + 2 + 2));
    }
}
