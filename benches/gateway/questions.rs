//! What is asked, in the words of whoever is asked.

use asset_gateway::asset::Provider;
use serde_json::json;

use crate::{
    load::Body,
    upstream::{CHANGED, LISTED, MANY, global_id, id, rows},
};

/// Stands where each request has a number of its own.
const COUNT: &str = "COUNT";
/// Stands where each request has ids of its own.
const IDS: &str = "IDS";

/// Whose names for things.
#[derive(Clone, Copy)]
pub enum Dialect {
    /// The gateway's, and the engine's.
    Ours,
    /// Comfy's own, which Tailcall's configuration leaves as they are.
    Comfys,
}

/// A query, or a family of queries.
#[derive(Clone, Copy)]
pub enum Question {
    /// Twenty assets of the list, six fields each.
    List,
    /// The same assets, each by its id.
    Ids,
    /// The list, and of each asset's preview its id and name.
    Previews,
    /// The list without a tag that no asset has, another one each time: no two share a call.
    Distinct,
    /// The same, and no asset is ever what it was before.
    Changed,
    /// Twenty of forty ids, other ones each time, as a variable.
    Variables,
    /// The list, with a comment that never comes again.
    Comment,
    /// The list, under a name that never comes again.
    Name,
    /// The list, with an alias that never comes again.
    Alias,
    /// All of it: what is asked again, and what never comes again; three of many ids each time.
    Mixed,
}

impl Question {
    /// How many names are in a right answer.
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
                        Self::Changed => CHANGED,
                        _ => "no",
                    };
                    let query = format!(
                        "query($tag:String!){{assets(first:{LISTED} filter:{{tagsNone:[$tag]}}){{nodes{{{fields}}}}}}}"
                    );
                    let tag = format!("{tag}{COUNT}");
                    counted(&json!({ "query": query, "variables": { "tag": tag } }).to_string())
                }
                // It shares none anyway, and keeps no asset.
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
                let mut all: Vec<Body> = others.map(|own| own.body(dialect)).into();
                let many = (0..MANY).map(|number| global_id(&id(Provider::Comfy, number)));
                // Few at once: more would be more than the source takes.
                all.push(by_variable(fields, many.collect(), 3));
                Body::Mixed(all)
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

    /// Of all assets there are, the list's first.
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
    let each = ids.map(|(number, id)| format!("a{number}:asset(id:\"{id}\"){{{fields}}}"));
    format!("{{{}}}", each.collect::<Vec<_>>().join(" "))
}

fn by_variable(fields: &str, ids: Vec<String>, count: usize) -> Body {
    let query = format!("query($ids:[ID!]!){{nodes(ids:$ids){{...on Asset{{{fields}}}}}}}");
    shuffled(&query, ids, count)
}

fn same(query: &str) -> Body {
    Body::Same(text(query))
}

/// A body that sends a query.
fn text(query: &str) -> String {
    json!({ "query": query }).to_string()
}

/// A body with a number of its own each time.
fn counted(body: &str) -> Body {
    let (before, after) = body.split_once(COUNT).expect("it is in the query");
    Body::Counted {
        before: before.to_owned(),
        after: after.to_owned(),
    }
}

fn shuffled(query: &str, ids: Vec<String>, count: usize) -> Body {
    let body = json!({ "query": query, "variables": { "ids": IDS } }).to_string();
    let place = format!("\"{IDS}\"");
    let (before, after) = body.split_once(&place).expect("it is in the variables");
    Body::Shuffled {
        before: before.to_owned(),
        after: after.to_owned(),
        ids,
        count,
    }
}
