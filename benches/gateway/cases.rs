//! The cases: the contestants, the query and the number of connections.

use crate::{
    contestants::{CacheMode, Kind, Sources},
    questions::Question,
};

/// The gateway over one source, with everything cached.
pub const GATEWAY: Kind = Kind::Gateway(CacheMode::Everything, Sources::One);
/// The gateway over one source, without a cache.
const COLD: Kind = Kind::Gateway(CacheMode::Nothing, Sources::One);
/// The gateway over three sources, without a cache.
const COLD_THREE: Kind = Kind::Gateway(CacheMode::Nothing, Sources::Three);
/// The gateway over three sources, with a small cache.
pub const SMALL_CACHE: Kind = Kind::Gateway(CacheMode::Little, Sources::Three);
const TAILCALL: Kind = Kind::Tailcall(CacheMode::Nothing);
const TAILCALL_CACHED: Kind = Kind::Tailcall(CacheMode::Everything);

/// One table of the report.
pub struct Case {
    pub name: String,
    pub question: Question,
    pub connections: u32,
    /// Whether the sources respond after 20 ms.
    pub is_far: bool,
    pub contestants: Vec<Kind>,
    /// The contestant that the ratios compare with.
    pub reference: Kind,
}

impl Case {
    /// Creates a case with 32 connections and sources that respond at once.
    fn new(name: &str, question: Question, contestants: &[Kind], reference: Kind) -> Self {
        Self {
            name: name.to_owned(),
            question,
            connections: 32,
            is_far: false,
            contestants: contestants.to_vec(),
            reference,
        }
    }
}

/// Returns every case, in the order of the report.
pub fn cases() -> Vec<Case> {
    let all_kinds = [Kind::Static, GATEWAY, Kind::Engine, TAILCALL_CACHED];
    let graphql_servers = [GATEWAY, Kind::Engine];
    let mut cases = Vec::new();
    for (name, question) in [
        ("warm list of 20 × 6 fields", Question::List),
        ("warm 20 by id", Question::Ids),
        ("warm list with previews", Question::Previews),
    ] {
        cases.push(Case::new(name, question, &all_kinds, Kind::Static));
    }
    for (name, question) in [
        ("warm, variables differ: 20 of 40 ids", Question::Variables),
        ("warm, text differs: a comment", Question::Comment),
        ("warm, text differs: the operation's name", Question::Name),
        ("warm, text differs: an alias", Question::Alias),
    ] {
        cases.push(Case::new(name, question, &graphql_servers, Kind::Engine));
    }
    for (name, question) in [
        ("cold list, same query on all connections", Question::List),
        ("cold list, unique query", Question::Distinct),
        ("cold list, unique query, assets changed", Question::Changed),
        ("cold 20 by id", Question::Ids),
        ("cold list with previews", Question::Previews),
    ] {
        cases.push(Case::new(name, question, &[COLD, TAILCALL], COLD));
    }
    for connections in [1, 32] {
        let name = format!("cold list, sources 20 ms away, {connections} at once");
        let contestants = [COLD, COLD_THREE];
        cases.push(Case {
            connections,
            is_far: true,
            ..Case::new(&name, Question::List, &contestants, COLD)
        });
    }
    let fastest = [Kind::Static, GATEWAY];
    cases.push(Case {
        connections: 256,
        ..Case::new("warm, 256 at once", Question::List, &fastest, Kind::Static)
    });
    cases
}
