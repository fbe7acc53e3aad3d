//! Resolves a provider's own list, with that provider's filter.

use std::sync::Arc;

use async_graphql::Context;

use crate::{
    asset::{Provider, SourceName},
    schema::{
        connection::{self, AssetConnection, ListQuery, PageArguments},
        error::bad_input,
        fast_path::FastPath,
        filter::named,
        operation::reading,
    },
    source::{BrokenRule, Filter, FilterField, ListKind, ListSelection, Order, Parameters, Source},
};

/// The most bytes of a filter in an upstream URL, where a byte takes up to three characters.
const MAX_FILTER_BYTES: usize = 2_500;

/// A provider's own filter, translated for the upstream call.
pub struct ProviderQuery {
    pub parameters: Parameters,
    /// The filter that the gateway applies to each row.
    pub filter: Filter,
    /// The filter fields that the provider may ignore.
    pub local: Vec<FilterField>,
}

/// A request for one provider's own list.
pub struct ProviderList {
    pub name: &'static str,
    pub provider: Provider,
    pub listing: ListKind,
    pub sources: Option<Vec<String>>,
    pub order: Order,
}

impl ProviderList {
    pub async fn resolve(
        self,
        context: &Context<'_>,
        query: async_graphql::Result<ProviderQuery>,
        [first, last]: [Option<i32>; 2],
        [after, before]: [Option<String>; 2],
    ) -> async_graphql::Result<FastPath<AssetConnection>> {
        let query = query?;
        let registry = &reading(context)?.registry;
        let mut sources = named(&["sources"], self.sources.as_deref(), registry)?;
        let is_other = |provider| provider != self.provider;
        for (index, name) in self.sources.iter().flatten().enumerate() {
            let source = SourceName::parse(name).ok();
            let source = source.and_then(|name| registry.named(&name));
            let profile = source.map(|source| source.profile());
            if let Some(other) = profile.filter(|profile| is_other(profile.provider)) {
                return Err(bad_input(
                    &["sources", &index.to_string()],
                    format!(
                        "source `{}` is no {} source, and `{}` lists those only",
                        other.name,
                        self.provider.enum_value(),
                        self.name
                    ),
                ));
            }
        }
        sources.retain(|source| !is_other(source.profile().provider));
        // The strictest servers accept URLs of about 8,000 characters.
        let filter_bytes: usize = query.parameters.0.iter().map(|(_, v)| v.len()).sum();
        if filter_bytes > MAX_FILTER_BYTES {
            return Err(bad_input(
                &["filter"],
                format!(
                    "the filter takes {filter_bytes} bytes of an upstream URL; the limit is {MAX_FILTER_BYTES}: \
                     use fewer or shorter values"
                ),
            ));
        }
        let mut arguments = query.parameters.0.to_vec();
        arguments.extend(query.filter.arguments());
        let selection = ListSelection::Provider {
            listing: self.listing,
            parameters: &query.parameters,
            filter: &query.filter,
        };
        let planned = |source: Arc<dyn Source>| {
            let plan = source.plan(selection, self.order.by).map(|mut plan| {
                plan.call.local.clone_from(&query.local);
                plan
            });
            (source, plan)
        };
        let described = ListQuery {
            name: self.name,
            sources: sources.into_iter().map(planned).collect(),
            filter: query.filter,
            arguments,
            order: self.order,
        };
        let paging = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(connection::resolve(context, described, paging)).await
    }
}

/// Converts a broken rule to `BAD_USER_INPUT`. `lists` are the filter's lists as they were sent.
pub fn rule_error(
    rule: &BrokenRule,
    lists: &[(&str, &Option<Vec<String>>)],
) -> async_graphql::Error {
    let list = lists.iter().find(|(field, _)| *field == rule.field);
    let entries = list.and_then(|(_, entries)| entries.as_deref());
    let is_entry = |entry: &String| rule.entry.as_deref() == Some(entry.trim());
    let index = entries.and_then(|entries| entries.iter().position(is_entry));
    let index = index.map(|index| index.to_string());
    let mut path = vec!["filter", rule.field];
    path.extend(index.as_deref());
    bad_input(&path, format!("`{}`: {}", path.join("."), rule.rule))
}
