//! The merged list of three sources, walked in both directions.

use std::collections::HashSet;

use asset_gateway::sandbox::Options;
use base64::Engine;
use serde_json::{Value, json};

use crate::harness::{TestGateway, error, texts, world, world_with};

const FORWARD: &str = "query($n: Int, $c: String) { assets(first: $n, after: $c) {
    edges { cursor node { id createdAt source { name } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
const BACKWARD: &str = "query($n: Int, $c: String) { assets(last: $n, before: $c) {
    edges { cursor node { id createdAt source { name } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// Every id of the list, walked page by page.
async fn walk(world: &TestGateway, forward: bool, size: usize) -> Vec<String> {
    let (query, more, cursor) = if forward {
        (FORWARD, "hasNextPage", "endCursor")
    } else {
        (BACKWARD, "hasPreviousPage", "startCursor")
    };
    let mut pages = Vec::new();
    let mut at = Value::Null;
    loop {
        let answer = world.ask_with(query, json!({ "n": size, "c": at })).await;
        assert_eq!(answer.get("errors"), None, "{answer:#}");
        let page = &answer["data"]["assets"];
        pages.push(texts(&page["edges"], "/node/id"));
        if page["pageInfo"][more] != true {
            break;
        }
        at = page["pageInfo"][cursor].clone();
        assert!(
            at.is_string(),
            "there is more, so there is a cursor: {page:#}"
        );
    }
    if !forward {
        pages.reverse();
    }
    pages.concat()
}

fn stored(world: &TestGateway) -> usize {
    let scenario_count = world
        .sandbox
        .store
        .scenario()
        .iter()
        .filter(|a| a.owner_id == "proj_sandbox")
        .count();
    scenario_count + world.sandbox.store.piktid().len() + world.sandbox.store.comfy().len()
}

#[tokio::test]
async fn both_directions_give_the_whole_list_in_one_order() {
    let world = world().await;
    let forward = walk(&world, true, 37).await;
    assert_eq!(forward.len(), stored(&world));
    let distinct: HashSet<_> = forward.iter().collect();
    assert_eq!(distinct.len(), forward.len(), "no asset twice");
    assert_eq!(walk(&world, false, 41).await, forward);
    assert_eq!(walk(&world, true, 100).await, forward);
}

#[tokio::test]
async fn the_newest_come_first() {
    let world = world().await;
    let data = world
        .data("{ assets(first: 100) { nodes { createdAt source { name } } } }")
        .await;
    let times = texts(&data["assets"]["nodes"], "/createdAt");
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let sources: HashSet<_> = texts(&data["assets"]["nodes"], "/source/name")
        .into_iter()
        .collect();
    assert_eq!(sources.len(), 3, "all sources take part in the first page");
}

#[tokio::test]
async fn a_walk_can_continue_after_any_edge() {
    let world = world().await;
    let page = world.ask_with(FORWARD, json!({ "n": 30 })).await;
    let edges = &page["data"]["assets"]["edges"];
    let ids = texts(edges, "/node/id");
    for (index, cursor) in texts(edges, "/cursor").iter().enumerate().take(29) {
        assert!(cursor.len() <= 64, "{cursor}");
        let rest = world
            .ask_with(FORWARD, json!({ "n": 1, "c": cursor }))
            .await;
        let next = texts(&rest["data"]["assets"]["edges"], "/node/id");
        assert_eq!(next, [ids[index + 1].clone()], "after edge {index}");
    }
}

#[tokio::test]
async fn an_asset_deleted_at_the_cursor_or_added_before_it_changes_nothing_after_it() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = std::time::Duration::ZERO;
    })
    .await;
    let ids = walk(&world, true, 50).await;
    let page = world.ask_with(FORWARD, json!({ "n": 20 })).await;
    let page = &page["data"]["assets"];
    let last = texts(&page["edges"], "/node/id").pop().unwrap_or_default();
    let last_upstream = |id: &str| {
        let plain = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(id)
            .unwrap_or_default();
        String::from_utf8_lossy(&plain)
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let gone = last_upstream(&last);
    world.sandbox.store.scenario().retain(|a| a.id != gone);
    world.sandbox.store.piktid().retain(|a| a.id != gone);
    world.sandbox.store.comfy().retain(|a| a.id != gone);
    for number in 0..15 {
        let mut newer = world.sandbox.store.piktid()[0].clone();
        newer.id = format!("new-{number}");
        newer.created += 60_000_000 * (number + 1);
        world.sandbox.store.piktid().push(newer);
        let mut newer = world.sandbox.store.comfy()[0].clone();
        newer.id = format!("00000000-0000-4000-8000-0000000000{number:02}");
        newer.created += 60_000_000 * (number + 1);
        world.sandbox.store.comfy().push(newer);
    }
    let rest = world
        .ask_with(
            FORWARD,
            json!({ "n": 30, "c": page["pageInfo"]["endCursor"] }),
        )
        .await;
    assert_eq!(
        texts(&rest["data"]["assets"]["edges"], "/node/id"),
        ids[20..50]
    );
}

#[tokio::test]
async fn one_page_is_one_list_call_a_source_in_both_directions() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = std::time::Duration::ZERO;
    })
    .await;
    for (query, more) in [(FORWARD, "endCursor"), (BACKWARD, "startCursor")] {
        let mut cursor = Value::Null;
        for page in 0..8 {
            world.forget_calls();
            let answer = world.ask_with(query, json!({ "n": 20, "c": cursor })).await;
            assert_eq!(world.calls(), [1, 1, 1], "page {page} of {query}");
            cursor = answer["data"]["assets"]["pageInfo"][more].clone();
        }
    }
}

#[tokio::test]
async fn a_cursor_is_valid_at_another_instance() {
    let first = world().await;
    let page = first.ask_with(FORWARD, json!({ "n": 10 })).await;
    let cursor = page["data"]["assets"]["pageInfo"]["endCursor"].clone();
    let second = world().await;
    let first_page = first
        .ask_with(FORWARD, json!({ "n": 10, "c": cursor }))
        .await;
    let second_page = second
        .ask_with(FORWARD, json!({ "n": 10, "c": cursor }))
        .await;
    assert_eq!(
        texts(&first_page["data"]["assets"]["edges"], "/node/id"),
        texts(&second_page["data"]["assets"]["edges"], "/node/id")
    );
}

#[tokio::test]
async fn after_and_before_may_bound_one_page() {
    let world = world().await;
    let page = world.ask_with(FORWARD, json!({ "n": 12 })).await;
    let edges = &page["data"]["assets"]["edges"];
    let (ids, cursors) = (texts(edges, "/node/id"), texts(edges, "/cursor"));
    let answer = world
        .ask(&format!(
            "{{ assets(first: 50, after: \"{}\", before: \"{}\") {{ nodes {{ id }} pageInfo {{ hasNextPage }} }} }}",
            cursors[1], cursors[9]
        ))
        .await;
    let nodes = &answer["data"]["assets"];
    assert_eq!(texts(&nodes["nodes"], "/id"), ids[2..9]);
    assert_eq!(nodes["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn empty_sources_give_an_empty_page() {
    let world = world().await;
    world.sandbox.store.scenario().clear();
    world.sandbox.store.piktid().clear();
    world.sandbox.store.comfy().clear();
    let data = world
        .data("{ assets { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } sourceResults { status } } }")
        .await;
    assert_eq!(data["assets"]["nodes"], json!([]));
    assert_eq!(
        data["assets"]["pageInfo"],
        json!({ "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null })
    );
    assert_eq!(
        texts(&data["assets"]["sourceResults"], "/status"),
        ["OK", "OK", "OK"]
    );
}

#[tokio::test]
async fn counts_are_exact_or_null() {
    let world = world().await;
    let data = world
        .data(
            "{ all: assets { totalCount } exact: assets(filter: { providers: [PIKTID, COMFY] }) {
            totalCount sourceResults { source { name } totalCount } } }",
        )
        .await;
    assert_eq!(
        data["all"]["totalCount"],
        Value::Null,
        "Scenario does not count"
    );
    assert_eq!(data["exact"]["totalCount"], 280);
}

#[tokio::test]
async fn malformed_cursors_are_refused_before_any_call() {
    let world = world().await;
    for cursor in ["", "x", "AAAA", &"A".repeat(300), "not base64 at all!", "é"] {
        let answer = world
            .ask_with(FORWARD, json!({ "n": 1, "c": cursor }))
            .await;
        assert_eq!(error(&answer).0, "BAD_CURSOR", "{cursor}");
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn many_assets_of_one_creation_time_are_walked_completely() {
    let world = world().await;
    world.sandbox.store.scenario().clear();
    world.sandbox.store.comfy().clear();
    let time = world.sandbox.store.piktid()[40].created;
    for row in world.sandbox.store.piktid().iter_mut().skip(30).take(75) {
        row.created = time;
    }
    for size in [7, 33, 100] {
        let forward = walk(&world, true, size).await;
        let distinct: HashSet<_> = forward.iter().collect();
        assert_eq!(
            (forward.len(), distinct.len()),
            (120, 120),
            "pages of {size}"
        );
        assert_eq!(walk(&world, false, size).await, forward, "pages of {size}");
    }
}

#[tokio::test]
async fn assets_of_the_year_one_are_walked_like_any_other() {
    let world = world().await;
    world.sandbox.store.scenario().clear();
    world.sandbox.store.piktid().clear();
    for (index, row) in world.sandbox.store.comfy().iter_mut().enumerate() {
        // The server sorts by the stored time; only the time that it sends is odd.
        if index >= 120 {
            row.created = 0;
            row.overrides.insert(
                "created_at".to_owned(),
                asset_gateway::sandbox::json("\"0001-01-01T00:00:00\""),
            );
        }
    }
    let forward = walk(&world, true, 20).await;
    let distinct: HashSet<_> = forward.iter().collect();
    assert_eq!((forward.len(), distinct.len()), (160, 160));
    assert_eq!(walk(&world, false, 7).await, forward);
}

/// ComfyUI stamps one time on each batch of 500 scanned files, and sorts them by id.
#[tokio::test]
async fn a_walk_through_ties_of_500_costs_one_call_a_page() {
    let world = world().await;
    world.sandbox.store.scenario().clear();
    world.sandbox.store.piktid().clear();
    {
        let mut store = world.sandbox.store.comfy();
        let row = store[3].clone();
        *store = (0..1_200_i64)
            .map(|number| {
                let mut row = row.clone();
                let digest = blake3::hash(&number.to_be_bytes()).to_hex();
                row.id = format!("{}-0000-4000-8000-000000000000", &digest[..8]);
                row.created -= number / 500 * 1_000_000;
                row
            })
            .collect();
    }
    let mut sequences = Vec::new();
    for (forward, size) in [(true, 20), (false, 20), (true, 100)] {
        world.forget_calls();
        let ids = walk(&world, forward, size).await;
        let distinct: HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), distinct.len()), (1_200, 1_200));
        let (calls, pages) = (world.calls()[2], 1_200 / size);
        assert!(calls * 10 <= pages * 11, "{calls} calls for {pages} pages");
        sequences.push(ids);
    }
    assert!(sequences.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn small_pages_pass_a_tie_larger_than_any_call() {
    let world = world().await;
    world.sandbox.store.scenario().clear();
    world.sandbox.store.piktid().clear();
    {
        let mut store = world.sandbox.store.comfy();
        let row = store[3].clone();
        *store = (0..700)
            .map(|number| {
                let mut row = row.clone();
                row.id = format!("00000000-0000-4000-8000-{number:012}");
                row
            })
            .collect();
    }
    let page = world.ask_with(FORWARD, json!({ "n": 3 })).await;
    let ids = texts(&page["data"]["assets"]["edges"], "/node/id");
    assert_eq!(ids.len(), 3, "{page:#}");
    let cursor = &page["data"]["assets"]["pageInfo"]["endCursor"];
    let next = world
        .ask_with(FORWARD, json!({ "n": 3, "c": cursor }))
        .await;
    let following = texts(&next["data"]["assets"]["edges"], "/node/id");
    assert_eq!(following.len(), 3, "{next:#}");
    assert!(following.iter().all(|id| !ids.contains(id)));
}

#[tokio::test]
async fn cursors_survive_renamed_filters() {
    let world = world().await;
    // Made by a build from before `owner`, `visibility` and `parentAssetId` were renamed.
    let merged = "USQFPQGhlu5EwFs-dx4Iok94gJEROnMML38BABY8ZdAm";
    let data = world
        .data(&format!(
            "{{ assets(first: 2, after: \"{merged}\", filter: {{createdBy: \"ada\", \
             visibilities: [PRIVATE]}}) {{ nodes {{ name }} }} }}"
        ))
        .await;
    assert_eq!(
        texts(&data["assets"]["nodes"], "/name"),
        ["castle-002.png", "robot-003.png"]
    );
    let lineage = "YRytXgGhlufcIGrLHrf_O2-ue3Xe9dGtNnWu22neH8z7dL0";
    let data = world
        .data(&format!(
            "{{ scenarioAssets(first: 1, after: \"{lineage}\", filter: {{parentUpstreamId: \
             \"asset_b3af728dd63ec6fd468348\"}}) {{ nodes {{ upstreamId }} }} }}"
        ))
        .await;
    assert_eq!(data["scenarioAssets"]["nodes"], json!([]));
}

#[tokio::test]
async fn a_page_of_no_assets_asks_only_for_what_is_selected() {
    let world = world().await;
    let fields = "edges { cursor } pageInfo { endCursor startCursor }";
    for list in [
        "assets(first: 0)",
        "assets(last: 0)",
        "scenarioAssets(first: 0)",
    ] {
        let data = world
            .data(&format!("{{ list: {list} {{ {fields} }} }}"))
            .await;
        assert_eq!(
            data["list"],
            json!({ "edges": [], "pageInfo": { "endCursor": null, "startCursor": null } })
        );
    }
    assert_eq!(world.calls(), [0, 0, 0]);
    for (list, ends) in [
        ("assets(first: 0)", [true, false]),
        ("assets(last: 0)", [false, true]),
        (
            "assets(first: 0, filter: {nameContains: \"no such name\"})",
            [false, false],
        ),
        (
            "assets(first: 0, filter: {sources: [\"piktid\"]}, orderBy: {field: NAME, direction: ASC})",
            [true, false],
        ),
    ] {
        let query = format!(
            "{{ list: {list} {{ nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} }} }}"
        );
        let page = &world.data(&query).await["list"];
        assert_eq!(page["nodes"], json!([]), "{list}");
        let info = &page["pageInfo"];
        let found = [&info["hasNextPage"], &info["hasPreviousPage"]].map(|end| end == true);
        assert_eq!((found, &info["endCursor"]), (ends, &Value::Null), "{list}");
    }
    let counted = "{ assets(first: 0, filter: {sources: [\"comfy\"]}) { totalCount } }";
    assert!(world.data(counted).await["assets"]["totalCount"].as_u64() > Some(100));
    let answer = world.ask("{ assets(first: -1) { nodes { id } } }").await;
    assert!(error(&answer).1.contains("0 to 100"), "{answer}");
}
