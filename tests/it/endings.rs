//! A list always ends or fails, and is complete, even if a source overstates it or is down.

use asset_gateway::sandbox::{Fault, Options};
use serde_json::{Value, json};

use crate::harness::{TestGateway, error, texts, until, without_caches, world, world_with};

/// Walks a list and returns every id, and the last answer.
async fn walk(
    world: &TestGateway,
    field: &str,
    arguments: &str,
    size: usize,
) -> (Vec<String>, Value) {
    let query = format!(
        "query($n: Int, $c: String) {{ {field}(first: $n, after: $c{arguments}) {{
             nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut ids, mut at) = (Vec::new(), Value::Null);
    for _ in 0..400 {
        let answer = world.ask_with(&query, json!({ "n": size, "c": at })).await;
        let page = &answer["data"][field];
        if page.is_null() {
            return (ids, answer);
        }
        ids.extend(texts(&page["nodes"], "/id"));
        if page["pageInfo"]["hasNextPage"] == false {
            return (ids, answer);
        }
        let next = page["pageInfo"]["endCursor"].clone();
        assert_ne!(next, at, "a page that stands still: {answer:#}");
        at = next;
    }
    panic!("the walk does not end");
}

#[tokio::test]
async fn a_search_with_too_large_an_estimate_is_complete() {
    let world = world_with(Options::default(), without_caches).await;
    let arguments = ", filter: {sources: [\"scenario\"], search: \"fox\"}";
    let due = {
        let named = ", filter: {sources: [\"scenario\"], nameContains: \"fox\"}";
        walk(&world, "assets", named, 100).await.0
    };
    assert!(due.len() > 5, "{due:?}");
    for size in [1, 3, 100] {
        let (ids, answer) = walk(&world, "assets", arguments, size).await;
        assert_eq!(answer.get("errors"), None, "{answer:#}");
        let missing: Vec<_> = due.iter().filter(|id| !ids.contains(id)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let mut distinct = ids.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), ids.len(), "nothing twice");
    }
}

#[tokio::test]
async fn a_list_that_always_claims_more_rows_ends() {
    let world = world_with(Options::default(), without_caches).await;
    for (order, size) in [
        ("CREATED_AT", 9),
        ("NAME", 9),
        ("SIZE", 50),
        ("CREATED_AT", 100),
    ] {
        let arguments = format!(
            ", filter: {{sources: [\"comfy\"]}}, orderBy: {{field: {order}, direction: DESC}}"
        );
        let faults = &world.sandbox.comfy.faults;
        faults.clear();
        let (due, _) = walk(&world, "assets", &arguments, size).await;
        faults.add(
            "GET /api/assets",
            Fault::Replace(
                "\"has_more\":false".to_owned(),
                b"\"has_more\":true".to_vec(),
            ),
        );
        let (ids, answer) = walk(&world, "assets", &arguments, size).await;
        assert_eq!(answer.get("errors"), None, "{order}: {answer:#}");
        assert!(due.len() > 50);
        assert_eq!(ids, due, "{order}");
    }
}

#[tokio::test]
async fn a_walk_with_a_source_down_ends_with_an_error_and_resumes_later() {
    let world = world_with(Options::default(), without_caches).await;
    let (whole, _) = walk(&world, "assets", "", 50).await;
    let down = Fault::Unavailable("7");
    world.sandbox.comfy.faults.add("GET", down);
    let first = world
        .ask("{ assets(first: 5) { pageInfo { hasNextPage endCursor } } }")
        .await;
    assert_eq!(first.get("errors"), None, "a first page is data");
    let (ids, answer) = walk(&world, "assets", "", 50).await;
    assert!(ids.len() > 100);
    let (code, message) = error(&answer);
    assert_eq!(code, "UPSTREAM_UNAVAILABLE");
    assert!(message.contains("`comfy`"), "{message}");
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["sources"], json!(["comfy"]));
    let wait = extensions["retryAfterSeconds"].as_u64().expect("a time");
    assert!((1..=7).contains(&wait), "{extensions}");
    // The same backward.
    let back = "query($c: String) { assets(last: 100, before: $c) { edges { cursor } \
                pageInfo { hasPreviousPage startCursor } } }";
    let mut at = Value::Null;
    let ended = loop {
        let answer = world.ask_with(back, json!({ "c": at })).await;
        let page = &answer["data"]["assets"];
        if page.is_null() {
            break answer;
        }
        assert_ne!(page["pageInfo"]["startCursor"], at, "{answer:#}");
        assert_eq!(page["pageInfo"]["hasPreviousPage"], true);
        at = page["pageInfo"]["startCursor"].clone();
    };
    assert_eq!(
        ended["errors"][0]["extensions"]["sources"],
        json!(["comfy"])
    );
    // Once the source is back, the same cursor continues the walk.
    world.sandbox.comfy.faults.clear();
    let mut on = json!(null);
    until(async || {
        on = world.ask_with(back, json!({ "c": at })).await;
        on.get("errors").is_none()
    })
    .await;
    assert!(on["data"]["assets"].is_object(), "{on:#}");
    let (again, _) = walk(&world, "assets", "", 50).await;
    assert_eq!(again, whole);
}

#[tokio::test]
async fn a_before_that_after_has_passed_is_ignored_in_every_order() {
    let world = world().await;
    for order in ["CREATED_AT", "NAME"] {
        let list = format!(
            "filter: {{sources: [\"comfy\"]}}, orderBy: {{field: {order}, direction: ASC}}"
        );
        let whole_list = world
            .data(&format!(
                "{{ assets(first: 100, {list}) {{ edges {{ cursor node {{ id }} }} }} }}"
            ))
            .await;
        let edges = whole_list["assets"]["edges"].as_array().expect("edges");
        let ids = texts(&whole_list["assets"]["edges"], "/node/id");
        let cursor = |at: usize| edges[at]["cursor"].to_string();
        let last = world
            .data(&format!(
                "{{ assets(last: 4, {list}) {{ nodes {{ id }} }} }}"
            ))
            .await;
        for (after, before) in [(9, 3), (3, 3), (9, 8)] {
            let between = format!("after: {}, before: {}", cursor(after), cursor(before));
            let ask = |size: &str| {
                format!("{{ assets({size}, {between}, {list}) {{ nodes {{ id }} }} }}")
            };
            let forward = world.data(&ask("first: 4")).await;
            assert_eq!(
                texts(&forward["assets"]["nodes"], "/id"),
                ids[after + 1..after + 5],
                "{order}: what `after` leaves has no such `before` in it"
            );
            let backward = world.data(&ask("last: 4")).await;
            assert_eq!(backward, last, "{order}");
        }
    }
}

#[tokio::test]
async fn blanks_around_a_tag_are_ignored() {
    let world = world().await;
    let query = |tag: &str| {
        format!("{{ assets(first: 100, filter: {{tagsAny: [\"{tag}\"]}}) {{ nodes {{ id }} }} }}")
    };
    let plain = world.data(&query("model")).await;
    assert!(!texts(&plain["assets"]["nodes"], "/id").is_empty());
    assert_eq!(world.data(&query("  model ")).await, plain);
    let none = world.ask(&query("   ")).await;
    assert_eq!(error(&none).0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn very_old_assets_are_walked_oldest_first() {
    let world = world().await;
    // The years 1, 500 and 969, in microseconds.
    let days = |year: i64| (year - 1970) * 365 * 86_400 * 1_000_000;
    for (number, asset) in world.sandbox.store.comfy().iter_mut().take(9).enumerate() {
        asset.created = days([1, 500, 969][number % 3]) + number as i64;
    }
    for (number, asset) in world
        .sandbox
        .store
        .scenario()
        .iter_mut()
        .take(9)
        .enumerate()
    {
        asset.created = days([2, 501, 968][number % 3]) / 1_000 + number as i64;
    }
    for direction in ["ASC", "DESC"] {
        let order = format!(", orderBy: {{field: CREATED_AT, direction: {direction}}}");
        let (whole, _) = walk(&world, "assets", &order, 100).await;
        let (small, answer) = walk(&world, "assets", &order, 2).await;
        assert_eq!(answer.get("errors"), None, "{answer:#}");
        assert_eq!(small, whole, "{direction}");
    }
}
