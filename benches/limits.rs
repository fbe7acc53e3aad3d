//! Compares checking a document against the limits with parsing it: `cargo bench --bench limits`.
//! Compare ratios of one run. Hostile documents must cost no more than their size.

#![allow(clippy::print_stdout, reason = "the bench prints a report")]

use std::hint::black_box;

use asset_gateway::server::fuzz_entry::ParsedDocument;
use tokio::time::Instant;

const ROUNDS: usize = 9;
const ITERATIONS: u32 = 400;

/// Returns fragments that each spread the next one twice.
fn bomb(levels: usize) -> String {
    let mut text = "{...f0}".to_owned();
    for level in 0..levels {
        text += &format!("fragment f{level} on Query{{...f{0} ...f{0}}}", level + 1);
    }
    text + &format!("fragment f{levels} on Query{{assetSources{{name}}}}")
}

/// Returns the nanoseconds per call, the best of [`ROUNDS`] rounds.
fn time<T>(mut work: impl FnMut() -> T) -> f64 {
    let round = |_| {
        let began = Instant::now();
        for _ in 0..ITERATIONS {
            let _ = black_box(work());
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(ITERATIONS)
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

fn main() {
    let list = "query L($n: Int, $a: String) { assets(first: $n, after: $a) { edges { cursor node { id name kind \
                createdAt tags thumbnailUrl source { name } } } pageInfo { hasNextPage endCursor } } }";
    let wide = format!("{{ assetSources {{ {} }} }}", "name ".repeat(1_900));
    let nested = format!("{{ a(x: {}1{}) }}", "[".repeat(60), "]".repeat(60));
    let spread = format!(
        "{{ {} }} fragment f on Query {{ assetSources {{ name }} }}",
        "...f ".repeat(600)
    );
    // Validation must compare and merge all these fields of one response key.
    let same = format!(
        "{{ {} }}",
        "assets(first: 1) { nodes { id source { name id } } } ".repeat(90)
    );
    let mut conflicts = "id ".repeat(50);
    for level in [
        "nodes",
        "children(first: 1)",
        "nodes",
        "children(first: 1)",
        "nodes",
    ] {
        conflicts = format!("{level} {{ {conflicts} }} ").repeat(2);
    }
    let conflicts = format!("{{ assets {{ {conflicts} }} }}");
    let documents = [
        ("an ordinary list", list.to_owned()),
        (
            "introspection",
            include_str!("../tests/corpus/introspection.graphql").to_owned(),
        ),
        ("fragments, 6 levels", bomb(6)),
        ("fragments, 13 levels", bomb(13)),
        ("one fragment, 600 times", spread),
        ("1,900 fields", wide),
        ("lists, 60 deep", nested),
        ("equal lists, 90 times", same),
        ("conflicts, 5 deep", conflicts),
    ];
    println!(
        "| document | bytes | parse µs | scan µs | weigh µs | price µs | checks/parse | all/parse |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, text) in documents {
        let parsed = ParsedDocument::parse(&text).expect("valid GraphQL");
        let parse = time(|| ParsedDocument::parse(black_box(&text)));
        let scan = time(|| ParsedDocument::scan(black_box(&text)));
        // The result does not matter: weighing reads the whole document even if it is too heavy.
        let weigh = time(|| parsed.weigh());
        let price = time(|| parsed.price());
        let whole = time(|| ParsedDocument::whole(black_box(&text)));
        let (check_ratio, total_ratio) = ((scan + weigh + price) / parse, whole / parse);
        let [parse, scan, weigh, price] = [parse, scan, weigh, price].map(|nanos| nanos / 1e3);
        println!(
            "| {name} | {} | {parse:.1} | {scan:.1} | {weigh:.1} | {price:.1} | {check_ratio:.2} | {total_ratio:.2} |",
            text.len()
        );
    }
}
