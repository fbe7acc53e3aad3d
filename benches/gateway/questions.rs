//! The queries, in the dialect of each contestant.

use asset_gateway::asset::Provider;
use serde_json::json;

use crate::{
    load::Body,
    upstream::{CHANGED_TAG_PREFIX, COMFY_ASSETS, LISTED, global_id, id, rows},
};

/// Placeholder for a number that is unique in each request.
const COUNT: &str = "COUNT";
/// Placeholder for ids that differ in each request.
const IDS: &str = "IDS";

/// The schema that a query is written for.
#[derive(Clone, Copy)]
pub enum Dialect {
    /// The schema of the gateway and of the engine.
    Ours,
    /// Comfy's names, which Tailcall's configuration keeps.
    Comfys,
}

/// A query, or a family of queries.
#[derive(Clone, Copy)]
pub enum Question {
    /// Twenty assets of the list, six fields each.
    List,
    /// The same assets, each by its id.
    Ids,
    /// The list, with the id and name of each asset's preview.
    Previews,
    /// The list without a unique tag that no asset has, so that no two requests share a call.
    Distinct,
    /// Like [`Question::Distinct`], and every asset changes each time.
    Changed,
    /// Twenty of forty ids, different ones each time, as a variable.
    Variables,
    /// The list, with a unique comment.
    Comment,
    /// The list, with a unique operation name.
    Name,
    /// The list, with a unique alias.
    Alias,
    /// A mix of repeated and unique queries, and of three among many ids each time.
    Mixed,
}

impl Question {
    /// Returns the number of names in a correct response.
    pub const fn names(self) -> usize {
        match self {
            Self::Previews => 2 * LISTED,
            _ => LISTED,
        }
    }

    pub fn body(self, dialect: Dialect) -> Body {
        let fields = dialect.fields();
        let list = dialect.list(fields);
        match self {
            Self::List => same(&format!("{{{list}}}")),
            Self::Ids => same(&by_id(dialect)),
            Self::Previews => {
                let list = dialect.list(&format!("{fields} preview{{id name}}"));
                same(&format!("{{{list}}}"))
            }
            Self::Distinct | Self::Changed => match dialect {
                Dialect::Ours => {
                    let tag = match self {
                        Self::Changed => CHANGED_TAG_PREFIX,
                        _ => "no",
                    };
                    let query = format!(
                        "query($tag:String!){{assets(first:{LISTED} filter:{{tagsNone:[$tag]}}){{nodes{{{fields}}}}}}}"
                    );
                    let tag = format!("{tag}{COUNT}");
                    counted(&json!({ "query": query, "variables": { "tag": tag } }).to_string())
                }
                // Tailcall shares no calls and keeps no assets anyway.
                Dialect::Comfys => same(&format!("{{{list}}}")),
            },
            Self::Variables => by_variable(fields, dialect.ids(), LISTED),
            Self::Comment => counted(&text(&format!("# {COUNT}\n{{{list}}}"))),
            Self::Name => counted(&text(&format!("query Q{COUNT}{{{list}}}"))),
            Self::Alias => counted(&text(&format!("{{a{COUNT}:{list}}}"))),
            Self::Mixed => {
                let others = [
                    Self::List,
                    Self::Ids,
                    Self::Previews,
                    Self::Distinct,
                    Self::Variables,
                    Self::Comment,
                    Self::Alias,
                ];
                let mut bodies: Vec<Body> = others.map(|question| question.body(dialect)).into();
                let pool = (0..COMFY_ASSETS).map(|number| global_id(&id(Provider::Comfy, number)));
                // Few ids at once: more would exceed what the source can serve.
                bodies.push(by_variable(fields, pool.collect(), 3));
                Body::Mixed(bodies)
            }
        }
    }
}

impl Dialect {
    const fn fields(self) -> &'static str {
        match self {
            Self::Ours => "id name size mimeType tags createdAt",
            Self::Comfys => "id name size mime_type tags created_at",
        }
    }

    fn list(self, fields: &str) -> String {
        match self {
            Self::Ours => format!("assets(first:{LISTED}){{nodes{{{fields}}}}}"),
            Self::Comfys => format!("assets(limit:{LISTED},offset:0){{assets{{{fields}}}}}"),
        }
    }

    /// Returns the ids of all assets, the listed ones first.
    fn ids(self) -> Vec<String> {
        let rows = rows(Provider::Comfy).into_iter();
        match self {
            Self::Ours => rows.map(|row| global_id(&row.id)).collect(),
            Self::Comfys => rows.map(|row| row.id).collect(),
        }
    }
}

fn by_id(dialect: Dialect) -> String {
    let ids = dialect.ids().into_iter().take(LISTED).enumerate();
    let fields = dialect.fields();
    let selections = ids.map(|(number, id)| format!("a{number}:asset(id:\"{id}\"){{{fields}}}"));
    format!("{{{}}}", selections.collect::<Vec<_>>().join(" "))
}

fn by_variable(fields: &str, ids: Vec<String>, count: usize) -> Body {
    let query = format!("query($ids:[ID!]!){{nodes(ids:$ids){{...on Asset{{{fields}}}}}}}");
    shuffled(&query, ids, count)
}

fn same(query: &str) -> Body {
    Body::Same(text(query))
}

/// Returns the JSON body of a query.
fn text(query: &str) -> String {
    json!({ "query": query }).to_string()
}

/// Returns a body with a unique number each time.
fn counted(body: &str) -> Body {
    let (before, after) = body.split_once(COUNT).expect("COUNT in the query");
    Body::Counted {
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

fn shuffled(query: &str, ids: Vec<String>, count: usize) -> Body {
    let body = json!({ "query": query, "variables": { "ids": IDS } }).to_string();
    let placeholder = format!("\"{IDS}\"");
    let (before, after) = body.split_once(&placeholder).expect("IDS in the variables");
    Body::Shuffled {
        before: before.to_owned(),
        after: after.to_owned(),
        ids,
        count,
    }
}
